import { type NDArray, ndarray, sizeOf } from 'dynaneural/graph';
import { compile, type Runner } from 'dynaneural/runtime';
import { mean } from './evaluate.ts';

/** Milliseconds of one image. */
export interface Ticks {
  readonly median: number;
  readonly p95: number;
  /** Without the highest and lowest tenth. */
  readonly mean: number;
}

export interface ClockOptions {
  /** Images as the files take them, [n, ...]. */
  readonly images: NDArray;
  /** How many go in at once. */
  readonly batch: number;
  /** Runs of each file. */
  readonly runs: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** So many runs of one file in a row: its weights stay in the caches, as in a server that runs one model. */
const STRETCH = 50;
const WARM_UP = 5;

export function ticksOf(times: readonly number[]): Ticks {
  const sorted = [...times].sort((a, b) => a - b);
  const quantile = (q: number): number => {
    const at = (sorted.length - 1) * q;
    const low = sorted[Math.floor(at)]!;
    return low + (at % 1) * ((sorted[Math.ceil(at)] ?? low) - low);
  };
  const cut = Math.floor(sorted.length / 10);
  return { median: quantile(0.5), p95: quantile(0.95), mean: mean(sorted.slice(cut, sorted.length - cut)) };
}

/**
 * Times files in turns, in one process with one thread: a stretch of runs each, and who is first changes from turn to turn,
 * so that drift of the machine falls on all alike.
 *
 * @param files by name; all take `input` [batch, ...]
 * @example const { plain, gated } = await clock({ plain, gated }, { images, batch: 1, runs: 500 })
 */
export async function clock<K extends string>(
  files: Readonly<Record<K, Uint8Array>>,
  { images, batch, runs, onProgress }: ClockOptions,
): Promise<Record<K, Ticks>> {
  const names = Object.keys(files) as K[];
  const runners = new Map<K, Runner>();
  const times = new Map(names.map((k) => [k, [] as number[]]));
  const size = sizeOf(images.dims.slice(1));
  const groups = Math.floor(images.dims[0]! / batch);
  const input = (i: number): NDArray => {
    const from = (i % groups) * batch * size;
    const values = (images.data as Float32Array).subarray(from, from + batch * size);
    return ndarray('float32', [batch, ...images.dims.slice(1)], values);
  };
  try {
    for (const k of names) runners.set(k, await compile(files[k], { intraOpNumThreads: 1 }));
    for (let start = 0, turn = 0; start < runs; start += STRETCH, turn++) {
      const end = Math.min(runs, start + STRETCH);
      for (const j of names.keys()) {
        const k = names[(j + turn) % names.length]!;
        for (let i = start - WARM_UP; i < end; i++) {
          const x = input(Math.max(0, i));
          const before = performance.now();
          await runners.get(k)!.run({ input: x });
          if (i >= start) times.get(k)!.push((performance.now() - before) / batch);
        }
      }
      onProgress?.(end, runs);
    }
  } finally {
    for (const r of runners.values()) await r.close();
  }
  return Object.fromEntries(names.map((k) => [k, ticksOf(times.get(k)!)])) as Record<K, Ticks>;
}
