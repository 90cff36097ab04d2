import { type Dataset, type Model, sparse } from 'dynaneural';
import { takeBatch } from 'dynaneural/data';
import {
  argmaxAt,
  cut,
  decodeTrace,
  type Net,
  ownViews,
  type Thresholds,
  type Trace,
  traceKey,
} from 'dynaneural/dynamic';
import { encodeModel, type NDArray, toOnnx } from 'dynaneural/graph';
import { compileInWorker } from 'dynaneural/runtime';
import type { Context } from './context.ts';

type Weights = ReadonlyMap<string, NDArray>;

/** The shipped form of a net, with thresholds as its defaults: branches have their own copies of what they share, as `save` gives them. */
export function sparseBytes(net: Net, weights: Weights, thresholds: Thresholds): Uint8Array {
  const own = ownViews({ net, weights });
  const { output, trace } = sparse(own.net, thresholds);
  return encodeModel(toOnnx({ logits: output, ...(trace ? { trace } : {}) }, { weights: own.weights }));
}

/** A net without decisions as a file: the net cut to fixed choices, or one that has none. */
export const plainBytes = (net: Net, weights: Weights, choices: Readonly<Record<string, string>> = {}): Uint8Array =>
  encodeModel(toOnnx({ logits: cut(net, choices).output }, { weights }));

export interface Ran {
  /** The class that each input was given. */
  readonly answers: Int32Array;
  /** What each input did; empty for files without decisions. */
  readonly traces: readonly Trace[];
}

/** Runs a file over a data set, in batches. */
export async function runFile(cx: Context, title: string, bytes: Uint8Array, data: Dataset, net?: Net): Promise<Ran> {
  cx.signal?.throwIfAborted();
  const runner = await compileInWorker(bytes);
  const key = net && traceKey(net);
  const answers = new Int32Array(data.length);
  const traces: Trace[] = [];
  const classes = data.classes.length;
  cx.progress.start(title, data.length);
  try {
    for (let start = 0; start < data.length; start += 250) {
      const n = Math.min(250, data.length - start);
      const indices = Int32Array.from({ length: n }, (_, i) => start + i);
      const out = await runner.run({ input: takeBatch(data, indices).x });
      const logits = out.logits!.data as Float32Array;
      for (let i = 0; i < n; i++) answers[start + i] = argmaxAt(logits, i * classes, classes);
      if (key && out.trace) traces.push(...decodeTrace(out.trace, key));
      cx.progress.update(start + n);
    }
  } finally {
    cx.progress.stop();
    await runner.close();
  }
  return { answers, traces };
}

/** Runs a net with its decisions at given thresholds, as it would be shipped. */
export const runSparse = (
  cx: Context,
  title: string,
  { net, weights }: Pick<Model, 'net' | 'weights'>,
  data: Dataset,
  thresholds: Thresholds,
): Promise<Ran> => runFile(cx, title, sparseBytes(net, weights, thresholds), data, net);

export const accuracyOf = (answers: ArrayLike<number>, { labels }: Pick<Dataset, 'labels'>): number => {
  let right = 0;
  for (let i = 0; i < answers.length; i++) if (answers[i] === labels[i]) right++;
  return right / answers.length;
};

export const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
