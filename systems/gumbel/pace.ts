import { type Net, type Trained, train } from 'dynaneural';
import { subset } from 'dynaneural/data';
import { ticksOf } from '../shared/clock.ts';
import { type Context, phase } from '../shared/context.ts';
import type { Splits } from '../shared/data.ts';
import { augment, netDigest } from '../shared/fit.ts';
import { quickly } from '../shared/static.ts';
import { recipe, type Way } from './ways.ts';

/** An accuracy that is reached by computing everything was not scheduled: so large a share of the full MACs counts, at the most. */
export const MOST = 0.7;

/**
 * After how many epochs a training first had the target accuracy on the tune split, with hard choices, at no more than `MOST` of
 * the MACs in the mean of an epoch; between two epochs accuracy is taken to grow evenly. Null where it never had.
 */
export function reached({ history }: Pick<Trained, 'history'>, wanted: number): number | null {
  const at = history.findIndex((h) => h.validation!.final! >= wanted && (h.cost ?? 0) <= MOST);
  if (at < 0) return null;
  const [before, after] = [at - 1, at].map((i) => history[i]?.validation?.final ?? 0) as [number, number];
  // Where MACs came down last, the epoch is needed as a whole.
  return at + (before < wanted ? (wanted - before) / (after - before) : 1);
}

/** What is timed: a net, and how its choices are trained. */
export interface Paced {
  readonly net: Net;
  readonly way?: Way;
}

/** Steps of one training in a row, and how often each has its turn. */
const STRETCH = 25;
const TURNS = 7;

/**
 * Seconds of an epoch's steps for each way: medians of short trainings in turns, in one process with one thread. The long
 * trainings were not side by side; a machine that wanders would show as a faster way.
 */
export async function secondsOf<K extends string>(
  cx: Context,
  paced: Readonly<Record<K, Paced>>,
  { train: all }: Splits,
): Promise<Record<K, number>> {
  const names = Object.keys(paced) as K[];
  const [turns, stretch] = cx.quick ? [1, 2] : [TURNS, STRETCH];
  const { batch } = quickly(cx, recipe);
  const data = subset(
    all,
    Array.from({ length: stretch * batch }, (_, i) => i),
  );
  const what = { nets: names.map((k) => [k, netDigest(paced[k].net), paced[k].way?.more]), turns, stretch, batch };
  const steps = await phase(cx, 'scheduled-pace', what, async () => {
    const found = new Map(names.map((k) => [k, [] as number[]]));
    cx.progress.start('seconds of a step', turns * names.length);
    for (let turn = 0; turn < turns; turn++)
      for (const [j, k] of names.entries()) {
        const { net, way } = paced[k];
        const session = { intraOpNumThreads: 1 };
        const common = { data, epochs: 1, batch, augment, session, ...(cx.signal ? { signal: cx.signal } : {}) };
        const { history } = await train(net, { ...common, lr: 1e-3, onWarning: () => {}, ...way?.options });
        found.get(k)!.push(history[0]!.seconds / stretch);
        cx.progress.update(turn * names.length + j + 1);
      }
    cx.progress.stop();
    return Object.fromEntries(names.map((k) => [k, ticksOf(found.get(k)!).median])) as Record<K, number>;
  });
  const each = Math.floor(all.length / batch);
  return Object.fromEntries(names.map((k) => [k, steps[k] * each])) as Record<K, number>;
}
