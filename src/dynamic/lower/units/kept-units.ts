import {
  add,
  apply,
  ConstantOfShape,
  concat,
  constant,
  GatherND,
  gather,
  ints,
  min,
  mul,
  NonZero,
  ndarray,
  Reshape,
  reshape,
  type Shape,
  ShapeOf,
  scatterNd,
  type Tensor,
  transpose,
  unsqueeze,
} from '../../../graph/index.ts';
import type { KeepNode } from '../../keep.ts';
import type { SparseForm } from '../form.ts';
import { keptName } from '../kept.ts';
import type { Unit } from './moves.ts';

/** GatherND whose shape the file declares: the engine's optimiser fails on no rows of an unnamed batch. */
const Declared: typeof GatherND = { ...GatherND, internal: ['rows'] };

/** Which units the rows at hand keep. */
export interface Kept {
  readonly keep: KeepNode;
  /** [rows, units]: 1 kept, 0 dropped. */
  readonly mask: Tensor;
  /** How many each row keeps, int64 [1]. */
  readonly count: Tensor;
}

const upTo = (n: number, step: number): Tensor =>
  constant(
    ndarray(
      'int64',
      [n],
      Array.from({ length: n }, (_, i) => i * step),
    ),
  );

/** Row and place of every 1 in a matrix, [ones, 2]. */
const places = (matrix: Tensor, count: string): Tensor => transpose(apply(NonZero, [matrix], { count }), [1, 0]);

const rowsOf = (t: Tensor): Tensor => apply(ShapeOf, [t], { start: 0, end: 1 });

/** A tensor of sizes: those of rows, counts and numbers. */
export const sized = (parts: readonly (Tensor | number)[]): Tensor =>
  concat(
    parts.map((p) => (typeof p === 'number' ? ints([p]) : p)),
    0,
  );

/** Row and place of each kept unit, [rows, kept, 2]; `matrix` [rows, places] is 1 where a unit is kept. */
function pairsIn(matrix: Tensor, { keep, count }: Kept): Tensor {
  const name = keptName(keep.attrs.decision);
  const flat = places(matrix, `${name} of all rows`);
  const to: Shape = [matrix.shape[0]!, name, 2];
  return apply(Reshape, [flat, sized([rowsOf(matrix), count, 2])], { to });
}

/** Kept places of one row, [kept]. */
const line = (matrix: Tensor, { keep }: Kept): Tensor =>
  gather(apply(NonZero, [matrix], { count: keptName(keep.attrs.decision) }), constant(ndarray('int64', [], [1])), 0);

/** The places along an axis that belong to kept units: outer runs, each of the kept ones, each of `inner` places. */
function spread(index: Tensor, { outer, inner, keep }: Unit): Tensor {
  const { units } = keep.attrs.decision;
  let all = index;
  if (inner > 1) all = add(unsqueeze(mul(all, int(inner)), [1]), upTo(inner, 1));
  if (outer > 1) all = add(unsqueeze(upTo(outer, units * inner), all.rank === 2 ? [1, 2] : [1]), unsqueeze(all, [0]));
  return all.rank === 1 ? all : reshape(all, [-1]);
}
const int = (v: number): Tensor => constant(ndarray('int64', [], [v]));

/** Takes, scatters and counts the units that rows keep. */
export class Units {
  readonly #form: SparseForm;

  constructor(form: SparseForm) {
    this.#form = form;
  }

  /** The kept part of an axis. `within`: the axis holds what an earlier decision kept. */
  gather(x: Tensor, unit: Unit, kept: Kept, within?: Kept): Tensor {
    const matrix = within ? this.gather(kept.mask, { ...unit, axis: 1, outer: 1, inner: 1 }, within) : kept.mask;
    if (this.#form === 'branch') return gather(x, spread(line(matrix, kept), unit), unit.axis);
    const pairs = pairsIn(matrix, kept);
    if (unit.axis === 1) return apply(Declared, [x, pairs], {});
    // A weight for each unit, the same for all rows.
    return gather(x, gather(pairs, int(1), 2), 0);
  }

  /** An axis of all units again, with `fill` in the places of dropped ones. */
  scatter(x: Tensor, whole: Shape, { axis, outer, inner }: Unit, kept: Kept, fill?: Tensor): Tensor {
    const base = fill ?? this.#zeros(x, whole, axis);
    if (axis === 1 && outer === 1 && inner === 1) return scatterNd(base, pairsIn(kept.mask, kept), x);
    // Other axes: to the front and back.
    const perm = [axis, ...whole.map((_, i) => i).filter((i) => i !== axis)];
    const back = perm.map((_, i) => perm.indexOf(i));
    const unit: Unit = { axis, outer, inner, keep: kept.keep, dropped: 'zero' };
    const index = unsqueeze(spread(line(kept.mask, kept), unit), [1]);
    return transpose(scatterNd(transpose(base, perm), index, transpose(x, perm)), back);
  }

  #zeros(x: Tensor, whole: Shape, axis: number): Tensor {
    const to = x.shape.map((d, i) => (i === axis ? whole[i]! : d));
    const sizes = to.map((d, i) => (typeof d === 'number' ? d : apply(ShapeOf, [x], { start: i, end: i + 1 })));
    return apply(ConstantOfShape, [sized(sizes)], { value: ndarray(x.dtype, [1], [0]), to });
  }

  /** [rows, kept], filled with ones. */
  ones({ keep, mask, count }: Kept): Tensor {
    const to: Shape = [mask.shape[0]!, keptName(keep.attrs.decision)];
    return apply(ConstantOfShape, [sized([rowsOf(mask), count])], { value: ndarray('float32', [1], [1]), to });
  }
}

/** How many units rows keep, int64 [1], where an earlier decision kept `before`. */
export const atMost = (count: Tensor, before: Tensor | undefined): Tensor => (before ? min(count, before) : count);
