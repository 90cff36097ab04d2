import {
  type Choices,
  decisionsOf,
  groupsOf,
  isExit,
  type Net,
  optionLogits,
  type TracedWay,
  traceWay,
} from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import { add, concat, logSoftmax, mul, reshape, slice, softmax, type Tensor } from '../graph/index.ts';
import { stopGradient } from '../nn/index.ts';
import type { LossView, PathView } from './decisions/index.ts';

/** Fixed paths whose decisions learn too. */
export interface PolicyPaths {
  readonly ways: readonly TracedWay[];
  /** The scores that are met on each path, one after the other. */
  readonly scores: readonly Tensor[];
}

/** @throws DynaError 'usage' for nets with exits, and where several of a group run for every input */
export function policyPaths(net: Net, paths: readonly Choices[]): PolicyPaths {
  if (decisionsOf(net).some(isExit))
    throw new DynaError('usage', `exits of "${net.name}" are no policy that can be trained over paths`, {
      fix: 'leave exits out of this training: certify moves them, afterwards',
    });
  if (groupsOf(decisionsOf(net)).length > 0)
    throw new DynaError('usage', `"${net.name}" runs the best two experts, which no path alone decides`, {
      fix: 'train without paths: the best two run there as in files, and the router learns through their shares',
    });
  const ways = paths.map((choices) => traceWay(net, choices));
  return { ways, scores: ways.flatMap((w) => w.met.map((m) => m.score)) };
}

const column = (x: Tensor, k: number): Tensor => reshape(slice(x, [{ axis: 1, start: k, end: k + 1 }]), [-1]);

/**
 * What a policy does over all paths: where it sends each input, the loss that is expected there, and its MACs.
 *
 * @param scores as in `paths`, computed on a batch
 * @param losses of each path, [N]
 */
export function overPaths(
  { ways }: PolicyPaths,
  scores: readonly Tensor[],
  losses: readonly Tensor[],
): { readonly paths: readonly PathView[]; readonly view: Omit<LossView, 'scalar'> } {
  let at = 0;
  const logs = ways.map(({ met }) => {
    const each = met.map(({ decision, option }) =>
      column(logSoftmax(optionLogits(decision, scores[at++]!), 1), option),
    );
    if (each.length === 0) throw new DynaError('usage', 'a path on which nothing decides has no probability');
    return reshape(
      each.reduce((a, b) => add(a, b)),
      [-1, 1],
    );
  });
  const probabilities = softmax(concat(logs, 1), 1);
  const paths = ways.map(
    (_, w): PathView => ({ losses: stopGradient(losses[w]!), probability: column(probabilities, w) }),
  );
  const mean = (value: (w: number) => Tensor | number): Tensor =>
    paths.map(({ probability }, w) => mul(probability, value(w))).reduce((a, b) => add(a, b));
  return {
    paths,
    view: { losses: mean((w) => paths[w]!.losses), cost: mean((w) => ways[w]!.macs), decisions: [] },
  };
}
