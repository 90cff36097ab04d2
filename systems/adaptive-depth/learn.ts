import { exponential, gumbel, macTarget, reinforce, type Trained } from 'dynaneural';
import type { Net } from 'dynaneural/dynamic';
import type { NDArray } from 'dynaneural/graph';
import type { TrainOptions } from 'dynaneural/train';
import type { Context } from '../shared/context.ts';
import type { Splits } from '../shared/data.ts';
import { trainOnce } from '../shared/fit.ts';
import { fromEveryWay, gatesAlone } from '../shared/gates.ts';
import { gently, quickly, shapeOf, startOf } from '../shared/static.ts';
import { gatedNet, learningNet } from './nets.ts';

/** What the mean image may take, as a share of the full MACs: gates take time too. */
export const AIM = 0.39;

/** Of `tuning`'s epochs, the last one goes to gates. */
const LAST = 1;

/** Of the losses of looks and of depths, from the first on; the full depth's is 1. */
const LOOK = 0.3;
const DEPTHS = [0.6, 0.7, 0.8];
/** The static net teaches all: what was learnt is to stay as good as it was, so the rate is low. */
const teacher = { weight: 1, temperature: 3 };

/** Every depth learns to answer, from the trained net on: they are the ways that gates then choose among. */
export function trainDepths(cx: Context, { train }: Splits, plain: Trained, seed: number): Promise<Trained> {
  const made = learningNet(train, shapeOf(cx));
  const [, middle] = shapeOf(cx).groups;
  const weights = [...DEPTHS.slice(-middle).flatMap((w) => [LOOK, w]), 1];
  return trainOnce(
    cx,
    `depths-${seed}`,
    made,
    { ...quickly(cx, { ...gently, epochs: gently.epochs - LAST }), seed, more: { weights } },
    { data: train, start: startOf(made, plain.weights), teacher: { model: plain, ...teacher }, options: { weights } },
  );
}

/** The same weights by the names of `gatedNet`: what depths share is named after whichever was traced first. */
export function gatesOnto(gated: Net, { weights }: Pick<Trained, 'weights'>): Map<string, NDArray> {
  const ends = new Set([...weights.keys()].flatMap((n) => /^end\d+(?=\/)/.exec(n)?.[0] ?? []));
  const shared = [...weights].flatMap(([name, value]) => {
    const own = /^end\d+(\/.*\/weight)$/.exec(name)?.[1];
    return own === undefined ? [] : [...ends].map((end) => [end + own, value] as const);
  });
  return startOf(gated, new Map([...shared, ...weights]));
}

interface Way {
  /** All that decides it. */
  readonly more: unknown;
  options(made: Net): Pick<TrainOptions, 'decisions' | 'cost' | 'paths'>;
}

const settings = {
  exact: { macs: AIM },
  gumbel: { temperature: [5, 0.5], macs: AIM },
  // The last gates are freed first, over the first third (BlockDrop, Wu et al. 2018, arXiv:1711.08393).
  reinforce: { price: 0.3, entropy: 0.01, curriculum: 1 / 3 },
} as const;

/** How gates learn. */
export const gateWays = {
  /** From the losses of all depths at once: there are few. */
  'exact policy': {
    more: settings.exact,
    options: (made) => fromEveryWay(made, AIM),
  },
  /** From samples that gradients flow through (LAUDNet, Han et al. 2023, arXiv:2308.15949). */
  gumbel: {
    more: settings.gumbel,
    options: () => ({
      decisions: gumbel({ temperature: exponential(...settings.gumbel.temperature) }),
      cost: macTarget(AIM),
    }),
  },
  /** From draws and rewards. */
  reinforce: { more: settings.reinforce, options: () => ({ decisions: reinforce(settings.reinforce) }) },
} satisfies Record<string, Way>;

export type GateWay = keyof typeof gateWays;

/** Gates, over depths that stay as they are. */
export async function trainGates(
  cx: Context,
  { train }: Splits,
  depths: Trained,
  name: GateWay,
  seed: number,
): Promise<Trained> {
  const made = gatedNet(train, shapeOf(cx));
  const settled = gatesOnto(made, depths);
  const { more, options } = gateWays[name];
  const id = `depth-gates-${name.replace(' ', '-')}-${seed}`;
  return gatesAlone(cx, id, made, settled, { train }, { epochs: LAST, seed, more, options: options(made) });
}
