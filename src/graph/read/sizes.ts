import type { NDArray } from '../array.ts';
import { over, productOf, type Size, times } from '../dims.ts';
import { Abs, Add, Cast, Div, Equal, Identity, Max, Mul, Sub, Where } from '../ops/elementwise.ts';
import { Gather } from '../ops/indexing.ts';
import { constantOf } from '../ops/leaf.ts';
import { Concat, Reshape, ShapeOf, Squeeze, Unsqueeze } from '../ops/reshape.ts';
import { Slice } from '../ops/slicing.ts';
import type { Dim, Shape } from '../shape.ts';
import type { Node, Operator, Tensor } from '../tensor.ts';

// Exporters compute shapes with ordinary operators: Shape, Gather, Concat, Reshape. Where some axes are known by name
// only, constant folding cannot follow; this file does the same arithmetic on sizes that may be names.

const plus = (a: Size, b: Size): Size => {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  return a === 0 ? b : b === 0 ? a : undefined;
};

const minus = (a: Size, b: Size): Size => {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return b === 0 ? a : a !== undefined && a === b ? 0 : undefined;
};

/** As sizes are broadcast; a name may be 0, so it is not known to be above 1. */
const largest = (a: Size, b: Size): Size =>
  typeof a === 'number' && typeof b === 'number' ? Math.max(a, b) : a === b ? a : undefined;

/** Sizes are never negative, so a name differs from every negative number. */
const equals = (a: Size, b: Size): Size => {
  if (a === undefined || b === undefined) return undefined;
  if (a === b) return 1;
  if (typeof a === 'number' && typeof b === 'number') return 0;
  return Number(a) < 0 || Number(b) < 0 ? 0 : undefined;
};

type List = readonly Size[];
type SizeRule = (x: readonly (List | undefined)[], node: Node) => List | undefined;

/** A number stays known only where doubles hold it exactly. */
const exact = (d: Size): Size => (typeof d === 'number' && !Number.isSafeInteger(d) ? undefined : d);

const elementwise =
  (f: (...values: Size[]) => Size): SizeRule =>
  (x) => {
    if (x.some((list) => !list)) return undefined;
    const length = Math.max(...x.map((list) => list!.length));
    if (x.some((list) => list!.length !== length && list!.length !== 1)) return undefined;
    const at = (i: number): Size[] => x.map((list) => exact(list![list!.length === 1 ? 0 : i]));
    return Array.from({ length }, (_, i) => exact(f(...at(i))));
  };

/** To bool every number but 0 is 1; a size that is only named may be either. */
const casts: SizeRule = ([x], { attrs }) =>
  attrs.to !== 'bool' ? x : x?.map((d) => (typeof d === 'number' ? +(d !== 0) : undefined));

const same: SizeRule = ([x]) => x;

const asNumbers = (list: List | undefined): number[] | undefined =>
  list?.every((v) => typeof v === 'number') ? (list as number[]) : undefined;

const rules = new Map<unknown, SizeRule>([
  [
    ShapeOf,
    (_, { inputs: [x], attrs }) => (x!.shape as List).slice(attrs.start ?? 0, attrs.end ?? Number.POSITIVE_INFINITY),
  ],
  [Identity, same],
  [Cast, casts],
  [Reshape, same],
  [Squeeze, same],
  [Unsqueeze, same],
  [Abs, elementwise((d) => (typeof d === 'number' ? Math.abs(d) : d))], // how PyTorch turns -1 ("as it is") into 1
  [Add, elementwise(plus)],
  [Sub, elementwise(minus)],
  [Mul, elementwise(times)],
  [Div, elementwise(over)],
  [Max, elementwise(largest)],
  [Equal, elementwise(equals)],
  [Where, elementwise((c, a, b) => (c === undefined ? (a === b ? a : undefined) : c === 0 ? b : a))],
  [Concat, (x) => (x.every((list) => list !== undefined) ? (x as List[]).flat() : undefined)],
  [
    Gather,
    ([x, index]) => {
      const at = asNumbers(index);
      return x && at?.map((i) => x[i < 0 ? i + x.length : i]);
    },
  ],
  [
    Slice,
    ([x, starts, ends, , steps]) => {
      const [start, end] = [asNumbers(starts)?.[0], asNumbers(ends)?.[0]];
      const step = steps === undefined ? 1 : asNumbers(steps)?.[0];
      return x && start !== undefined && end !== undefined && step === 1 ? x.slice(start, end) : undefined;
    },
  ],
]);

const readable = (t: Tensor): boolean => t.rank <= 1 && ['int64', 'int32', 'bool'].includes(t.dtype);

/** What is known about the elements of integer tensors. */
export class Sizes {
  readonly #known = new Map<Tensor, List | undefined>();

  /** The elements of a scalar or vector of integers, as far as they are known; undefined where nothing is. */
  of(t: Tensor): List | undefined {
    if (!readable(t)) return undefined;
    if (this.#known.has(t)) return this.#known.get(t);
    const value = constantOf(t);
    const list = value ? numbersOf(value) : this.#infer(t.node);
    this.#known.set(t, list);
    return list;
  }

  #infer(node: Node): List | undefined {
    const rule = rules.get(node.op as Operator);
    return rule?.(
      node.inputs.map((t) => t && this.of(t)),
      node,
    );
  }
}

const numbersOf = (a: NDArray): number[] => Array.from(a.data as ArrayLike<number | bigint>, Number);

/** The shape that a Reshape gives whose target is known only in part; undefined where that is not enough. */
export function targetShape(shape: Shape, target: List): Dim[] | undefined {
  const out: Size[] = target.map((d, i) => (d === 0 ? shape[i] : d));
  const open = out.flatMap((d, i) => (d === undefined || d === -1 ? [i] : []));
  if (open.length === 0) return out as Dim[];
  if (open.length > 1) return undefined;
  const rest = productOf(out.filter((_, i) => i !== open[0]));
  const missing = over(productOf(shape), rest);
  if (missing === undefined || times(missing, rest) !== productOf(shape)) return undefined;
  out[open[0]!] = missing;
  return out as Dim[];
}
