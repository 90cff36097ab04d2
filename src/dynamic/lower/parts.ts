import {
  apply,
  ConstantOfShape,
  concat,
  ints,
  isConcrete,
  ndarray,
  pad,
  type Shape,
  ShapeOf,
  type Tensor,
} from '../../graph/index.ts';

/** Some columns of a trace for the rows at hand: computed, or the same number for every row. */
export type Part =
  | { readonly columns: Tensor; readonly width: number }
  | { readonly value: number; readonly width: number };

export const widthOf = (parts: readonly Part[]): number => parts.reduce((sum, p) => sum + p.width, 0);

/** Neighbouring parts of the same number as one. */
function merged(parts: readonly Part[]): Part[] {
  const out: Part[] = [];
  for (const part of parts) {
    const last = out.at(-1);
    if (last && 'value' in last && 'value' in part && last.value === part.value)
      out[out.length - 1] = { value: last.value, width: last.width + part.width };
    else if (part.width > 0) out.push(part);
  }
  return out;
}

/** Appends the parts to a matrix [rows, k]. A constant is a padding: one cheap operator that also works on no rows. */
export function attach(matrix: Tensor, parts: readonly Part[]): Tensor {
  return merged(parts).reduce(
    (x, p) => ('value' in p ? pad(x, [0, 0, 0, p.width], p.value) : concat([x, p.columns], 1)),
    matrix,
  );
}

/** [rows of `like`, ...rest], filled with one value; sizes of `rest` may be int64 [1], `to` then says what they are called. */
export function filled(
  like: Tensor,
  rest: readonly (number | Tensor)[],
  value: number,
  dtype: Tensor['dtype'],
  to: Shape = [like.shape[0]!, ...(rest as readonly number[])],
): Tensor {
  const rows = apply(ShapeOf, [like], { start: 0, end: 1 }); // a score may be [rows, K]
  const parts = rest.map((d) => (typeof d === 'number' ? ints([d]) : d));
  const target = isConcrete(to) ? ints(to) : concat([rows, ...parts], 0);
  return apply(ConstantOfShape, [target], { value: ndarray(dtype, [1], [value]), to });
}

/** The parts as a matrix of their own, for the rows of `like` [rows, ...]. */
export const standalone = (parts: readonly Part[], like: Tensor): Tensor =>
  concat(
    merged(parts).map((p) => ('value' in p ? filled(like, [p.width], p.value, 'float32') : p.columns)),
    1,
  );
