import {
  Cast,
  constantOf,
  Div,
  Exp,
  Greater,
  Max,
  Min,
  Mul,
  type Node,
  ReduceMax,
  ReduceSum,
  Reshape,
  Sub,
  sameShape,
  softmax,
  type Tensor,
  Transpose,
  Unsqueeze,
  Where,
} from '../../../graph/index.ts';

/** Operators that only move numbers, or keep 0 and 1 as they are. */
const carrying = new Set<unknown>([Unsqueeze, Reshape, Transpose, Cast]);
const number = (t: Tensor | undefined): number | undefined => {
  const value = t && constantOf(t);
  return value?.data.length === 1 ? Number(value.data[0]) : undefined;
};

/** The node behind operators that give their input as it is (a gradient may stop there). */
function behind(t: Tensor | undefined): Node | undefined {
  let node = t?.node;
  while (node && node.op.name === 'Identity') node = node.inputs[0]?.node;
  return node;
}
const made = (t: Tensor | undefined, op: unknown): Node | undefined => {
  const node = behind(t);
  return node && (node.op as unknown) === op ? node : undefined;
};

/** exp(s - max s) over its sum is a softmax, also where limits are written around it that nothing can reach. */
function asSoftmax(terms: Tensor, below: Tensor): Tensor | undefined {
  const sum = made(made(below, Max)?.inputs[0] ?? below, ReduceSum);
  const shifted = made(terms, Exp)?.inputs[0];
  const limit = made(shifted, Min);
  const difference = made(limit ? limit.inputs[0] : shifted, Sub);
  const largest = made(difference?.inputs[1], ReduceMax);
  if (!sum || sum.inputs[0] !== terms || !difference || !largest) return undefined;
  const scores = difference.inputs[0]!;
  const axes = largest.attrs.axes as readonly number[] | undefined;
  const summed = constantOf(sum.inputs[1])?.data;
  const fits =
    largest.inputs[0] === scores &&
    axes?.length === 1 &&
    summed?.length === 1 &&
    Number(summed[0]) === axes[0] &&
    (!limit || Number(number(limit.inputs[1])) >= 0) &&
    (made(below, Max) === undefined || Number(number(made(below, Max)!.inputs[1])) <= 1);
  return fits ? softmax(scores, axes[0]) : undefined;
}

/**
 * What follows from a mask that is 1 everywhere: where only kept units are present, masks say nothing, and masked attention
 * is plain attention.
 */
export class Uniform {
  readonly #known = new Map<Tensor, number>();

  is(t: Tensor, value: number): void {
    this.#known.set(t, value);
  }

  knows(t: Tensor): boolean {
    return this.#known.has(t);
  }

  /** What is known of `a` holds for `b`. */
  same(a: Tensor, b: Tensor): void {
    const value = this.#known.get(a);
    if (value !== undefined) this.is(b, value);
  }

  /** What a node gives on inputs of which some are known everywhere; undefined: what it computes. */
  simpler(node: Node, inputs: readonly (Tensor | undefined)[]): readonly Tensor[] | undefined {
    if (this.#known.size === 0) return undefined;
    const op = node.op as unknown;
    const [a, b, c] = inputs;
    if (op === Mul)
      for (const [x, by] of [
        [a!, b!],
        [b!, a!],
      ] as const)
        if (this.#known.get(by) === 1 && by.shape.every((d, i) => d === 1 || d === x.shape[i + x.rank - by.rank]))
          return by.rank <= x.rank ? [x] : undefined;
    if (op === Where && this.#known.get(a!) === 1 && sameShape(b!.shape, whole(node, a!, b!, c!))) return [b!];
    if (op === Div) {
      const found = asSoftmax(a!, b!);
      return found && [found];
    }
    return undefined;
  }

  /** Notes what is known of the results of a node. */
  note(node: Node, inputs: readonly (Tensor | undefined)[], outputs: readonly Tensor[]): void {
    const value = inputs[0] && this.#known.get(inputs[0]);
    if (value === undefined) return;
    if (carrying.has(node.op)) this.is(outputs[0]!, value);
    const limit = number(inputs[1]);
    if ((node.op as unknown) === Greater && limit !== undefined) this.is(outputs[0]!, value > limit ? 1 : 0);
  }
}

/** The shape of a Where, as far as its choices say. */
const whole = (node: Node, condition: Tensor, a: Tensor, b: Tensor): readonly (string | number)[] => {
  const rank = node.outputs[0]!.rank;
  return Array.from({ length: rank }, (_, i) => {
    const dims = [condition, a, b].map((t) => t.shape[i - rank + t.rank] ?? 1);
    return dims.find((d) => d !== 1) ?? 1;
  });
};
