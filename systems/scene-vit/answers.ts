import { type Dataset, sparse } from 'dynaneural';
import { takeBatch } from 'dynaneural/data';
import {
  type Decision,
  decisionsOf,
  decodeTrace,
  type Thresholds,
  type Trace,
  type TraceKey,
} from 'dynaneural/dynamic';
import { encodeModel, toOnnx } from 'dynaneural/graph';
import { compileInWorker } from 'dynaneural/runtime';
import type { Context } from '../shared/context.ts';
import type { Weighted } from '../shared/trial.ts';

export interface Ran {
  /** [n, columns]. */
  readonly logits: Float32Array;
  /** What each image did; empty for files without decisions. */
  readonly traces: readonly Trace[];
}

/**
 * Runs a file over a data set, in batches.
 *
 * @param key reads the traces; of the form whose MACs are to be counted
 */
export async function answersFrom(
  cx: Context,
  title: string,
  bytes: Uint8Array,
  data: Dataset,
  key?: TraceKey,
): Promise<Ran> {
  cx.signal?.throwIfAborted();
  const runner = await compileInWorker(bytes, cx.threads === undefined ? {} : { intraOpNumThreads: cx.threads });
  let logits = new Float32Array();
  const traces: Trace[] = [];
  cx.progress.start(title, data.length);
  try {
    for (let start = 0; start < data.length; start += 250) {
      const indices = Int32Array.from({ length: Math.min(250, data.length - start) }, (_, i) => start + i);
      const out = await runner.run({ input: takeBatch(data, indices).x });
      const { dims, data: part } = out.logits!;
      if (start === 0) logits = new Float32Array(data.length * dims[1]!);
      logits.set(part as Float32Array, start * dims[1]!);
      if (key && out.trace) traces.push(...decodeTrace(out.trace, key));
      cx.progress.update(start + indices.length);
    }
  } finally {
    cx.progress.stop();
    await runner.close();
  }
  return { logits, traces };
}

/** The file for a single image: what is dropped is not computed. Batches take the other form, which only puts it to zero. */
export function singleBytes({ net, weights }: Weighted, thresholds: Thresholds): Uint8Array {
  const { output, trace } = sparse(net, thresholds, { form: 'branch' });
  return encodeModel(toOnnx({ logits: output, ...(trace ? { trace } : {}) }, { weights }));
}

/**
 * Decisions moved by one offset in their logits: above 0 more is run and kept, below 0 less; +Infinity: everything.
 *
 * A skip takes its second option where its score is above the threshold; a unit is kept where its score is.
 *
 * @param moves which decisions; all by default, the others stay where they were trained to part
 */
export const movedBy = (
  offset: number,
  decisions: readonly Decision[],
  moves: (decision: Decision) => boolean = () => true,
): Thresholds => {
  // Nothing that a net gives is near these, and JSON holds them.
  const most = Math.min(1e9, Math.max(-1e9, offset));
  return Object.fromEntries(
    decisions.map((d) => {
      const by = moves(d) ? most : 0;
      return [d.name, d.kind === 'keep' ? d.own - by : by];
    }),
  );
};

/** How many tokens are kept is moved by an offset; layers and heads stay. Tokens are many: their number moves smoothly. */
export const tokensMovedBy = (offset: number, { net }: Pick<Weighted, 'net'>): Thresholds =>
  movedBy(offset, decisionsOf(net), (d) => d.family === 'tokens');

/** Everything run and kept, by the decisions themselves. */
export const everything = ({ net }: Pick<Weighted, 'net'>): Thresholds =>
  movedBy(Number.POSITIVE_INFINITY, decisionsOf(net));
