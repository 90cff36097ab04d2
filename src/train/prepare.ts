import {
  add,
  applyAll,
  BatchNormalization,
  BatchNormTraining,
  cast,
  greaterOrEqual,
  input,
  mul,
  type Operator,
  rewrite,
  type Tensor,
} from '../graph/index.ts';
import { Dropout, dropoutRate } from '../nn/index.ts';

/** A tensor that the host fills anew for each step: uniform numbers in [0, 1), seeded by (seed, step). */
export interface NoiseInput {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface Prepared {
  readonly outputs: readonly Tensor[];
  /** New value of each running statistic, by the tensor of the old one. */
  readonly statistics: ReadonlyMap<Tensor, Tensor>;
  readonly noise: readonly NoiseInput[];
}

const is = (op: Operator, other: unknown): boolean => op === other;

/**
 * Turns an inference graph into a training graph: normalisation by the batch's own statistics, and dropout by noise
 * that the host feeds, so that a step is a pure function of its inputs.
 */
export function prepare(outputs: readonly Tensor[]): Prepared {
  const statistics = new Map<Tensor, Tensor>();
  const noise: NoiseInput[] = [];
  const prepared = rewrite(outputs, (node, inputs) => {
    if (is(node.op, BatchNormalization)) {
      const [x, scale, bias, mean, variance] = inputs as Tensor[];
      const { epsilon, momentum } = node.attrs as { epsilon: number; momentum: number };
      const [y, batchMean, batchVariance] = applyAll(BatchNormTraining, [x, scale, bias, mean, variance], {
        epsilon,
        momentum: 0,
        training_mode: 1,
      }) as Tensor[];
      const count = x!.shape.reduce<number>((n, d, i) => (i === 1 ? n : n * (d as number)), 1);
      const blend = (old: Tensor, now: Tensor, factor: number) =>
        add(mul(old, momentum), mul(now, (1 - momentum) * factor));
      statistics.set(mean!, blend(mean!, batchMean!, 1));
      // Running variance is the unbiased one (Ioffe & Szegedy 2015, algorithm 2).
      statistics.set(variance!, blend(variance!, batchVariance!, count / Math.max(1, count - 1)));
      return [y!];
    }
    if (is(node.op, Dropout)) {
      const [x] = inputs as Tensor[];
      const rate = dropoutRate(node);
      if (rate === 0) return [x!];
      const name = `noise/${noise.length + 1}/${node.scope}`;
      noise.push({ name, shape: x!.shape as number[] });
      const kept = cast(greaterOrEqual(input(name, x!.shape), rate), x!.dtype);
      return [mul(x!, mul(kept, 1 / (1 - rate)))];
    }
    return undefined;
  });
  return { outputs: prepared, statistics, noise };
}
