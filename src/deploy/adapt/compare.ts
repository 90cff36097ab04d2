import { type Dataset, dealt, takeBatch } from '../../data/index.ts';
import { answerNames } from '../../dynamic/index.ts';
import { compile, type SessionOptions } from '../../runtime/index.ts';
import { asStored } from '../layout.ts';
import { load } from '../load.ts';
import { trimmedMean } from '../robust.ts';
import type { Foreign } from './foreign.ts';
import { narrowed } from './original.ts';
import { type Fed, fileAnswers, rowsOf } from './reference.ts';

/** An image to which two files give different classes. */
export interface Difference {
  readonly image: number;
  readonly original: number;
  readonly adapted: number;
  readonly exit: string;
  /** How sure the adapted file is of its class. */
  readonly confidence: number;
}

/** What two files said about the same images. */
export interface Compared {
  readonly n: number;
  /** Share of images with the same class. */
  readonly agreement: number;
  readonly exits: Readonly<Record<string, number>>;
  /** Share of images with the same class among those that left there. */
  readonly agreementAt: Readonly<Record<string, number>>;
  readonly meanMacs: number;
  /** The images that got another class, in their order. */
  readonly differences: readonly Difference[];
  /** Share of right answers, where the images have labels of the model's classes. */
  readonly accuracy?: { readonly original: number; readonly adapted: number };
  /** Share of images that the original answers right and the adapted file wrong. */
  readonly harm?: number;
}

interface CompareOptions {
  readonly session?: SessionOptions;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Runs the original file and the adapted one over the same images. */
export async function compareAnswers(
  original: Uint8Array,
  foreign: Fed,
  adapted: Uint8Array,
  data: Dataset,
  { session, signal, onProgress }: CompareOptions = {},
): Promise<Compared> {
  const wanted = await fileAnswers(original, foreign, data, {
    ...(session ? { session } : {}),
    ...(signal ? { signal } : {}),
    onProgress: (done, total) => onProgress?.(Math.floor(done / 2), total),
  });
  const after = await load(adapted, session ? { session } : {});
  try {
    const labelled = data.classes.length === foreign.classes.length;
    const right = { original: 0, adapted: 0, harm: 0 };
    const left = new Map<string, { count: number; same: number }>();
    const differences: Difference[] = [];
    let macs = 0;
    const size = 64;
    for (let at = 0; at < data.length; at += size) {
      signal?.throwIfAborted();
      const count = Math.min(size, data.length - at);
      const { x } = takeBatch(
        data,
        Int32Array.from({ length: count }, (_, i) => at + i),
      );
      const { answers, trace } = await after.run(x);
      for (const [i, { index, exit, confidence }] of answers.entries()) {
        const own = wanted[at + i]!;
        const here = left.get(exit) ?? { count: 0, same: 0 };
        left.set(exit, { count: here.count + 1, same: here.same + (index === own ? 1 : 0) });
        if (index !== own) differences.push({ image: at + i, original: own, adapted: index, exit, confidence });
        macs += trace[i]!.macs;
        const label = data.labels[at + i];
        if (labelled && own === label) right.original++;
        if (labelled && index === label) right.adapted++;
        if (labelled && own === label && index !== label) right.harm++;
      }
      onProgress?.(Math.floor((data.length + at + count) / 2), data.length);
    }
    const n = data.length;
    const order = answerNames(after.card.decisions);
    const at = (name: string) => left.get(name) ?? { count: 0, same: 0 };
    return {
      n,
      agreement: 1 - differences.length / n,
      exits: Object.fromEntries(order.map((name) => [name, at(name).count / n])),
      agreementAt: Object.fromEntries(order.map((name) => [name, at(name).same / at(name).count])),
      meanMacs: macs / n,
      differences,
      ...(labelled
        ? { accuracy: { original: right.original / n, adapted: right.adapted / n }, harm: right.harm / n }
        : {}),
    };
  } finally {
    await after.close();
  }
}

/** Turns end early where they took so many milliseconds: slow models need fewer to be told apart. */
const LONG = 10_000;
const LEAST = 5;

/** Times of one run in milliseconds. */
export interface ComparedTimes {
  readonly batch: number;
  readonly rounds: number;
  readonly original: number;
  readonly adapted: number;
}

/**
 * Times the original file against the adapted one, taking turns in one process: means without the slowest and fastest
 * tenth, because the adapted file's times differ from image to image. An original that takes one image at a time gets the
 * images of a batch one by one.
 */
export async function compareTimes(
  original: Uint8Array,
  { names, single, layout }: Pick<Foreign, 'names' | 'single' | 'layout'>,
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
    for (const batch of images.length < 64 ? [1] : [1, 64]) {
      const turns = batch === 1 ? rounds : Math.max(LEAST, Math.ceil(rounds / 10));
      const end = performance.now() + LONG;
      const times: [number[], number[]] = [[], []];
      const rows = dealt(images.length, turns, batch);
      for (let i = -LEAST; i < turns && (times[0].length < LEAST || performance.now() < end); i++) {
        const { x } = takeBatch(images, rows[Math.max(0, i)]!);
        // An original for one image takes a batch one by one.
        const apart = single ? Array.from({ length: batch }, (_, k) => rowsOf(x, k, 1)) : [x];
        const fed = [apart, [x]].map((list, k) =>
          list.map((t) => narrowed(files[k]!, { [names.input]: asStored(t, layout) })),
        );
        for (const k of i % 2 === 0 ? [0, 1] : [1, 0]) {
          const start = performance.now();
          for (const feeds of fed[k]!) await files[k]!.run(feeds);
          if (i >= 0) times[k]!.push(performance.now() - start);
        }
        if (i >= 0) onProgress?.(++done);
      }
      results.push({ batch, rounds: times[0].length, original: trimmedMean(times[0]), adapted: trimmedMean(times[1]) });
    }
    return results;
  } finally {
    await Promise.all(files.map((f) => f.close()));
  }
}
