import { observations } from '../../dynamic/index.ts';
import { type Assessed, assessGates } from './assess.ts';
import type { Goal, Referred, RunOptions } from './claim.ts';
import {
  type Expected,
  expected,
  gains,
  gateTimes,
  loses,
  priceOf,
  type TimeShares,
  type WayTimes,
} from './expected.ts';
import type { Learned } from './learn.ts';
import type { Way } from './options.ts';
import type { ExitPlan, Place } from './plan.ts';
import type { Proven } from './prove.ts';
import { selectExits } from './select.ts';
import type { ModelTimes } from './stopwatch.ts';
import { percent } from './summary.ts';

/** One form of the model, at its best. */
export interface Trial {
  readonly way: Way;
  readonly exits: readonly Place[];
  readonly found: Assessed;
  readonly expected: Expected;
  readonly ways?: WayTimes;
}

/**
 * Tries all forms on the tune split.
 *
 * @param times of exits and gates; without them the choice goes by MACs
 * @returns the best of each way, and the best of all
 */
export async function choose(
  { ways }: Pick<Learned, 'ways'>,
  plan: ExitPlan,
  tuning: Referred,
  goal: Goal,
  times: ModelTimes | undefined,
  options: RunOptions,
): Promise<{ readonly best: Trial; readonly tried: Readonly<Partial<Record<Way, Expected>>> }> {
  const price = (t: Trial): number => priceOf(t.found, t.expected);
  const better = (a: Trial, b: Trial): Trial => (price(b) < price(a) ? b : a);
  const found = new Map<Way, Trial>();
  for (const { way, all, made, again } of ways) {
    const trial = made
      ? {
          way,
          ...selectExits(await observations(all, tuning.images, options), plan, made, tuning, goal, {
            times: times?.exits,
            again,
          }),
        }
      : await gated();
    found.set(way, found.has(way) ? better(found.get(way)!, trial) : trial);

    async function gated(): Promise<Trial> {
      const assessed = await assessGates(all, tuning, goal, options);
      const through = times?.gates && gateTimes(assessed, times.gates);
      const trial = { way, exits: [], found: assessed, expected: expected(assessed, goal, plan.macs, through) };
      return { ...trial, ...(through ? { ways: through } : {}) };
    }
  }
  const trials = [...found.values()];
  return {
    best: trials.reduce(better),
    tried: Object.fromEntries(trials.map((t) => [t.way, t.expected])),
  };
}

const inWords = (times: TimeShares): string =>
  Object.entries(times)
    .map(([batch, t]) => `${t.toFixed(2)} times as long ${batch === '1' ? 'for one image' : `in a batch of ${batch}`}`)
    .join(', ');

/**
 * What was proven, or the original where that does not save time beyond noise.
 *
 * @param times of the chosen point as shares of the original's
 * @param how they are known, as a word: "expected", "measured"
 */
export function worthwhile(proven: Proven, times: TimeShares | undefined, how: string, macs: number): Proven {
  const { certificate, meanMacs, model } = proven;
  if (!model || !times || gains(times)) return proven;
  const saves =
    meanMacs < macs
      ? `what was certified takes ${percent(meanMacs / macs)} of the MACs, but ${loses(times) ? 'more time' : 'no less time beyond noise'} on this machine`
      : 'nothing that was certified is clearly faster';
  const message = `full model kept: ${saves} (${how}: ${inWords(times)})`;
  return { certificate: { ...certificate, fullModelKept: true, message }, model: undefined, meanMacs: macs };
}
