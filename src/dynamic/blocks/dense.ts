import { DynaError } from '../../errors.ts';
import { add, concat, formatShape, layerScope, mul, scope, sub, type Tensor } from '../../graph/index.ts';
import { pooled, routing } from '../../nn/index.ts';
import { select } from '../net.ts';
import { blank, checkAlike, column, policyIn, scaled } from './parts.ts';

/** Weights lie between 0 and 1: as logits, their differences to the threshold would let noise alone decide in training. */
const STEEP = 20;

/**
 * The runtime threshold of an edge for dropping it under another weight than the one it was traced with.
 *
 * @example run(bytes, Object.fromEntries(decisionsOf(net).map((d) => [d.name, edgeThreshold(0.1, 0.25)])))
 */
export const edgeThreshold = (traced: number, weight: number): number => STEEP * (traced - weight);

export interface DenseOptions {
  /** How much each source counts for an input, [N, sources], 0 to 1; by default `routing` (sigmoid) on all of them. */
  readonly weights?: Tensor | (() => Tensor);
  /** Edges of less weight are dropped, and what they compute is skipped; 0.1 by default. */
  readonly threshold?: number;
  readonly name?: string;
}

/**
 * Decisions about connections: the sum of what edges make of earlier features, each times a weight of the input's own; edges
 * of little weight are dropped (attention over dense connections; Huang et al. 2017, DenseNet, arXiv:1608.06993). The edge
 * from the last source always runs, so that something comes through.
 *
 * @param sources earlier features, oldest first; at least two
 * @param edge what an edge computes of its source; all edges return one signature
 * @returns the sum of the edges
 * @throws DynaError 'usage' for fewer than two sources or a threshold outside of [0, 1), 'shape' where weights do not fit
 * @example x = dense([stem, block1, block2], (t) => conv(t, 64, { norm: 'batch', activation: 'relu' }), { threshold: 0.2 })
 */
export function dense(
  sources: readonly Tensor[],
  edge: (source: Tensor, index: number) => Tensor,
  options: DenseOptions = {},
): Tensor {
  const { threshold = 0.1, name } = options;
  if (sources.length < 2)
    throw new DynaError('usage', `dense connections need at least two sources, got ${sources.length}`);
  if (!(threshold >= 0 && threshold < 1))
    throw new DynaError('usage', `the weight under which edges are dropped is from 0 to below 1, got ${threshold}`);
  return layerScope('dense', name, () => {
    const features = (): Tensor => concat(sources.map(pooled), 1);
    const usual = (): Tensor => routing(features(), sources.length, { activation: 'sigmoid', name: 'routing' });
    const weights = policyIn(options, 'weights', sources[0]!, usual);
    if (weights.rank !== 2 || weights.shape[1] !== sources.length)
      throw new DynaError(
        'shape',
        `the weights of edges should be [N, ${sources.length}], got ${formatShape(weights.shape)}`,
      );
    const made: Tensor[] = [];
    const edges = sources.map((source, k) =>
      scope(`edge${k + 1}`, () => {
        const weight = column(weights, k);
        const run = (): Tensor => {
          const own = scaled(edge(source, k), weight);
          made.push(own);
          checkAlike('edge', made);
          return own;
        };
        return k === sources.length - 1 ? run() : taken(source, mul(sub(threshold, weight), STEEP), run);
      }),
    );
    return edges.reduce((a, b) => add(a, b));
  });
}

/** What an edge gives, or zeros where the score is above the threshold. */
function taken(source: Tensor, score: Tensor, edge: () => Tensor): Tensor {
  let signature: Tensor | undefined;
  const run = (): Tensor => {
    signature = edge();
    return signature;
  };
  const drop = (): Tensor => blank(source, signature!.shape.slice(1) as number[]);
  return select({ family: 'edge', name: 'choice', score, options: { run, drop } });
}
