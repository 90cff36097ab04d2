import type { Dataset } from 'dynaneural';
import { takeBatch } from 'dynaneural/data';
import { type NDArray, ndarray, sizeOf } from 'dynaneural/graph';
import { compile } from 'dynaneural/runtime';
import { plainBytes } from '../shared/evaluate.ts';
import type { Weighted } from '../shared/trial.ts';
import { PART, STEADY } from './boosted.ts';
import type { Weights } from './filters.ts';
import { leastSquares, type Matrix, moments } from './least-squares.ts';
import { ANSWER, activityNet, type Layer, nameOf } from './nets.ts';

/** What the channels of one layer say on the whole, one row an input. */
interface Activity {
  readonly means: Matrix;
  readonly squares: Matrix;
}

/** Mean and mean square of each channel of each layer of the plain net, for the first inputs. */
async function activities(
  { weights }: Weighted,
  list: readonly Layer[],
  data: Dataset,
  count: number,
): Promise<readonly Activity[]> {
  const n = Math.min(count, data.length);
  const runner = await compile(plainBytes(activityNet(data, list), weights));
  const found = list.map(() => ({ means: [] as Float64Array[], squares: [] as Float64Array[] }));
  try {
    for (let start = 0; start < n; start += 256) {
      const indices = Int32Array.from({ length: Math.min(256, n - start) }, (_, i) => start + i);
      const { data: values } = (await runner.run({ input: takeBatch(data, indices).x })).logits!;
      let at = 0;
      for (let r = 0; r < indices.length; r++)
        for (const part of ['means', 'squares'] as const)
          for (const [i, { channels }] of list.entries()) {
            found[i]![part].push(Float64Array.from((values as Float32Array).subarray(at, at + channels)));
            at += channels;
          }
    }
  } finally {
    await runner.close();
  }
  return found;
}

/** How much what reads a channel makes of it: the norm of its weights, as the normalisation behind them scales them. */
function reads(weights: Weights, list: readonly Layer[], index: number): number[] {
  const last = index + 1 === list.length;
  const reader = last ? ANSWER : `${nameOf(index + 1)}/conv`;
  const { dims, data } = weights.get(`${reader}/weight`)!;
  const inner = sizeOf(dims.slice(2));
  const sums = new Array<number>(dims[1]!).fill(0);
  for (let o = 0; o < dims[0]!; o++) {
    const gain = last
      ? 1
      : Number(weights.get(`${reader}/norm/scale`)!.data[o]) ** 2 /
        (Number(weights.get(`${reader}/norm/variance`)!.data[o]) + 1e-5);
    for (let c = 0; c < dims[1]!; c++)
      for (let k = 0; k < inner; k++) sums[c]! += gain * Number(data[(o * dims[1]! + c) * inner + k]) ** 2;
  }
  return sums.map(Math.sqrt);
}

/**
 * Weights of a gated net that begins near the plain one. How far a channel will be from what it usually says (root mean
 * square over positions, relative to its mean) is foretold from the means of the layer before, by least squares on some
 * training inputs; a channel is worth that, times how much the next layer makes of it.
 */
export async function startGated(
  plain: Weighted,
  list: readonly Layer[],
  data: Dataset,
  count = 2048,
): Promise<Map<string, NDArray>> {
  const said = await activities(plain, list, data, count);
  const start = new Map(plain.weights);
  const set = (name: string, dims: readonly number[], values: readonly number[]): void => {
    start.set(name, ndarray('float32', dims, values));
  };
  for (const [i, { channels, by }] of list.entries()) {
    if (by !== 'input') continue;
    const layer = nameOf(i);
    const inputs = list[i - 1]!.channels;
    const before = moments(said[i - 1]!.means);
    const usual = moments(said[i]!.means).mean;
    const away = said[i]!.means.map((row, r) =>
      row.map((m, c) => Math.sqrt(Math.max(0, said[i]!.squares[r]![c]! - 2 * m * usual[c]! + usual[c]! ** 2))),
    );
    const own = moments(away).mean.map((m) => Math.max(m, 1e-6));
    const normal = said[i - 1]!.means.map((row) =>
      row.map((v, j) => (v - before.mean[j]!) / Math.max(before.std[j]!, 1e-6)),
    );
    const found = leastSquares(
      normal,
      away.map((row) => row.map((v, c) => v / own[c]! - 1)),
    );
    // A gated layer hands on differences from what is usual.
    set(`${layer}/means/mean`, [inputs], list[i - 1]!.by === 'input' ? before.mean.map(() => 0) : before.mean);
    set(
      `${layer}/means/variance`,
      [inputs],
      before.std.map((s) => s * s),
    );
    const weight = found.flatMap((w) => Array.from(w.subarray(0, inputs), (v) => (PART / STEADY) * v));
    set(`${layer}/saliency/weight`, [channels, inputs], weight);
    set(
      `${layer}/saliency/bias`,
      [channels],
      found.map((w) => 1 + PART * w[inputs]!),
    );
    set(`${layer}/usual`, [channels, 1, 1], usual);
    const worth = reads(plain.weights, list, i).map((r, c) => r * own[c]!);
    const mean = worth.reduce((a, b) => a + b) / channels;
    set(
      `${layer}/level`,
      [channels],
      worth.map((w) => w / mean),
    );
  }
  return start;
}
