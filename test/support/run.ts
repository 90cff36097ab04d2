import { encodeModel, type NDArray, type Outputs, sizeOf, type Tensor, toOnnx } from '../../src/graph/index.ts';
import { compile, type Execution, profile, type Runner } from '../../src/runtime/index.ts';

export type Ran = Record<string, NDArray>;
export type Level = 'all' | 'disabled';

/** What a lowering gives, as outputs of a file. */
export const outputsOf = ({ output, trace }: { output: Tensor; trace?: Tensor | undefined }): Outputs =>
  trace ? { output, trace } : { output };

export const bytesOf = (outputs: Outputs, weights: ReadonlyMap<string, NDArray>): Uint8Array =>
  encodeModel(toOnnx(outputs, { weights }));

export const open = (outputs: Outputs, weights: ReadonlyMap<string, NDArray>, level: Level): Promise<Runner> =>
  compile(bytesOf(outputs, weights), { graphOptimizationLevel: level, intraOpNumThreads: 1 });

/** Opens, runs on each input, closes. A graph's thresholds come from its file. */
export async function runAll(
  outputs: Outputs,
  weights: ReadonlyMap<string, NDArray>,
  inputs: readonly NDArray[],
  level: Level = 'all',
): Promise<Ran[]> {
  const session = await open(outputs, weights, level);
  try {
    const results: Ran[] = [];
    for (const x of inputs) results.push(await session.run(feedsFor(session, x)));
    return results;
  } finally {
    await session.close();
  }
}

/** The image; an input with a default in the file counts as one that must be fed only where the engine says so. */
const feedsFor = (session: Runner, x: NDArray): Ran =>
  session.inputs.some((i) => i.name === 'input') ? { input: x } : {};

export const row = ({ dtype, dims, data }: NDArray, r: number): NDArray => {
  const size = data.length / dims[0]!;
  return { dtype, dims: [1, ...dims.slice(1)], data: data.slice(r * size, (r + 1) * size) as NDArray['data'] };
};

/**
 * Multiply-accumulates of what the engine executed, from the shapes that it reports and nothing else. A region that
 * nobody takes must not run at all.
 */
export function executedMacs(executed: readonly Execution[]): number {
  let sum = 0;
  for (const { op, node, inputs, outputs } of executed) {
    const y = sizeOf(outputs[0]?.dims ?? [0]);
    if (y === 0 && /Conv|MatMul|Gemm/.test(op)) throw new Error(`${op} "${node}" ran for nobody`);
    if (op === 'Conv') sum += y * sizeOf(inputs[1]!.dims.slice(1));
    else if (op === 'Gemm' || op === 'MatMul') sum += y * inputs[0]!.dims.at(-1)!;
    else if (/Conv|MatMul|Gemm/.test(op)) throw new Error(`executedMacs does not know ${op}`);
  }
  return sum;
}

export const executed = async (bytes: Uint8Array, x: NDArray): Promise<readonly Execution[]> =>
  (await profile(bytes, { input: x }, { optimization: 'disabled', runs: 1, session: { intraOpNumThreads: 1 } }))
    .executed;

/** The largest difference of two rows, as a share of the reference's largest value (or of 1). */
export function rowDifference(a: NDArray, b: NDArray, r: number, rb = r): number {
  const width = sizeOf(a.dims.slice(1));
  let [worst, scale] = [0, 1];
  for (let k = 0; k < width; k++) {
    const [p, q] = [Number(a.data[r * width + k]), Number(b.data[rb * width + k])];
    if (Number.isNaN(p) || Number.isNaN(q)) return Number.POSITIVE_INFINITY;
    worst = Math.max(worst, Math.abs(p - q));
    scale = Math.max(scale, Math.abs(p));
  }
  return worst / scale;
}
