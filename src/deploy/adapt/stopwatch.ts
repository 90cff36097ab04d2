import { createHash } from 'node:crypto';
import type { Dataset } from '../../data/index.ts';
import type { Model } from '../../dynamic/index.ts';
import { compareTimes } from './compare.ts';
import type { TimeShares } from './expected.ts';
import type { Foreign } from './foreign.ts';
import type { Learned } from './learn.ts';
import type { AdaptOptions } from './options.ts';
import type { ExitPlan } from './plan.ts';
import { BATCHES, oneThread, type Times, timesBy, timesOf } from './times.ts';
import type { Work } from './work.ts';

/** What all that may be chosen takes on this machine. */
export interface ModelTimes {
  /** Of the model with one exit, for each that is tried. */
  readonly exits: readonly (readonly Times[])[];
  /** Of the model with all gates, where such a one is tried. */
  readonly gates?: readonly Times[];
}

/**
 * Times the models that may be chosen, or knows them from a machine's constants. Measured times are kept with the work: they
 * decide the file, and a run that goes on has to end at the same one.
 *
 * @param plain the original in our form
 * @returns undefined where the choice goes by MACs
 */
export async function takeTimes(
  { ways }: Pick<Learned, 'ways'>,
  { exits, macs }: ExitPlan,
  plain: Model,
  images: Dataset,
  work: Work,
  { selectBy = 'time', machine, session, signal, onProgress }: AdaptOptions,
): Promise<ModelTimes | undefined> {
  if (selectBy === 'macs') return undefined;
  const shared = { ...(session ? { session } : {}), ...(signal ? { signal } : {}) };
  const time = async (model: Model): Promise<readonly Times[]> =>
    machine ? timesBy(machine, macs, model) : timesOf(plain, model, images, shared);
  const { made } = ways[0]!;
  const gated = ways.find((w) => !w.made);
  const total = exits.length + (gated ? 1 : 0);
  const each = async (): Promise<ModelTimes['exits']> => {
    const times: (readonly Times[])[] = [];
    for (const [k, e] of exits.entries()) {
      onProgress?.('time', k, total);
      times.push(await time(made!([e])));
    }
    onProgress?.('time', exits.length, total);
    return times;
  };
  const kept = <T>(name: string, make: () => Promise<T>): Promise<T> =>
    machine
      ? make()
      : work.kept(name, [exits.map((e) => [e.name, e.head]), oneThread(session).intraOpNumThreads], make);
  const found = await kept('times', each);
  return gated ? { exits: found, gates: await kept('gate-times', () => time(gated.all)) } : { exits: found };
}

/** Turns of single images: enough to tell a few hundredths. */
const ROUNDS = 100;

/**
 * Times of a finished file as shares of the original's, by batch size: what parts promise is put to the test. Kept with the
 * work, as all times.
 */
export function fileTimes(
  original: Uint8Array,
  foreign: Foreign,
  bytes: Uint8Array,
  images: Dataset,
  work: Work,
  { session, signal }: AdaptOptions,
): Promise<TimeShares> {
  const file = createHash('sha256').update(bytes).digest('hex');
  return work.kept('file-times', [file, oneThread(session).intraOpNumThreads], async () => {
    const times = await compareTimes(original, foreign, bytes, images, {
      rounds: ROUNDS,
      batches: BATCHES,
      session: oneThread(session),
      onProgress: () => signal?.throwIfAborted(),
    });
    return Object.fromEntries(times.map((t) => [t.batch, t.adapted / t.original]));
  });
}
