import type { Net } from '../dynamic/index.ts';
import {
  cast,
  concat,
  encodeModel,
  isFloat,
  mul,
  type NDArray,
  type Node,
  order,
  reshape,
  sumAll,
  type Tensor,
  toOnnx,
} from '../graph/index.ts';
import { type Arrays, compile, type SessionOptions } from '../runtime/index.ts';
import { type Layout, unflatten } from './layout.ts';
import { flatParameters, type ObjectiveOptions, objectiveOf } from './objective.ts';
import type { StepOptions } from './step.ts';

const allFinite = (a: NDArray): boolean => (a.data as Float32Array).every(Number.isFinite);

function firstBad(flat: NDArray | undefined, layout: Layout): string | undefined {
  if (!flat || allFinite(flat)) return undefined;
  return [...unflatten(flat, layout)].find(([, value]) => !allFinite(value))?.[0];
}

/** 0 for a finite tensor, NaN otherwise: 0 times infinity is NaN. */
const probe = (t: Tensor): Tensor => reshape(cast(sumAll(mul(t, 0)), 'float32'), [1]);

/**
 * Runs a step that gave NaN or infinity once more, with every tensor of it watched, and says in words where such a value
 * stands first.
 *
 * @param state weights and statistics before the step
 * @param feeds of that step
 */
export async function whereNotFinite(
  net: Net,
  options: Pick<StepOptions, 'block'> & ObjectiveOptions,
  state: Arrays,
  feeds: Arrays,
  session: SessionOptions,
): Promise<string> {
  const parameters = flatParameters(net, options.block);
  const weight = firstBad(state.weights, parameters.weights) ?? firstBad(state.statistics, parameters.statistics);
  if (weight !== undefined) return `the weights were already not finite before this step, first in "${weight}"`;
  if (feeds.x && !allFinite(feeds.x)) return 'the batch itself holds values that are not finite';

  const { loss, gradients } = objectiveOf(net, parameters, options);
  const forward = new Set(order([loss]));
  const watched = [...forward, ...order(gradients).filter((n) => !forward.has(n))].flatMap((node) =>
    node.op.leaf ? [] : node.outputs.filter((t) => isFloat(t.dtype)),
  );
  const bytes = encodeModel(toOnnx({ flags: concat(watched.map(probe), 0) }));
  // Unoptimised: a fused node would hide the one inside it.
  const runner = await compile(bytes, { ...session, graphOptimizationLevel: 'disabled' });
  try {
    const known = { ...feeds, ...state };
    const { flags } = await runner.run(Object.fromEntries(runner.inputs.map(({ name }) => [name, known[name]!])));
    const first = (flags!.data as Float32Array).findIndex((v) => !Number.isFinite(v));
    if (first < 0) return 'the same step computed without fused operators is finite: a value close to overflow';
    const { node } = watched[first]!;
    return `first in ${place(node)}, in the ${forward.has(node) ? 'forward' : 'backward'} pass`;
  } finally {
    await runner.close();
  }
}

const place = ({ op, scope }: Node): string => (scope ? `"${scope}" (${op.name})` : `the loss (${op.name})`);
