import { type Dataset, loader } from '../data/index.ts';
import { argmaxAt } from '../dynamic/index.ts';
import type { StateRunner } from '../runtime/index.ts';

const BATCH = 256;

/**
 * The share of right answers of each answer of the net on a labelled set, at inference;
 * undefined when `stopped` said so on the way.
 */
export async function accuracies(
  runner: StateRunner,
  answers: readonly string[],
  data: Dataset,
  stopped: () => boolean,
): Promise<Record<string, number> | undefined> {
  const right = answers.map(() => 0);
  const outputs = answers.map((name) => `answer/${name}`);
  for (const { x, n, indices } of loader(data, { batch: BATCH }).epoch(0)) {
    if (stopped()) return undefined;
    const results = await runner.call('evaluate', { x }, { transfer: true, outputs });
    for (const [j, output] of outputs.entries()) {
      const { data: logits, dims } = results[output]!;
      const width = dims[1]!;
      for (let i = 0; i < n; i++)
        if (argmaxAt(logits as Float32Array, i * width, width) === data.labels[indices[i]!]) right[j]!++;
    }
  }
  return Object.fromEntries(answers.map((name, j) => [name, right[j]! / data.length]));
}
