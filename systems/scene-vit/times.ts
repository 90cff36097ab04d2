import type { Dataset } from 'dynaneural';
import { takeBatch } from 'dynaneural/data';
import type { Thresholds } from 'dynaneural/dynamic';
import { compile, type Runner } from 'dynaneural/runtime';
import { type Context, digest, phase } from '../shared/context.ts';
import { plainBytes, sparseBytes } from '../shared/evaluate.ts';
import type { Weighted } from '../shared/trial.ts';
import { everything, singleBytes } from './answers.ts';

/** All times are taken with one thread: what one request costs on a server that runs many. */
const session = { intraOpNumThreads: 1 };

/** How files take turns: each runs so many requests in a row, after some that warm its weights up. */
interface Rounds {
  readonly requests: number;
  readonly stretch: number;
  readonly warmUp: number;
  /** Images of a request. */
  readonly batch: number;
}

const single = { stretch: 250, warmUp: 20, batch: 1 } as const;
const batches = { stretch: 2, warmUp: 1, batch: 64 } as const;

/** Milliseconds of one image. */
export interface SceneTimes {
  readonly dynamic: { readonly ms1: number; readonly ms64: number; readonly p95: number; readonly worst: number };
  readonly static: { readonly ms1: number; readonly ms64: number };
  readonly same: { readonly ms1: number; readonly ms64: number };
}

const quantile = (values: readonly number[], q: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))]!;

/** Mean without the outer tenths, which other work on the machine makes. */
function trimmedMean(values: readonly number[]): number {
  const rising = [...values].sort((a, b) => a - b);
  const cut = Math.floor(rising.length / 10);
  const kept = rising.slice(cut, rising.length - cut);
  return kept.reduce((a, b) => a + b, 0) / kept.length;
}

/** Who is first changes from turn to turn, so that drift of the machine falls on all alike. */
const turns = (n: number, turn: number): number[] => Array.from({ length: n }, (_, k) => (k + turn) % n);

async function timed(runner: Runner, data: Dataset, from: number, count: number): Promise<number> {
  const indices = Array.from({ length: count }, (_, i) => (from + i) % data.length);
  const input = takeBatch(data, indices).x;
  const start = performance.now();
  await runner.run({ input });
  return (performance.now() - start) / count;
}

/** Milliseconds of an image for each request of each file, in turns in one process. */
async function inTurns(
  cx: Context,
  files: readonly Uint8Array[],
  data: Dataset,
  { requests, stretch, warmUp, batch }: Rounds,
): Promise<number[][]> {
  const runners = await Promise.all(files.map((bytes) => compile(bytes, session)));
  const times = files.map((): number[] => []);
  try {
    for (let start = 0, turn = 0; start < requests; start += stretch, turn++) {
      cx.signal?.throwIfAborted();
      const end = Math.min(requests, start + stretch);
      for (const k of turns(files.length, turn)) {
        for (let i = 0; i < warmUp; i++) await timed(runners[k]!, data, (start + i) * batch, batch);
        for (let i = start; i < end; i++) times[k]!.push(await timed(runners[k]!, data, i * batch, batch));
      }
      cx.progress.update(end);
    }
  } finally {
    await Promise.all(runners.map((r) => r.close()));
  }
  return times;
}

/**
 * Times a scene-adaptive net in its two files, for one image and for batches of 64, in turns with static nets.
 *
 * The two differ: the file for a single image leaves out all that is dropped, the one for batches only layers.
 */
export async function timesOf(
  cx: Context,
  name: string,
  model: Weighted,
  thresholds: Thresholds,
  { plain, same }: { readonly plain: Weighted; readonly same: Weighted },
  data: Dataset,
): Promise<SceneTimes> {
  const requests = cx.quick ? { ones: 60, many: 4 } : { ones: 750, many: 40 };
  const statics = [plainBytes(plain.net, plain.weights), plainBytes(same.net, same.weights)];
  const alone = [singleBytes(model, thresholds), singleBytes(model, everything(model)), ...statics];
  const together = [sparseBytes(model.net, model.weights, thresholds), ...statics];
  const what = { alone: alone.map(digest), together: together.map(digest), requests };
  return phase(cx, `${name}-times`, what, async () => {
    cx.progress.start(`${name}: times of one image`, requests.ones);
    const ones = await inTurns(cx, alone, data, { requests: requests.ones, ...single });
    cx.progress.start(`${name}: times in batches`, requests.many);
    const many = await inTurns(cx, together, data, { requests: requests.many, ...batches });
    cx.progress.stop();
    const [own, worst, plain1, same1] = ones.map((list) => quantile(list, 0.5)) as [number, number, number, number];
    const [own64, plain64, same64] = many.map(trimmedMean) as [number, number, number];
    return {
      dynamic: { ms1: own, ms64: own64, p95: quantile(ones[0]!, 0.95), worst },
      static: { ms1: plain1, ms64: plain64 },
      same: { ms1: same1, ms64: same64 },
    };
  });
}
