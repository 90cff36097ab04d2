import { type DemoResult, demo as play } from '../../demo/index.ts';
import type { CommonOptions, Context, Outcome } from '../context.ts';

export interface DemoOptions extends CommonOptions {
  readonly data?: string;
  readonly out: string;
  readonly seed: number;
  readonly quick?: boolean;
}

/** The whole road on one machine; what it measured is `summary.json`. */
export async function demo({ data, out, seed, quick = false }: DemoOptions, cx: Context): Promise<Outcome> {
  const { summary, text }: DemoResult = await play({
    ...(data === undefined ? {} : { data }),
    out,
    seed,
    quick,
    progress: cx.progress,
    onNote: cx.note,
  });
  return { json: summary, text };
}
