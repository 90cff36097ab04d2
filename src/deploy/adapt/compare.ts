import { type Dataset, takeBatch } from '../../data/index.ts';
import { argmaxAt } from '../../dynamic/index.ts';
import { type NDArray, ndarray, sizeOf } from '../../graph/index.ts';
import { compile, type SessionOptions } from '../../runtime/index.ts';
import { load } from '../load.ts';
import { trimmedMean } from '../measure.ts';
import type { Foreign } from './foreign.ts';

/** What two files said about the same images. */
export interface Compared {
  readonly n: number;
  /** Share of images with the same class. */
  readonly agreement: number;
  readonly exits: Readonly<Record<string, number>>;
  readonly meanMacs: number;
  /** Share of right answers, where the images have labels of the model's classes. */
  readonly accuracy?: { readonly original: number; readonly adapted: number };
}

interface CompareOptions {
  readonly session?: SessionOptions;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

const rowsOf = ({ dims, data }: NDArray, from: number, n: number): NDArray => {
  const item = dims.slice(1);
  const size = sizeOf(item);
  return ndarray('float32', [n, ...item], (data as Float32Array).subarray(from * size, (from + n) * size));
};

/** Runs the original file and the adapted one over the same images. */
export async function compareAnswers(
  original: Uint8Array,
  { names, single, classes }: Pick<Foreign, 'names' | 'single' | 'classes'>,
  adapted: Uint8Array,
  data: Dataset,
  { session, signal, onProgress }: CompareOptions = {},
): Promise<Compared> {
  const before = await compile(original, session);
  const after = await load(adapted, session ? { session } : {});
  try {
    const labelled = data.classes.length === classes.length;
    const right = { original: 0, adapted: 0 };
    const left = new Map<string, number>();
    let [same, macs] = [0, 0];
    const size = 64;
    for (let at = 0; at < data.length; at += size) {
      signal?.throwIfAborted();
      const count = Math.min(size, data.length - at);
      const { x } = takeBatch(
        data,
        Int32Array.from({ length: count }, (_, i) => at + i),
      );
      const wanted: number[] = [];
      for (let i = 0; i < count; i += single ? 1 : count) {
        const out = (await before.run({ [names.input]: single ? rowsOf(x, i, 1) : x }))[names.output]!;
        const width = classes.length;
        for (let k = 0; k < out.dims[0]!; k++) wanted.push(argmaxAt(out.data as Float32Array, k * width, width));
      }
      const { answers, trace } = await after.run(x);
      for (const [i, { index, exit }] of answers.entries()) {
        if (index === wanted[i]) same++;
        left.set(exit, (left.get(exit) ?? 0) + 1);
        macs += trace[i]!.macs;
        if (labelled && wanted[i] === data.labels[at + i]) right.original++;
        if (labelled && index === data.labels[at + i]) right.adapted++;
      }
      onProgress?.(at + count, data.length);
    }
    const n = data.length;
    const order = [...after.card.decisions.map((d) => d.name), 'final'];
    return {
      n,
      agreement: same / n,
      exits: Object.fromEntries(order.map((name) => [name, (left.get(name) ?? 0) / n])),
      meanMacs: macs / n,
      ...(labelled ? { accuracy: { original: right.original / n, adapted: right.adapted / n } } : {}),
    };
  } finally {
    await Promise.all([before.close(), after.close()]);
  }
}

/** Times of one run in milliseconds. */
export interface ComparedTimes {
  readonly batch: number;
  readonly rounds: number;
  readonly original: number;
  readonly adapted: number;
}

/**
 * Times the original file against the adapted one, taking turns in one process: means without the slowest and fastest
 * tenth, because the adapted file's times differ from image to image.
 */
export async function compareTimes(
  original: Uint8Array,
  { names, single }: Pick<Foreign, 'names' | 'single'>,
  adapted: Uint8Array,
  images: Dataset,
  {
    rounds = 300,
    session,
    onProgress,
  }: { rounds?: number; session?: SessionOptions; onProgress?: (done: number) => void } = {},
): Promise<ComparedTimes[]> {
  const files = await Promise.all([original, adapted].map((bytes) => compile(bytes, session)));
  try {
    const results: ComparedTimes[] = [];
    let done = 0;
    for (const batch of single || images.length < 64 ? [1] : [1, 64]) {
      const turns = batch === 1 ? rounds : Math.max(5, Math.ceil(rounds / 10));
      const times: [number[], number[]] = [[], []];
      for (let i = -5; i < turns; i++) {
        const from = (Math.abs(i) * batch) % (images.length - batch + 1);
        const { x } = takeBatch(
          images,
          Int32Array.from({ length: batch }, (_, k) => from + k),
        );
        for (const k of i % 2 === 0 ? [0, 1] : [1, 0]) {
          const start = performance.now();
          await files[k]!.run({ [names.input]: x });
          if (i >= 0) times[k]!.push(performance.now() - start);
        }
        if (i >= 0) onProgress?.(++done);
      }
      results.push({ batch, rounds: turns, original: trimmedMean(times[0]), adapted: trimmedMean(times[1]) });
    }
    return results;
  } finally {
    await Promise.all(files.map((f) => f.close()));
  }
}
