import { type DemoResult, demo as play } from '../../demo/index.ts';
import { TrainingStopped } from '../../train/index.ts';
import type { CommonOptions, Context, Outcome } from '../context.ts';
import { Interrupted } from '../exit.ts';

export interface DemoOptions extends CommonOptions {
  readonly data?: string;
  readonly out: string;
  readonly seed: number;
  readonly quick?: boolean;
}

/** The whole road on one machine; what it measured is `summary.json`. */
export async function demo({ data, out, seed, quick = false }: DemoOptions, cx: Context): Promise<Outcome> {
  const signal = cx.interruptible('Stopping after this step; press Ctrl-C again to stop at once.');
  const { summary, text }: DemoResult = await play({
    ...(data === undefined ? {} : { data }),
    out,
    seed,
    quick,
    progress: cx.progress,
    onNote: cx.note,
    signal,
  }).catch((error: unknown) => {
    const stopped = error instanceof TrainingStopped ? error.reason === 'interrupted' : signal.aborted;
    if (!stopped) throw error;
    cx.progress.stop();
    throw new Interrupted(`the demo was stopped; what it has learnt is kept, the same command goes on from there`);
  });
  return { json: summary, text };
}
