import {
  add,
  encodeModel,
  gradients,
  type Imported,
  input,
  isFloat,
  mul,
  type NDArray,
  order,
  sizeOf,
  sumAll,
  type Tensor,
  toOnnx,
} from '../../src/graph/index.ts';
import { compile, type Runner } from '../../src/runtime/index.ts';
import { seeded } from '../support/random.ts';

export interface GradientReport {
  /** Inputs whose gradient was compared, and elements of them where the function is smooth. */
  readonly inputs: number;
  readonly elements: number;
  /** Elements beside a kink or a jump, where differences say nothing. */
  readonly kinks: number;
  /** Elements whose gradient is NaN because values on the way are not finite (rows of attention that are masked whole). */
  readonly notFinite: number;
  /** What the library says where it has no gradient, one sentence for each such input. */
  readonly refused: readonly string[];
  readonly wrong?: string;
}

type Arrays = Record<string, NDArray>;

/** Elements of one input that are looked at. */
const MOST = 10;
const TOLERANCE = 2e-2;

const nameOf = (t: Tensor): string => t.node.attrs.name;
const own = ({ inputs }: Runner, values: Arrays): Arrays =>
  Object.fromEntries(inputs.map(({ name }) => [name, values[name]!]));
const open = (outputs: Readonly<Record<string, Tensor>>, { weights }: Imported): Promise<Runner> =>
  compile(encodeModel(toOnnx(outputs, { weights })), { intraOpNumThreads: 1 });

/**
 * Compares the gradients of a random weighting of all outputs with central differences of the engine's own forward run:
 * four points, so that a step that is wide enough for float32 leaves no error of its own.
 */
export async function checkGradients(read: Imported, feeds: Arrays): Promise<GradientReport> {
  const report = { inputs: 0, elements: 0, kinks: 0, notFinite: 0, refused: [] as string[] };
  const dtype = Object.values(read.outputs).find((t) => t.dtype === 'float32' || t.dtype === 'float64')?.dtype;
  const results = Object.entries(read.outputs).filter(([, t]) => t.dtype === dtype);
  const sources = read.inputs.filter((t) => t.dtype === dtype && sizeOf(feeds[nameOf(t)]!.dims) > 0);
  if (dtype === undefined || sources.length === 0) return report;
  const forward = await open(read.outputs, read);
  try {
    const random = seeded(7);
    const base = await forward.run(own(forward, feeds));
    const weights: Arrays = {};
    for (const [name] of results) {
      const draw = () => Math.fround(random() * 2 - 1);
      weights[name] = { ...base[name]!, data: (base[name]!.data as Float32Array).map(draw) };
    }
    const loss = async (values: Arrays): Promise<number> => {
      const y = await forward.run(own(forward, values));
      return results.reduce((total, [name]) => total + dot(weights[name]!, y[name]!), 0);
    };
    for (const source of sources) {
      const name = nameOf(source);
      const slope = await gradientBy(source, results, weights, read, feeds);
      if (typeof slope === 'string') {
        report.refused.push(slope);
        continue;
      }
      report.inputs++;
      const x = feeds[name]!;
      const step = Math.floor(x.data.length / MOST) | 1; // odd, so that it does not stay on one column
      for (let i = 0; i < x.data.length && i / step < MOST; i += step) {
        const estimate = await slopeAt(Number(x.data[i]), (h) => {
          const data = (x.data as Float32Array).slice();
          data[i] = data[i]! + h;
          return loss({ ...feeds, [name]: { ...x, data } });
        });
        if (!estimate) {
          report.kinks++;
          continue;
        }
        if (Number.isNaN(slope[i]) && !(await finiteInside(read, feeds))) {
          report.notFinite++;
          continue;
        }
        report.elements++;
        const limit = TOLERANCE * Math.max(1, Math.abs(estimate.value)) + estimate.noise;
        if (!(Math.abs(estimate.value - slope[i]!) <= limit))
          return { ...report, wrong: `gradient by ${name}, element ${i}: ${slope[i]} instead of ${estimate.value}` };
      }
    }
    return report;
  } finally {
    await forward.close();
  }
}

/** The weighted sum of one output, in doubles. */
function dot(a: NDArray, b: NDArray): number {
  let total = 0;
  for (let i = 0; i < a.data.length; i++) total += Number(a.data[i]) * Number(b.data[i]);
  return total;
}

/** The library's own gradient of the weighted sum, or its sentence where it has none. */
async function gradientBy(
  source: Tensor,
  results: readonly (readonly [string, Tensor])[],
  weights: Arrays,
  read: Imported,
  feeds: Arrays,
): Promise<ArrayLike<number> | string> {
  const named = (name: string) => `weight of ${name}`;
  let g: Tensor;
  try {
    const parts = results.map(([name, t]) => sumAll(mul(t, input(named(name), t.shape, t.dtype))));
    [g] = gradients(parts.reduce(add), [source]) as [Tensor];
  } catch (error) {
    if ((error as { code?: string }).code === 'gradient') return (error as Error).message;
    throw error;
  }
  const runner = await open({ g }, read);
  try {
    const extra = Object.entries(weights).map(([name, w]) => [named(name), w] as const);
    const got = (await runner.run(own(runner, { ...feeds, ...Object.fromEntries(extra) }))).g!;
    const want = feeds[nameOf(source)]!.dims;
    if (got.dims.join() !== want.join())
      throw new Error(`the gradient by ${nameOf(source)} is [${got.dims}] instead of [${want}]`);
    return got.data as Float32Array;
  } finally {
    await runner.close();
  }
}

/** Whether all values that are computed on the way are finite. */
async function finiteInside(read: Imported, feeds: Arrays): Promise<boolean> {
  const floats = order(Object.values(read.outputs))
    .flatMap((n) => (n.op.leaf ? [] : n.outputs.slice(0, n.op.optionalFrom)))
    .filter((t) => isFloat(t.dtype));
  const runner = await open(Object.fromEntries(floats.map((t, i) => [`value ${i}`, t])), read);
  try {
    const values = Object.values(await runner.run(own(runner, feeds)));
    return values.every(({ data }) => (data as Float32Array).every(Number.isFinite));
  } finally {
    await runner.close();
  }
}

interface Slope {
  readonly value: number;
  readonly noise: number;
}

/** The derivative of f(h) at 0; undefined beside a kink or a jump, or where the function is not finite. */
async function slopeAt(x: number, f: (h: number) => Promise<number>): Promise<Slope | undefined> {
  // A power of two, so that x + h is exact; wide only where float32 itself is coarse.
  const h = 2 ** Math.max(-6, Math.ceil(Math.log2(Math.abs(x))) - 16);
  const points: number[] = [];
  for (const k of [-2, -1, -0.5, 0, 0.5, 1, 2]) points.push(await f(k * h));
  if (!points.every(Number.isFinite)) return undefined;
  const [a2, a1, a, middle, b, b1, b2] = points as [number, number, number, number, number, number, number];
  const noise = (1e-6 * Math.max(...points.map(Math.abs))) / h;
  const wide = (8 * (b1 - a1) - (b2 - a2)) / (12 * h);
  const fine = (8 * (b - a) - (b1 - a1)) / (6 * h);
  // A smooth function bends less over half the step; a kink bends as much, a jump more.
  const [outer, inner] = [Math.abs(b1 - 2 * middle + a1) / h, Math.abs(b - 2 * middle + a) / (h / 2)];
  const limit = 0.3 * TOLERANCE * Math.max(1, Math.abs(fine)) + noise;
  if (Math.abs(wide - fine) > limit || (inner > limit && inner > 0.75 * outer)) return undefined;
  return { value: fine, noise };
}
