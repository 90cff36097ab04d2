import { type Model, sparse } from 'dynaneural';
import { type DetectedImage, type DetectionSet, decodeMaps, nms, takeBatch } from 'dynaneural/data';
import { cut, decodeTrace, observe, type Thresholds, type Trace, traceKey } from 'dynaneural/dynamic';
import { encodeModel, toOnnx } from 'dynaneural/graph';
import { compileInWorker } from 'dynaneural/runtime';
import type { Context } from '../shared/context.ts';
import { geometryOf, mapsOf } from './task.ts';

/** Images that go in at once. */
const BATCH = 8;
/** Not chosen: nearly everything counts, the curve sorts by score. */
const DECODE = { threshold: 0.02, limit: 100 };
const OVERLAP = 0.5;

/** What a detector finds, and, where it has decisions, what each image did. */
export interface Ran {
  readonly images: readonly DetectedImage[];
  readonly traces: readonly Trace[];
}

/** Runs a file of a detector over images, each item by its number. */
export async function detect(
  cx: Context,
  title: string,
  bytes: Uint8Array,
  set: DetectionSet,
  { net, items = [...set.boxes.keys()] }: { readonly net?: Model['net']; readonly items?: readonly number[] } = {},
): Promise<Ran> {
  cx.signal?.throwIfAborted();
  const runner = await compileInWorker(bytes, cx.threads === undefined ? {} : { intraOpNumThreads: cx.threads });
  const geometry = geometryOf(set);
  const key = net && traceKey(net);
  const [images, traces]: [DetectedImage[], Trace[]] = [[], []];
  cx.progress.start(title, items.length);
  try {
    for (let start = 0; start < items.length; start += BATCH) {
      const some = items.slice(start, start + BATCH);
      const out = await runner.run({ input: takeBatch(set, some).x });
      for (const [row, item] of some.entries()) {
        const found = decodeMaps(mapsOf(out.maps!, geometry, row), geometry, DECODE);
        images.push({ truths: set.boxes[item]!, detections: nms(found, { overlap: OVERLAP }) });
      }
      if (key && out.trace) traces.push(...decodeTrace(out.trace, key));
      cx.progress.update(images.length);
    }
  } finally {
    cx.progress.stop();
    await runner.close();
  }
  return { images, traces };
}

type Weighted = Pick<Model, 'net' | 'weights'>;

/**
 * The file of a detector as it is shipped.
 *
 * @param form `branch`: for one image at a time, the fastest there
 */
export function shipped(
  { net, weights }: Weighted,
  thresholds: Thresholds,
  form: 'rows' | 'branch' = 'rows',
): Uint8Array {
  const { output, trace } = sparse(net, thresholds, { form });
  return encodeModel(toOnnx({ maps: output, ...(trace ? { trace } : {}) }, { weights }));
}

/** A detector that everybody goes through in one way, without gates. */
export const cutFile = ({ net, weights }: Weighted, choices: Readonly<Record<string, string>>): Uint8Array =>
  encodeModel(toOnnx({ maps: cut(net, choices).output }, { weights }));

/** The mean weight that images give each edge, by its decision. */
export async function meanWeights(
  { net, weights }: Weighted,
  threshold: number,
  set: DetectionSet,
): Promise<Map<string, number>> {
  const { choices } = observe(net);
  const runner = await compileInWorker(
    encodeModel(toOnnx(Object.fromEntries(choices.map((c) => [c.decision, c.score])), { weights })),
  );
  const sums = new Map<string, number>(choices.map((c) => [c.decision, 0]));
  try {
    for (let start = 0; start < set.length; start += BATCH) {
      const items = Array.from({ length: Math.min(BATCH, set.length - start) }, (_, i) => start + i);
      const out = await runner.run({ input: takeBatch(set, items).x });
      for (const [name, sum] of sums)
        sums.set(name, sum + (out[name]!.data as Float32Array).reduce((a, score) => a + threshold - score, 0));
    }
  } finally {
    await runner.close();
  }
  return new Map([...sums].map(([name, sum]) => [name, sum / set.length]));
}
