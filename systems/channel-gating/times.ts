import { takeBatch } from 'dynaneural/data';
import { decisionsOf, neutral, ownThresholds } from 'dynaneural/dynamic';
import { clock, type Ticks } from '../shared/clock.ts';
import { type Context, digests, phase } from '../shared/context.ts';
import type { Splits } from '../shared/data.ts';
import { plainBytes, sparseBytes } from '../shared/evaluate.ts';
import type { Weighted } from '../shared/trial.ts';
import { aloneBytes } from './judge.ts';

/** What is timed. */
export interface Runners {
  readonly plain: Weighted;
  readonly pruned: Weighted;
  readonly gated: Weighted;
  readonly slim: Weighted;
}

export interface Times {
  /** One image: of the gated net the file that computes kept channels only; `full` keeps all of them in it. */
  readonly one: Readonly<Record<keyof Runners | 'full', Ticks>>;
  /** Batches of 64, for one image: of the gated net the file that puts dropped channels to zero. */
  readonly many: Readonly<Record<keyof Runners, Ticks>>;
}

const own = ({ net }: Weighted) => ownThresholds(decisionsOf(net));

/** Times of the nets, in turns in one process. */
export async function timesOf(cx: Context, nets: Runners, { test }: Splits): Promise<Times> {
  const runs = cx.quick ? { one: 100, many: 3 } : { one: 1000, many: 60 };
  const { plain, pruned, gated, slim } = nets;
  const all = Object.fromEntries(decisionsOf(gated.net).map((d) => [d.name, neutral(d)]));
  const rows = {
    plain: plainBytes(plain.net, plain.weights),
    pruned: plainBytes(pruned.net, pruned.weights),
    slim: sparseBytes(slim.net, slim.weights, own(slim)),
  };
  const alone = { ...rows, gated: aloneBytes(gated, own(gated)), full: aloneBytes(gated, all) };
  const together = { ...rows, gated: sparseBytes(gated.net, gated.weights, own(gated)) };
  const what = { alone: digests(alone), together: digests(together), runs };
  return phase(cx, 'channels-times', what, async () => {
    const { x: images } = takeBatch(
      test,
      Int32Array.from({ length: Math.min(test.length, 1000) }, (_, i) => i),
    );
    const run = async <K extends string>(files: Readonly<Record<K, Uint8Array>>, batch: number, count: number) => {
      cx.progress.start(`times, ${batch} at once`, count);
      const found = await clock(files, { images, batch, runs: count, onProgress: (n) => cx.progress.update(n) });
      cx.progress.stop();
      return found;
    };
    return { one: await run(alone, 1, runs.one), many: await run(together, 64, runs.many) };
  });
}
