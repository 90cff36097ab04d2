import { everyWay, exactPolicy, macTarget, type Net, type Trained } from 'dynaneural';
import type { NDArray } from 'dynaneural/graph';
import type { TrainOptions } from 'dynaneural/train';
import type { Context } from './context.ts';
import type { Splits } from './data.ts';
import { trainOnce } from './fit.ts';
import { quickly, tuning } from './static.ts';
import { withStatistics } from './statistics.ts';

/** Gates that learn from the losses of all ways at once, where there are few, towards a mean share of the full MACs. */
export const fromEveryWay = (made: Net, macs: number): Pick<TrainOptions, 'paths' | 'decisions' | 'cost'> => ({
  paths: everyWay(made),
  decisions: exactPolicy(),
  cost: macTarget(macs),
});

interface GateTraining {
  readonly epochs: number;
  readonly seed: number;
  /** All that `options` adds, as plain data. */
  readonly more: unknown;
  readonly options: Partial<TrainOptions>;
}

/**
 * Gates alone, over weights that are settled: nothing else has a gradient, nothing decays, and statistics stay those that the
 * ways learnt with.
 */
export async function gatesAlone(
  cx: Context,
  name: string,
  made: Net,
  settled: ReadonlyMap<string, NDArray>,
  { train }: Pick<Splits, 'train'>,
  { epochs, seed, more, options }: GateTraining,
): Promise<Trained> {
  const recipe = { ...quickly(cx, { ...tuning, decay: 0, epochs }), seed, more };
  return withStatistics(await trainOnce(cx, name, made, recipe, { data: train, start: settled, options }), settled);
}
