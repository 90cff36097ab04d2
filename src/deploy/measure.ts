import { type NDArray, ndarray, sizeOf } from '../graph/index.ts';
import { compile, type Runner, type SessionOptions } from '../runtime/index.ts';
import { levelled, median, quantile, trimmedMean } from './robust.ts';

/** The files whose times are compared; all take `input` [n, ...] and run through the plain engine. */
export interface Contenders {
  /** The shipped file, with its default thresholds. */
  readonly dynamic: Uint8Array;
  /** The same file with every threshold at "never". */
  readonly nobodyExits: Uint8Array;
  /** The same architecture without decisions, trained on its own. */
  readonly static: Uint8Array;
  /** The net cut gate-free at each of its answers, earliest first; the last is the full path. */
  readonly cuts: readonly Uint8Array[];
}

export interface Times {
  /** One image, milliseconds: the median (for the dynamic file that of each path, weighted by the paths' shares). */
  readonly ms1: number;
  /** A batch of 64, divided by 64: the mean over batches (they differ in who exits) without the extreme tenths. */
  readonly ms64: number;
}

export interface Measured {
  readonly full: Times;
  readonly static: Times;
  readonly dynamic: Times & { readonly ms1p95: number; readonly ms1NobodyExits: number };
  /** Gate-free time of each answer's path, earliest first. */
  readonly cuts: readonly Times[];
  /** Dynamic time of one image on each path; the gate-free time where nobody took it. */
  readonly paths: readonly number[];
  /**
   * What the paths that were taken would cost, each compiled gate-free, over the measured dynamic time. For one image the
   * gate-free cuts see the same stream, each image by the cut of its path: late weights are then as cold for them.
   */
  readonly realisation1: number;
  readonly realisation64: number;
  /** The same with every cut timed on a stream of its own, where its weights never leave the caches. */
  readonly realisation1Warm: number;
  /** Share of the timed images that left at each answer. */
  readonly shares1: readonly number[];
  readonly shares64: readonly number[];
  readonly rounds: { readonly single: number; readonly batch: number };
}

export interface MeasureOptions {
  /** Images as the net takes them, [n, ...shape] float32; at least 64. */
  readonly images: NDArray;
  /** Which answer each image leaves at, [n]; the full path is the last. */
  readonly paths: ArrayLike<number>;
  readonly rounds?: { readonly single?: number; readonly batch?: number };
  readonly session?: SessionOptions;
  readonly onProgress?: (done: number, total: number) => void;
}

const BATCH = 64;
/** Long enough that every path of a dynamic file finds its weights in the caches, as in a server that runs one model. */
const STRETCH = 250;
const WARM_UP = 20;

function rows(images: NDArray, from: number, count: number): NDArray {
  const shape = images.dims.slice(1);
  const size = sizeOf(shape);
  return ndarray(
    'float32',
    [count, ...shape],
    (images.data as Float32Array).subarray(from * size, (from + count) * size),
  );
}

async function timed(runner: Runner, input: NDArray): Promise<number> {
  const start = performance.now();
  await runner.run({ input });
  return performance.now() - start;
}

/** Who is first changes from turn to turn, so that drift of the machine falls on all alike. */
const rotated = (n: number, turn: number): number[] => Array.from({ length: n }, (_, k) => (k + turn) % n);

/**
 * One image at a time, as a server sees them: each contender runs a stretch of images in a row, then the next one the same
 * stretch. A stretch keeps a contender's weights in the caches, where they are in use.
 */
async function streams(
  contenders: readonly ((i: number) => Runner)[],
  images: NDArray,
  { start, count, turn }: { readonly start: number; readonly count: number; readonly turn: number },
): Promise<number[][]> {
  const times = contenders.map(() => [] as number[]);
  for (const k of rotated(contenders.length, turn)) {
    for (let i = Math.max(start, start + count - WARM_UP); i < start + count; i++)
      await timed(contenders[k]!(i), rows(images, i, 1));
    for (let i = start; i < start + count; i++) times[k]!.push(await timed(contenders[k]!(i), rows(images, i, 1)));
  }
  return times;
}

const shareOf = (paths: ArrayLike<number>, answers: number): number[] => {
  const counts = new Array<number>(answers).fill(0);
  for (let i = 0; i < paths.length; i++) counts[paths[i]!]!++;
  return counts.map((c) => c / Math.max(1, paths.length));
};

const weighted = (shares: readonly number[], values: readonly number[]): number =>
  shares.reduce((sum, s, i) => (s === 0 ? sum : sum + s * values[i]!), 0);

/**
 * Times a dynamic file against its static counterparts, interleaved in one process: medians for one image, trimmed
 * means for batches, both without the drift of the machine (see `levelled`).
 *
 * @example const { dynamic, static: plain } = await measure(files, { images, paths })
 */
export async function measure(files: Contenders, options: MeasureOptions): Promise<Measured> {
  const { images, paths, session = {}, onProgress } = options;
  const n = images.dims[0]!;
  const answers = files.cuts.length;
  const single = Math.min(options.rounds?.single ?? 1000, n);
  const batch = options.rounds?.batch ?? 60;
  const all = [files.dynamic, files.nobodyExits, files.static, ...files.cuts];
  const runners = await Promise.all(all.map((bytes) => compile(bytes, session)));
  try {
    const total = single + batch;
    // The last: each image by the gate-free cut of its own path.
    const contenders = [...runners.map((r) => () => r), (i: number) => runners[3 + paths[i]!]!];
    const stretches: number[][][] = [];
    for (let start = 0; start < single; start += STRETCH) {
      const count = Math.min(STRETCH, single - start);
      stretches.push(await streams(contenders, images, { start, count, turn: start / STRETCH }));
      onProgress?.(Math.min(start + STRETCH, single), total);
    }
    const ones = levelled(stretches);
    const turns: number[][][] = [];
    const groups = Math.floor(n / BATCH);
    const batched: number[] = [];
    for (let i = -1; i < batch; i++) {
      const at = Math.max(0, i) % groups;
      const input = rows(images, at * BATCH, BATCH);
      const turn = runners.map((): number[] => []);
      for (const k of rotated(runners.length, i + 1)) turn[k]!.push((await timed(runners[k]!, input)) / BATCH);
      if (i >= 0) {
        turns.push(turn);
        for (let k = 0; k < BATCH; k++) batched.push(paths[at * BATCH + k]!);
      }
      onProgress?.(single + i + 1, total);
    }
    const many = levelled(turns);

    const used = Array.from({ length: single }, (_, i) => paths[i]!);
    const shares1 = shareOf(used, answers);
    const shares64 = shareOf(batched, answers);
    const both = (k: number): Times => ({ ms1: median(ones[k]!), ms64: trimmedMean(many[k]!) });
    const cuts = files.cuts.map((_, e) => both(3 + e));
    const byPath = (times: readonly number[]) => shares1.map((_, e) => median(times.filter((_, i) => used[i] === e)));
    const onPath = byPath(ones[0]!);
    const ms1 = weighted(shares1, onPath);
    const ms64 = trimmedMean(many[0]!);
    return {
      full: cuts.at(-1)!,
      static: both(2),
      dynamic: { ms1, ms64, ms1p95: quantile(ones[0]!, 0.95), ms1NobodyExits: median(ones[1]!) },
      cuts,
      paths: onPath.map((t, e) => (Number.isNaN(t) ? cuts[e]!.ms1 : t)),
      realisation1: weighted(shares1, byPath(ones.at(-1)!)) / ms1,
      realisation1Warm:
        weighted(
          shares1,
          cuts.map((c) => c.ms1),
        ) / ms1,
      realisation64:
        weighted(
          shares64,
          cuts.map((c) => c.ms64),
        ) / ms64,
      shares1,
      shares64,
      rounds: { single, batch },
    };
  } finally {
    await Promise.all(runners.map((r) => r.close()));
  }
}
