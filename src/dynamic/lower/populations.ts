import {
  add,
  and,
  BatchNormalization,
  type Block,
  cast,
  constant,
  div,
  less,
  max,
  mul,
  type Node,
  type Operator,
  type ParamAttrs,
  placement,
  reduceSum,
  remake,
  reshape,
  scalar,
  sqrt,
  sub,
  sumAll,
  type Tensor,
  where,
  zerosLike,
} from '../../graph/index.ts';
import { isSelect, type Join, optionValues, ownThresholds } from '../decision.ts';
import { isKeep, isWeigh, type KeepNode, partsOfKeep, underMask, type WeighNode } from '../keep.ts';
import { checkDecisions, decisionsOf, type Net } from '../traced.ts';
import { type Choice, choose, type Thresholds, thresholdArray } from './choice.ts';
import { keptMask, keptWeights } from './kept.ts';
import { pick } from './masked.ts';

/** What one normalisation sees of the inputs that reach it, summed over a batch. */
export interface Population {
  /** The names of the running statistics that this batch's numbers belong to. */
  readonly mean: string;
  readonly variance: string;
  /** How many values a channel has, []; their sums and sums of squares, [C]. */
  readonly count: Tensor;
  readonly sum: Tensor;
  readonly squares: Tensor;
}

const isNorm = ({ op }: Node): boolean => op === (BatchNormalization as unknown as Operator);
const name = (t: Tensor): string => (t.node.attrs as unknown as ParamAttrs).name;

/** Rebuilds a net so that every normalisation uses (and shows) the statistics of the rows that execute it. */
class Measured {
  readonly populations: Population[] = [];
  readonly #of: ReadonlyMap<Node, Block>;
  readonly #thresholds: Thresholds;
  readonly #made = new Map<Node, readonly Tensor[]>();
  readonly #choices = new Map<Node, Choice>();

  constructor(net: Net, thresholds: Thresholds) {
    this.#of = placement([net.output]).of;
    this.#thresholds = thresholds;
  }

  value(t: Tensor): Tensor {
    const { node } = t;
    const known = this.#made.get(node) ?? this.#make(node);
    this.#made.set(node, known);
    return known[t.index]!;
  }

  #make(node: Node): readonly Tensor[] {
    if (isSelect(node)) return this.#join(node);
    if (isKeep(node) || isWeigh(node)) return this.#units(node);
    if (isNorm(node)) return [this.#normalised(node)];
    return node.op.leaf
      ? node.outputs
      : remake(
          node,
          node.inputs.map((t) => t && this.value(t)),
        );
  }

  #choice(node: Join): Choice {
    const { decision } = node.attrs;
    const own = constant(thresholdArray(decision, this.#thresholds[decision.name]));
    const made = this.#choices.get(node) ?? choose(decision, this.value(node.inputs[0]!), own);
    this.#choices.set(node, made);
    return made;
  }

  /** Dropped units are zeros, which statistics of later layers see as such. */
  #units(node: KeepNode | WeighNode): readonly Tensor[] {
    const inputs = node.inputs.map((t) => t && this.value(t));
    const { decision } = node.attrs;
    const threshold = constant(thresholdArray(decision, this.#thresholds[decision.name]));
    if (isWeigh(node)) return [keptWeights(inputs[0]!, threshold)];
    const { score, previous, values } = partsOfKeep(inputs, node.attrs);
    return underMask(keptMask(node.attrs.decision, score, threshold, previous), values, node.attrs.axes);
  }

  #join(node: Join): readonly Tensor[] {
    const choice = this.#choice(node);
    const values = node.attrs.decision.options.map((_, k) =>
      optionValues(node.inputs, node.attrs, k).map((t) => this.value(t)),
    );
    return values.reduceRight((rest, own, k) => rest.map((r, i) => pick(choice.mask(k), own[i]!, r)));
  }

  /** Which rows execute a block, [N] truths; undefined: all. */
  #reach({ owner, name, parent }: Block): Tensor | undefined {
    if (!owner || !isSelect(owner)) return undefined;
    const k = owner.attrs.decision.options.findIndex((o) => o.name === name);
    const own = this.#choice(owner).mask(k);
    const outer = this.#reach(parent!);
    return outer ? and(outer, own) : own;
  }

  #normalised(node: Node): Tensor {
    const [x, scale, bias, mean, variance] = node.inputs as Tensor[];
    const { epsilon } = node.attrs as { epsilon: number };
    const values = this.value(x!);
    const mask = this.#reach(this.#of.get(node)!);
    const seen = mask ? pick(mask, values, zerosLike(values)) : values;
    const spots = (values.shape.slice(2) as number[]).reduce((a, b) => a * b, 1);
    const count = mask ? mul(sumAll(cast(mask, 'float32')), spots) : scalar(Number(values.shape[0]) * spots);
    const axes = values.shape.map((_, i) => i).filter((i) => i !== 1);
    const sum = reduceSum(seen, axes);
    const squares = reduceSum(mul(seen, seen), axes);
    this.populations.push({ mean: name(mean!), variance: name(variance!), count, sum, squares });
    // A block that nobody executes keeps what it had.
    const some = max(count, 1);
    const average = where(less(count, 1), mean!, div(sum, some));
    const spread = where(less(count, 1), variance!, max(sub(div(squares, some), mul(average, average)), 0));
    const wide = (t: Tensor) => reshape(t, [1, -1, ...values.shape.slice(2).map(() => 1)]);
    const normal = div(sub(values, wide(average)), wide(sqrt(add(spread, epsilon))));
    return add(mul(normal, wide(scale!)), wide(bias!));
  }
}

/**
 * For each normalisation of a net, what the rows that really execute it say: skipped, narrow and late blocks see another
 * population when a net is dynamic than they saw in training. All normalisations use the batch's own statistics of those rows.
 *
 * @param net with a batch of a known size
 * @param thresholds by name; others part where trained gates do, and nobody exits
 */
export function populations(net: Net, thresholds: Thresholds = {}): readonly Population[] {
  checkDecisions(net, Object.keys(thresholds));
  const measured = new Measured(net, { ...ownThresholds(decisionsOf(net)), ...thresholds });
  measured.value(net.output);
  return measured.populations;
}
