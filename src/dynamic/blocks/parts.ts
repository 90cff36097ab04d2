import {
  add,
  cast,
  constant,
  less,
  mul,
  ndarray,
  reshape,
  sizeOf,
  slice,
  type Tensor,
  unsqueeze,
} from '../../graph/index.ts';

/** Column k of a matrix, [N]. */
export const column = (t: Tensor, k: number): Tensor => reshape(slice(t, [{ axis: 1, start: k, end: k + 1 }]), [0]);

/** values times a factor [N]. */
export const scaled = (values: Tensor, factor: Tensor): Tensor =>
  mul(
    values,
    unsqueeze(
      factor,
      values.shape.slice(1).map((_, i) => i + 1),
    ),
  );

/** Zeros [N, ...shape] for the rows of x: nothing is below itself, not even NaN. */
export function blank(x: Tensor, shape: readonly number[]): Tensor {
  const first = slice(
    x,
    x.shape.slice(1).map((_, i) => ({ axis: i + 1, start: 0, end: 1 })),
  );
  const rows = reshape(cast(less(first, first), 'float32'), [0, ...shape.map(() => 1)]);
  return add(rows, constant(ndarray('float32', [1, ...shape], new Float32Array(sizeOf(shape)))));
}
