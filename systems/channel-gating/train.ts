import { everyWidth, exponential, gumbel, macTarget, recalibrate, type Trained } from 'dynaneural';
import type { Net } from 'dynaneural/dynamic';
import { untrained } from '../shared/backbone.ts';
import type { Context } from '../shared/context.ts';
import type { Splits } from '../shared/data.ts';
import { augment, type Recipe, trainOnce } from '../shared/fit.ts';
import { gently, quickly, recipe, startOf } from '../shared/static.ts';
import { byNorm, type Weights } from './filters.ts';
import { atLeast, gatedMacs, gatedNet, type Layer, layersOf, narrowed, plainNet, slimNet } from './nets.ts';
import { startGated } from './saliency.ts';

/** Shares of channels, and how long nets are tuned at each: first with all channels of the last layers, then with fewer. */
export interface Stage {
  readonly keep: number;
  readonly early: number;
  readonly late: number;
}
export const MAIN: Stage = { keep: 0.46, early: 2, late: 5 };
export const OTHERS: readonly Stage[] = [
  { keep: 0.7, early: 1, late: 2 },
  { keep: 0.33, early: 1, late: 2 },
];

const teacher = { weight: 0.5, temperature: 4 };
const tuned = (epochs: number, seed: number, more: unknown): Recipe => ({ ...gently, batch: 64, epochs, seed, more });

export const trainPlain = (cx: Context, { train }: Splits): Promise<Trained> =>
  trainOnce(cx, 'channels-plain', plainNet(train, layersOf(cx)), quickly(cx, recipe), {
    data: train,
    start: untrained(train, layersOf(cx)[0]!.channels),
  });

/** The plain net, trained on for as long as the narrower ones are tuned. */
export const trainFurther = (cx: Context, { train }: Splits, plain: Trained): Promise<Trained> =>
  trainOnce(cx, 'channels-further', plain.net, quickly(cx, tuned(MAIN.early + MAIN.late, 1, {})), {
    data: train,
    start: plain.weights,
  });

/** The nets of one stage, all from the same start, tuned for as long and taught alike. */
export interface Narrow {
  readonly stage: Stage;
  /** Each input chooses the channels of the last layers. */
  readonly gated: Trained;
  /** Those of the smallest L1 norm are removed there too; costs no less. */
  readonly pruned: Trained;
  /** The gated net whose inputs all keep the channels of the largest norm: what is left of it without choices. */
  readonly alike?: Trained;
}

/** The first layers lose the filters of small norm (Li et al. 2017), and the net is tuned; then the last ones are narrowed in each way. */
export async function trainStage(
  cx: Context,
  { train }: Splits,
  plain: Trained,
  stage: Stage,
  seed: number,
): Promise<Narrow> {
  const { keep } = stage;
  const first = narrowed(layersOf(cx), keep, ['weights']);
  const tune = (what: string, made: Net, epochs: number, start: Weights) =>
    trainOnce(cx, `channels-${what}-${keep}-${seed}`, made, quickly(cx, tuned(epochs, seed, { what, keep, teacher })), {
      data: train,
      start: startOf(made, start),
      teacher: { model: plain, ...teacher },
    });
  const begun = await tune('begun', plainNet(train, first), stage.early, byNorm(plain.weights, first.length));
  const sorted = byNorm(begun.weights, first.length);
  const ready = await startGated({ net: begun.net, weights: sorted }, first, train);
  const gated = await tune('gated', gatedNet(train, first, keep), stage.late, ready);
  const narrow: readonly Layer[] = atLeast(train, first, gatedMacs(gated.net));
  const pruned = await tune('pruned', plainNet(train, narrow), stage.late, sorted);
  if (stage !== MAIN) return { stage, gated, pruned };
  return { stage, gated, pruned, alike: await tune('alike', gatedNet(train, first, keep, true), stage.late, ready) };
}

const SLIM = { shares: [1, 0.7, 0.46, 0.33], epochs: 3, distill: { weight: 1, temperature: 1 } };
const GATE = { epochs: 1, rate: 0.01, temperature: [5, 0.5], macs: 0.26 } as const;

/** Slimmable widths, each the first channels by norm and taught by the widest; then a gate that chooses one for each input. */
export async function trainSlim(cx: Context, { train }: Splits, plain: Trained): Promise<Trained> {
  const layers = layersOf(cx);
  const made = slimNet(train, layers, SLIM.shares);
  const all = await trainOnce(cx, 'channels-slim', made, quickly(cx, tuned(SLIM.epochs, 1, SLIM)), {
    data: train,
    start: startOf(made, byNorm(plain.weights, layers.length)),
    options: { paths: everyWidth(made), distill: SLIM.distill },
  });
  const recipe = { ...tuned(GATE.epochs, 1, GATE), rate: GATE.rate };
  const chosen = await trainOnce(cx, 'channels-slim-gate', made, quickly(cx, recipe), {
    data: train,
    start: all.weights,
    options: { decisions: gumbel({ temperature: exponential(...GATE.temperature) }), cost: macTarget(GATE.macs) },
  });
  return recalibrate(chosen, train, { seed: 1, augment });
}
