import { DynaError } from '../../errors.ts';
import {
  add,
  cast,
  constant,
  formatShape,
  less,
  mul,
  ndarray,
  reshape,
  sameShape,
  sizeOf,
  slice,
  type Tensor,
  unsqueeze,
} from '../../graph/index.ts';
import { seen } from '../keep.ts';

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

/**
 * What decides about x: a tensor, or what a function makes of x. An option that is there with nothing in it, as the fourth of
 * three gates is, is a mistake and no wish for the default.
 */
export function policyIn<K extends string>(
  options: { readonly [k in K]?: ((x: Tensor) => Tensor) | Tensor },
  key: K,
  x: Tensor,
  usual: (x: Tensor) => Tensor,
): Tensor {
  const given = key in options ? options[key] : usual;
  return seen(typeof given === 'function' ? given(x) : (given as Tensor));
}

/** @throws DynaError 'shape' where parts that are to be added do not all return what the first one does */
export function checkAlike(what: string, parts: readonly Tensor[]): void {
  const [first] = parts as [Tensor];
  const k = parts.findIndex((t) => t.dtype !== first.dtype || !sameShape(t.shape, first.shape));
  if (k < 0) return;
  const signature = ({ dtype, shape }: Tensor): string => `${dtype}${formatShape(shape)}`;
  throw new DynaError(
    'shape',
    `${what} 1 returns ${signature(first)} but ${what} ${k + 1} returns ${signature(parts[k]!)}; all must return the same signature`,
  );
}
