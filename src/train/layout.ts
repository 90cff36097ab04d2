import { DynaError } from '../errors.ts';
import {
  type BlockSize,
  type NDArray,
  ndarray,
  type ParamAttrs,
  reshape,
  sizeOf,
  split,
  type Tensor,
  transpose,
} from '../graph/index.ts';

/** Where each parameter lies in one flat vector. One large tensor crosses the engine's border faster than many small. */
export interface Layout {
  readonly params: readonly ParamAttrs[];
  readonly size: number;
  /** Kernels lie in blocks of so many channels, as the engine's blocked convolutions read them; undefined: as they are. */
  readonly block: BlockSize | undefined;
}

export const layoutOf = (params: readonly ParamAttrs[], block?: BlockSize): Layout => ({
  params,
  size: params.reduce((sum, p) => sum + sizeOf(p.shape), 0),
  block,
});

/** The axes of a kernel [O, I, kH, kW] with its channels in blocks; undefined where they do not fill whole ones. */
function inBlocks({ shape }: ParamAttrs, { block: b }: Layout): readonly number[] | undefined {
  const [o, i, ...k] = shape as [number, number, number, number];
  return b && shape.length === 4 && o % b === 0 && i % b === 0 ? [o / b, b, i / b, b, ...k] : undefined;
}

/** From O / b, b, I / b, b, kH, kW to O / b, I / b, kH, kW, b (of I), b (of O), and back. */
const TO_BLOCKS = [0, 2, 4, 5, 3, 1] as const;
const FROM_BLOCKS = [0, 5, 1, 4, 2, 3] as const;

/** The parameters as views of the flat tensor, by name. */
export function unpack(flat: Tensor, layout: Layout): Map<string, Tensor> {
  const { params } = layout;
  if (params.length === 0) return new Map();
  const pieces = split(
    flat,
    params.map((p) => sizeOf(p.shape)),
    0,
  );
  return new Map(
    params.map((p, i) => {
      const piece = pieces[i]!;
      const axes = inBlocks(p, layout);
      if (axes) {
        const stored = TO_BLOCKS.map((a) => axes[a]!);
        return [p.name, reshape(transpose(reshape(piece, stored), FROM_BLOCKS), p.shape)];
      }
      return [p.name, p.shape.length === 1 ? piece : reshape(piece, p.shape)];
    }),
  );
}

/** A tensor of a parameter's shape as its part of the flat tensor. */
export function packed(t: Tensor, p: ParamAttrs, layout: Layout): Tensor {
  const axes = inBlocks(p, layout);
  return reshape(axes ? transpose(reshape(t, axes), TO_BLOCKS) : t, [-1]);
}

/** Copies a kernel into blocks, or out of them. */
function reorder(from: Float32Array, [oo, b, ii, , kh, kw]: readonly number[], out: boolean): Float32Array {
  const to = new Float32Array(from.length);
  const taps = kh! * kw!;
  let blocked = 0;
  for (let o = 0; o < oo!; o++)
    for (let i = 0; i < ii!; i++)
      for (let k = 0; k < taps; k++)
        for (let q = 0; q < b!; q++)
          for (let p = 0; p < b!; p++, blocked++) {
            const plain = ((o * b! + p) * ii! * b! + i * b! + q) * taps + k;
            if (out) to[plain] = from[blocked]!;
            else to[blocked] = from[plain]!;
          }
  return to;
}

/** Copies named values into one flat array. */
export function flatten(values: ReadonlyMap<string, NDArray>, layout: Layout): NDArray {
  const flat = new Float32Array(layout.size);
  let at = 0;
  for (const p of layout.params) {
    const value = values.get(p.name);
    if (!value || value.data.length !== sizeOf(p.shape))
      throw new DynaError(
        'training',
        `parameter "${p.name}" should have ${sizeOf(p.shape)} values, got ${value ? value.data.length : 'none'}`,
      );
    const axes = inBlocks(p, layout);
    const data = value.data as Float32Array;
    flat.set(axes ? reorder(data, axes, false) : data, at);
    at += data.length;
  }
  return ndarray('float32', [layout.size], flat);
}

/** The reverse of `flatten`: copies, so that the flat array may change afterwards. */
export function unflatten(flat: NDArray, layout: Layout): Map<string, NDArray> {
  const { params, size } = layout;
  if (flat.data.length !== size)
    throw new DynaError('training', `a state of ${size} values is expected, got ${flat.data.length}`);
  let at = 0;
  return new Map(
    params.map((p) => {
      const data = (flat.data as Float32Array).slice(at, at + sizeOf(p.shape));
      at += data.length;
      const axes = inBlocks(p, layout);
      return [p.name, ndarray('float32', p.shape, axes ? reorder(data, axes, true) : data)];
    }),
  );
}
