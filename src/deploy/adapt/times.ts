import { type Dataset, takeBatch } from '../../data/index.ts';
import {
  costTable,
  decisionsOf,
  extremeMacs,
  type Machine,
  type Model,
  plan,
  thresholdName,
} from '../../dynamic/index.ts';
import { type NDArray, ndarray, stripDefaults } from '../../graph/index.ts';
import { compile, type SessionOptions } from '../../runtime/index.ts';
import { median } from '../robust.ts';
import { toBytes } from '../save.ts';

/** What a model's decisions save and cost on a machine. */
export interface Times {
  /** Images in one run. */
  readonly batch: number;
  /** Milliseconds of a run of the model without decisions. */
  readonly plain: number;
  /** Shares of that time: where all images leave (or skip), and where none does. Heads and deciding are in both. */
  readonly leaving: number;
  readonly staying: number;
}

/** One image, as a device sees them, and as many as a server gathers. */
export const BATCHES = [1, 64] as const;

/** Milliseconds for each model and batch size, and how many turns they are spent in. */
const SPENT = 300;
const LEAST = 3;
const MOST = 60;
const WARM_UP = 2;
/** Single images are run in stretches, so that weights are as warm as where one model runs alone. */
const STRETCH = 8;

/** Times are those of one thread, where a session does not say otherwise. */
export const oneThread = (session?: SessionOptions): SessionOptions => ({ intraOpNumThreads: 1, ...session });

export interface TimesOptions {
  readonly session?: SessionOptions;
  readonly signal?: AbortSignal;
  /** Milliseconds of a clock; `performance.now` by default. */
  readonly clock?: () => number;
}

/**
 * Times a model with decisions against the same model without, as files run them: medians of turns that the two take in one
 * process, about half a second in all (slow models: three turns).
 *
 * @param images of any number; the first 64 are fed, again and again where there are fewer
 * @returns one entry for each of `BATCHES`
 * @example const [single, many] = await timesOf(plain, dynamic, images)
 */
export async function timesOf(
  plain: Model,
  model: Model,
  images: Dataset,
  { session, signal, clock = () => performance.now() }: TimesOptions = {},
): Promise<Times[]> {
  const one = oneThread(session);
  const names = decisionsOf(model.net).map(thresholdName);
  const at = (value: number) => Object.fromEntries(names.map((name) => [name, ndarray('float32', [], [value])]));
  const before = await compile(toBytes(plain), one);
  try {
    const after = await compile(stripDefaults(toBytes(model), names), one);
    const contenders = [
      (input: NDArray) => before.run({ input }),
      (input: NDArray) => after.run({ input, ...at(Number.NEGATIVE_INFINITY) }),
      (input: NDArray) => after.run({ input, ...at(Number.POSITIVE_INFINITY) }),
    ];
    try {
      const results: Times[] = [];
      for (const batch of BATCHES) {
        const index = Int32Array.from({ length: batch }, (_, i) => i % images.length);
        const { x } = takeBatch(images, index);
        const [alone, leaving, staying] = await turns(contenders, x, batch === 1 ? STRETCH : 1, clock, signal);
        results.push({ batch, plain: alone!, leaving: leaving! / alone!, staying: staying! / alone! });
      }
      return results;
    } finally {
      await after.close();
    }
  } finally {
    await before.close();
  }
}

/** Medians of contenders that take turns; who is first changes, so that drift of the machine falls on all alike. */
async function turns(
  contenders: readonly ((x: NDArray) => Promise<unknown>)[],
  x: NDArray,
  runs: number,
  clock: () => number,
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const times = contenders.map((): number[] => []);
  let spent = 0;
  for (let turn = -WARM_UP; turn < LEAST || (turn < MOST && spent < SPENT); turn++) {
    signal?.throwIfAborted();
    for (let k = 0; k < contenders.length; k++) {
      const who = (k + turn + WARM_UP) % contenders.length;
      for (let i = 0; i < runs; i++) {
        const start = clock();
        await contenders[who]!(x);
        const took = clock() - start;
        if (turn < 0) continue;
        times[who]!.push(took);
        spent += took;
      }
    }
  }
  return times.map(median);
}

/**
 * What `timesOf` would find on a machine whose constants are known: arithmetic, a price for each question, and for images that
 * go on what is carried along.
 */
export function timesBy(machine: Machine, plainMacs: number, { net }: Pick<Model, 'net'>): Times[] {
  const { gateMicroseconds, bytesPerMicrosecond = Number.POSITIVE_INFINITY, macsPerMicrosecond } = machine;
  const decisions = decisionsOf(net);
  const paths = { decisions, regions: costTable(net) };
  const carried = plan(net, machine).reduce((sum, p) => sum + p.copiedBytes, 0);
  return BATCHES.map((batch) => {
    const plain = (batch * plainMacs) / macsPerMicrosecond;
    const share = (macs: number, bytes: number) =>
      (batch * (macs / macsPerMicrosecond + bytes / bytesPerMicrosecond) + decisions.length * gateMicroseconds) / plain;
    return {
      ...{ batch, plain: plain / 1000 },
      leaving: share(extremeMacs(paths, Math.min), 0),
      staying: share(extremeMacs(paths, Math.max), carried),
    };
  });
}
