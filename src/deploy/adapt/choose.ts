import { observations } from '../../dynamic/index.ts';
import type { SessionOptions } from '../../runtime/index.ts';
import { type Assessed, assessGates, type Claim, type Proven, type Referred } from './against.ts';
import type { Learned } from './learn.ts';
import type { Way } from './options.ts';
import type { ExitPlan, Place } from './plan.ts';
import {
  gains,
  gateTimes,
  meanTimes,
  overall,
  type Promised,
  promise,
  type TimeShares,
  type WayTimes,
} from './promise.ts';
import { selectExits } from './select.ts';
import type { ModelTimes } from './stopwatch.ts';

/** One form of the model, at its best. */
export interface Trial {
  readonly way: Way;
  readonly exits: readonly Place[];
  readonly found: Assessed;
  readonly promised: Promised;
  readonly ways?: WayTimes;
}

interface ChooseOptions {
  /** Images in one run; 256 by default. */
  readonly batch?: number;
  readonly session?: SessionOptions;
  readonly onProgress?: (done: number, total: number) => void;
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
  claim: Claim,
  times: ModelTimes | undefined,
  options: ChooseOptions,
): Promise<{ readonly best: Trial; readonly tried: Readonly<Partial<Record<Way, Promised>>> }> {
  const price = ({ promised: { macs, times: known } }: Trial): number => (known ? overall(known) : macs);
  const better = (a: Trial, b: Trial): Trial => (price(b) < price(a) ? b : a);
  const found = new Map<Way, Trial>();
  for (const { way, all, made, again } of ways) {
    const trial = made
      ? {
          way,
          ...selectExits(await observations(all, tuning.images, options), plan, made, tuning, claim, {
            times: times?.exits,
            again,
          }),
        }
      : await gated();
    found.set(way, found.has(way) ? better(found.get(way)!, trial) : trial);

    async function gated(): Promise<Trial> {
      const assessed = await assessGates(all, tuning, claim, plan.macs, options);
      const through = times?.gates && gateTimes(assessed, times.gates);
      const promised = promise(assessed, claim, plan.macs, through);
      return { way, exits: [], found: assessed, promised, ...(through ? { ways: through } : {}) };
    }
  }
  const trials = [...found.values()];
  return {
    best: trials.reduce(better),
    tried: Object.fromEntries(trials.map(({ way, promised }) => [way, promised])),
  };
}

/** What was proven, with the time that it is expected to take; the original where that is no less by more than noise. */
export function worthwhile(
  proven: Proven,
  { ways }: Pick<Trial, 'ways'>,
  macs: number,
): Proven & { readonly meanTimes?: TimeShares } {
  const { certificate, shares, meanMacs } = proven;
  if (!ways || !shares) return proven;
  const times = meanTimes(ways, shares);
  if (gains(times)) return { ...proven, meanTimes: times };
  const shown = Object.entries(times).map(
    ([batch, t]) => `${t.toFixed(2)} times as long ${batch === '1' ? 'for one image' : `in a batch of ${batch}`}`,
  );
  const saves =
    meanMacs < macs
      ? 'it would save MACs but no time beyond noise on this machine'
      : 'nothing that was certified is clearly faster';
  const message = `full model kept: ${saves} (expected: ${shown.join(', ')})`;
  return { certificate: { ...certificate, fullModelKept: true, message }, model: undefined, meanMacs: macs };
}
