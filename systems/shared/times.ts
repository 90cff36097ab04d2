import { takeBatch } from 'dynaneural/data';
import { type Measured, measure } from 'dynaneural/deploy';
import { decisionsOf, forcedThresholds } from 'dynaneural/dynamic';
import { type Context, digest, digests, phase } from './context.ts';
import { plainBytes, sparseBytes } from './evaluate.ts';
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
  const { net, weights } = model;
  const files = {
    dynamic: sparseBytes(net, weights, thresholds),
    nobodyExits: sparseBytes(net, weights, forcedThresholds(decisionsOf(net))),
    static: plainBytes(plain.net, plain.weights),
  };
  // What nobody takes comes last: it is only timed.
  const cuts = [...ways.map((w) => plainBytes(net, weights, w.choices)), plainBytes(same.net, same.weights)];
  const what = { files: digests(files), cuts: cuts.map(digest), used, rounds };
  const measured = await phase(cx, `${name}-times`, what, async () => {
    const indices = Int32Array.from({ length: Math.min(data.length, 2000) }, (_, i) => i);
    cx.progress.start(`${name}: times`, rounds.single + rounds.batch);
    return measure(
      { ...files, cuts },
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
