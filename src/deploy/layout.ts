import type { NDArray } from '../graph/index.ts';

/** Where a file keeps the channels of its images: first, as here everywhere, or last, as Keras and TensorFlow do. */
export type Layout = 'NCHW' | 'NHWC';

/** The shape [C, H, W] of an image as a file keeps it. */
export const storedShape = (shape: readonly number[], layout: Layout = 'NCHW'): readonly number[] =>
  layout === 'NCHW' ? shape : [...shape.slice(1), shape[0]!];

/** Each item's matrix [rows, columns] turned: what lay in columns then lies in rows. */
function turned(data: ArrayLike<number>, n: number, rows: number, columns: number): Float32Array {
  const result = new Float32Array(n * rows * columns);
  for (let i = 0, at = 0; i < n; i++)
    for (let c = 0; c < columns; c++) for (let r = 0; r < rows; r++) result[at++] = data[(i * rows + r) * columns + c]!;
  return result;
}

/**
 * A batch of images [N, C, H, W] as the file takes it: [N, H, W, C] where it keeps channels last, else the same array.
 *
 * @example await session.run({ [name]: asStored(images, card.layout) })
 */
export function asStored(x: NDArray, layout: Layout = 'NCHW'): NDArray {
  if (layout === 'NCHW') return x;
  const [n, c, h, w] = x.dims as [number, number, number, number];
  return { dtype: 'float32', dims: [n, h, w, c], data: turned(x.data as Float32Array, n, c, h * w) };
}

/** What a file says about each value of its input, [N, H, W, C] or as it keeps images, with channels first. */
export function fromStored(x: NDArray, layout: Layout = 'NCHW'): NDArray {
  if (layout === 'NCHW') return x;
  const [n, h, w, c] = x.dims as [number, number, number, number];
  return { dtype: 'float32', dims: [n, c, h, w], data: turned(x.data as Float32Array, n, h * w, c) };
}
