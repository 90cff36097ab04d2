import { takeBatch } from 'dynaneural/data';
import { type Measured, measure } from 'dynaneural/deploy';
import { decisionsOf, forcedThresholds } from 'dynaneural/dynamic';
import { type Context, phase } from './context.ts';
import { plainBytes, sparseBytes } from './evaluate.ts';
import { netDigest, weightsDigest } from './fit.ts';
import type { Rivals } from './rivals.ts';
import type { Judged } from './trial.ts';

/** All times are taken with one thread: what one request costs on a server that runs many. */
const session = { intraOpNumThreads: 1 };

export interface Timed extends Measured {
  /** Of the static net at the same MACs. */
  readonly same: { readonly ms1: number; readonly ms64: number };
}

/**
 * Times a dynamic net against the static ones, its worst case and its own ways compiled gate-free, interleaved in one
 * process.
 */
export async function timesOf(
  cx: Context,
  judged: Judged,
  { plain, same }: Pick<Rivals, 'plain' | 'same'>,
): Promise<Timed> {
  const { name, model, thresholds, ways, used, data } = judged;
  const rounds = cx.quick ? { single: 60, batch: 3 } : { single: 2000, batch: 40 };
  const digests = [model, plain, same].map((m) => [netDigest(m.net), weightsDigest(m.weights)]);
  const measured = await phase(cx, `${name}-times`, { digests, thresholds, rounds }, async () => {
    const { net, weights } = model;
    const indices = Int32Array.from({ length: Math.min(data.length, 2000) }, (_, i) => i);
    cx.progress.start(`${name}: times`, rounds.single + rounds.batch);
    const { net: made, weights: own } = same;
    return measure(
      {
        dynamic: sparseBytes(net, weights, thresholds),
        nobodyExits: sparseBytes(net, weights, forcedThresholds(decisionsOf(net))),
        static: plainBytes(plain.net, plain.weights),
        // What nobody takes comes last: it is only timed.
        cuts: [...ways.map((w) => plainBytes(net, weights, w.choices)), plainBytes(made, own)],
      },
      {
        images: takeBatch(data, indices).x,
        paths: Array.from(indices, (i) => used[i]!),
        rounds,
        session,
        onProgress: (done) => cx.progress.update(done),
      },
    );
  });
  cx.progress.stop();
  return { ...measured, same: measured.cuts.at(-1)! };
}
