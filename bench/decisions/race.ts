import { levelled } from '../../src/deploy/robust.ts';
import type { NDArray } from '../../src/graph/index.ts';
import type { Runner } from '../../src/runtime/index.ts';

/** Of everything that is timed. */
export const session = { intraOpNumThreads: 1 };

/** A file, what it is fed with in turn, and thresholds where they are not its own. */
export interface Racer {
  readonly runner: Runner;
  readonly inputs: readonly NDArray[];
  readonly thresholds?: Readonly<Record<string, NDArray>>;
}

const timed = async ({ runner, thresholds }: Racer, input: NDArray): Promise<number> => {
  const start = performance.now();
  await runner.run({ input, ...thresholds });
  return performance.now() - start;
};

/** Interleaved times of several files, each on inputs of its own choice, without the drift of the machine. */
export async function race(files: readonly Racer[], times: number): Promise<number[][]> {
  const turns: number[][][] = [];
  for (let k = -1; k < times; k++) {
    const turn: number[][] = [];
    for (const racer of files) {
      await timed(racer, racer.inputs[0]!);
      const own: number[] = [];
      for (const input of racer.inputs) own.push(await timed(racer, input));
      turn.push(own);
    }
    if (k >= 0) turns.push(turn);
  }
  return levelled(turns);
}
