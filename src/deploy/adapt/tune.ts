import { decisionsOf, type Net } from '../../dynamic/index.ts';
import {
  apply,
  type NDArray,
  ndarray,
  order,
  Param,
  type ParamAttrs,
  substitute,
  type Tensor,
} from '../../graph/index.ts';
import type { Foreign } from './foreign.ts';
import { withExits } from './heads.ts';
import type { Place } from './plan.ts';
import { type RetrainOptions, type RetrainRequest, retrain } from './retrain.ts';

/** Weight of the last answer's loss: it is to stay where the original is, which exits alone would not mind. */
const LAST = 3;
/** Of all exits' losses together, at the most; each alone has 1. */
const EXITS = 4;

/**
 * Trains the model's own weights and its heads together.
 *
 * @returns new values of all parameters
 */
export function tune(request: RetrainRequest, options: RetrainOptions = {}): Promise<ReadonlyMap<string, NDArray>> {
  const { length } = decisionsOf(request.start.net);
  return retrain(request, options, {
    weights: [...new Array<number>(length).fill(Math.min(1, EXITS / length)), LAST],
  });
}

/** How far from the start to what training reached the tuned weights that are tried lie. */
export const WAYPOINTS = [1 / 3, 2 / 3, 1] as const;

/**
 * Weights between two trained ones: nearer to the start the last answer drifts less from the original, nearer to the end
 * exits know more (Wortsman et al. 2022, arXiv:2109.01903).
 */
export function between(
  start: ReadonlyMap<string, NDArray>,
  end: ReadonlyMap<string, NDArray>,
  share: number,
): ReadonlyMap<string, NDArray> {
  if (share === 1) return end;
  return new Map(
    [...end].map(([name, to]): [string, NDArray] => {
      const from = start.get(name)!.data as Float32Array;
      const mixed = Float32Array.from(to.data as Float32Array, (v, i) => from[i]! + share * (v - from[i]!));
      return [name, ndarray(to.dtype, to.dims, mixed)];
    }),
  );
}

const copyName = (name: string): string => `tuned/${name}`;

/**
 * The tuned beginning with its exits, and behind the last of them the original, whole and with its own weights: an image
 * that leaves nowhere gets the original's answer, and pays for both.
 */
export function beforeOriginal(
  foreign: Foreign,
  exits: readonly Place[],
  name: string,
  tuned: ReadonlyMap<string, NDArray>,
): { readonly net: Net; readonly weights: ReadonlyMap<string, NDArray> } {
  const early = exits.map((e) => e.tensor);
  const copies = new Map<Tensor, Tensor>();
  const weights = new Map<string, NDArray>([...tuned, ...foreign.weights]);
  for (const { op, attrs, outputs } of order(early))
    if (op.leaf === 'param') {
      const own = attrs as ParamAttrs;
      const copy = copyName(own.name);
      copies.set(outputs[0]!, apply<ParamAttrs>(Param, [], { ...own, name: copy }));
      weights.set(copy, tuned.get(own.name)!);
    }
  return { net: withExits(foreign, exits, name, [...substitute(early, copies), foreign.logits]), weights };
}
