import { type Dataset, dealt, takeBatch } from '../../data/index.ts';
import { answerNames, costTable, FINAL } from '../../dynamic/index.ts';
import { compile, type SessionOptions } from '../../runtime/index.ts';
import { asStored } from '../layout.ts';
import { load } from '../load.ts';
import { trimmedMean } from '../robust.ts';
import type { Foreign } from './foreign.ts';
import { narrowed } from './original.ts';
import { type Fed, fileAnswers, rowsOf } from './reference.ts';
import { batchOf } from './sizes.ts';

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

/** What the adapted file did with one image. */
interface Ran {
  readonly index: number;
  readonly exit: string;
  readonly confidence: number;
  readonly macs: number;
}

/**
 * Runs the original file and the adapted one over the same images. Where the full model was kept they are one file, which is
 * run once.
 */
export async function compareAnswers(
  original: Uint8Array,
  foreign: Fed & Pick<Foreign, 'logits'>,
  adapted: Uint8Array,
  data: Dataset,
  { session, signal, onProgress }: CompareOptions = {},
): Promise<Compared> {
  const same = Buffer.from(original).equals(adapted);
  const wanted = await fileAnswers(original, foreign, data, {
    ...(session ? { session } : {}),
    ...(signal ? { signal } : {}),
    onProgress: (done, total) => onProgress?.(same ? done : Math.floor(done / 2), total),
  });
  if (same) {
    const macs = costTable({ output: foreign.logits }).reduce((sum, r) => sum + r.macs, 0);
    const kept = Array.from(wanted, (index): Ran => ({ index, exit: FINAL, confidence: 1, macs }));
    return tally(wanted, kept, [FINAL], foreign, data);
  }
  const after = await load(adapted, session ? { session } : {});
  try {
    const ran: Ran[] = [];
    const size = batchOf(data);
    while (ran.length < data.length) {
      signal?.throwIfAborted();
      const at = ran.length;
      const indices = Int32Array.from({ length: Math.min(size, data.length - at) }, (_, i) => at + i);
      const { answers, trace } = await after.run(takeBatch(data, indices).x);
      ran.push(...answers.map(({ index, exit, confidence }, i) => ({ index, exit, confidence, macs: trace[i]!.macs })));
      onProgress?.(Math.floor((data.length + ran.length) / 2), data.length);
    }
    return tally(wanted, ran, answerNames(after.card.decisions), foreign, data);
  } finally {
    await after.close();
  }
}

function tally(
  wanted: Int32Array,
  ran: readonly Ran[],
  exits: readonly string[],
  { classes }: Pick<Foreign, 'classes'>,
  data: Dataset,
): Compared {
  const n = ran.length;
  const share = (of: (r: Ran, i: number) => boolean): number => ran.filter(of).length / n;
  const left = exits.map((exit) => share((r) => r.exit === exit));
  const same = exits.map((exit) => share((r, i) => r.exit === exit && r.index === wanted[i]));
  const right = (answer: number, i: number): boolean => answer === data.labels[i];
  return {
    n,
    agreement: share((r, i) => r.index === wanted[i]),
    exits: Object.fromEntries(exits.map((exit, k) => [exit, left[k]!])),
    agreementAt: Object.fromEntries(exits.map((exit, k) => [exit, same[k]! / left[k]!])),
    meanMacs: ran.reduce((sum, r) => sum + r.macs, 0) / n,
    differences: ran.flatMap(({ index, exit, confidence }, image) =>
      index === wanted[image] ? [] : [{ image, original: wanted[image]!, adapted: index, exit, confidence }],
    ),
    ...(data.classes.length === classes.length
      ? {
          accuracy: { original: share((_, i) => right(wanted[i]!, i)), adapted: share((r, i) => right(r.index, i)) },
          harm: share((r, i) => right(wanted[i]!, i) && !right(r.index, i)),
        }
      : {}),
  };
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
    batches = images.length < 64 ? [1] : [1, 64],
    session,
    onProgress,
  }: {
    rounds?: number;
    /** Images are fed again and again where there are fewer. */
    batches?: readonly number[];
    session?: SessionOptions;
    onProgress?: (done: number) => void;
  } = {},
): Promise<ComparedTimes[]> {
  const files = await Promise.all([original, adapted].map((bytes) => compile(bytes, session)));
  try {
    const results: ComparedTimes[] = [];
    let done = 0;
    for (const batch of batches) {
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
