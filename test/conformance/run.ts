import {
  encodeModel,
  fromOnnx,
  type Imported,
  isFloat,
  type NDArray,
  type OnnxModel,
  type Tensor,
  toNumbers,
  toOnnx,
} from '../../src/graph/index.ts';
import { halfValue } from '../../src/graph/ops/half.ts';
import { compile } from '../../src/runtime/index.ts';
import { checkGradients, type GradientReport } from './gradients.ts';
import { type Case, fedInputs, messageOf, modelIn } from './load.ts';

/**
 * What became of a case.
 * `pass`: shapes, element types and values are as the case says; `stored` names the inputs that had to stand in the file.
 * `refused`: our reader said no, in a sentence.
 * `engine`: ONNX Runtime does not run the original file either, or gives the same other numbers for it.
 * `wrong`: anything else, which must never be.
 */
export type Outcome =
  | { readonly verdict: 'pass'; readonly stored: readonly string[]; readonly gradients: GradientReport }
  | { readonly verdict: 'refused' | 'engine' | 'wrong'; readonly why: string };

type Arrays = Record<string, NDArray>;

const isRefusal = (error: unknown): boolean => (error as { code?: string }).code === 'model';

/** The model with some of its inputs stored in it. */
function withStored(model: OnnxModel, feeds: Arrays, names: ReadonlySet<string>): OnnxModel {
  const { graph } = model;
  const stored = [...names].map((name) => ({ name, ...feeds[name]! }));
  const inputs = graph.inputs.filter((v) => !names.has(v.name));
  return { ...model, graph: { ...graph, inputs, initializers: [...graph.initializers, ...stored] } };
}

/**
 * Which inputs to store, from none to most: shapes, axes and limits are inputs in these tests, and stored tensors in
 * files of exporters; our reader needs to know some of them.
 */
function choices(names: readonly string[], feeds: Arrays): ReadonlySet<string>[] {
  const whole = names.filter((name) => !isFloat(feeds[name]!.dtype));
  const lists = [[], whole.filter((name) => name !== names[0]), whole, names.slice(1), names];
  const seen = new Set<string>();
  return lists.flatMap((list) => (seen.size < seen.add(list.join()).size ? [new Set(list)] : []));
}

const numbers = (a: NDArray): number[] =>
  a.dtype === 'float16' ? Array.from(a.data as Uint16Array, halfValue) : toNumbers(a);

/** ONNX's own tolerances; float16 has fewer digits. */
function differs(got: NDArray, want: NDArray): string | undefined {
  if (got.dtype !== want.dtype || got.dims.join() !== want.dims.join())
    return `gives ${got.dtype}[${got.dims}] instead of ${want.dtype}[${want.dims}]`;
  const [a, b] = [numbers(got), numbers(want)];
  const [relative, absolute] = isFloat(want.dtype) ? [want.dtype === 'float16' ? 1e-2 : 1e-3, 1e-6] : [0, 0];
  const at = b.findIndex((v, i) => !(Object.is(v, a[i]) || Math.abs(v - a[i]!) <= absolute + relative * Math.abs(v)));
  return at < 0 ? undefined : `element ${at} of [${want.dims}] is ${a[at]} instead of ${b[at]}`;
}

/** Fixed axes are as inferred; named ones agree with each other. */
function misfit(t: Tensor, want: NDArray, named: Map<string, number>): string | undefined {
  const fits =
    t.dtype === want.dtype &&
    t.rank === want.dims.length &&
    t.shape.every((d, i) => {
      if (typeof d === 'string' && !named.has(d)) named.set(d, want.dims[i]!);
      return (typeof d === 'string' ? named.get(d) : d) === want.dims[i];
    });
  return fits ? undefined : `inferred ${t.dtype}[${t.shape.join(', ')}], expected ${want.dtype}[${want.dims}]`;
}

async function execute(bytes: Uint8Array, feeds: Arrays): Promise<Arrays> {
  const runner = await compile(bytes, { intraOpNumThreads: 1 });
  try {
    return await runner.run(Object.fromEntries(runner.inputs.map(({ name }) => [name, feeds[name]!])));
  } finally {
    await runner.close();
  }
}

/** Runs one case: read, infer, write, execute, compare; then the gradients. */
export async function runCase(c: Case): Promise<Outcome> {
  const model = modelIn(c.bytes);
  if (typeof model === 'string') return { verdict: 'refused', why: model };
  const names = fedInputs(model).map((v) => v.name);
  const feeds: Arrays = {};
  for (const [i, name] of names.entries()) if (c.inputs[i]) feeds[name] = c.inputs[i];
  const complete = names.every((name) => name in feeds);
  let why = '';
  for (const stored of complete ? choices(names, feeds) : [new Set<string>()]) {
    const shown = withStored(model, feeds, stored);
    let read: Imported;
    try {
      read = fromOnnx(shown);
    } catch (error) {
      if (!isRefusal(error)) return { verdict: 'wrong', why: `the reader fell: ${messageOf(error)}` };
      why = messageOf(error);
      continue;
    }
    if (!complete) return { verdict: 'wrong', why: 'it was read although its inputs have types that nothing here has' };
    return judge(c, model, shown, read, feeds, [...stored]);
  }
  return { verdict: 'refused', why };
}

async function judge(
  c: Case,
  original: OnnxModel,
  model: OnnxModel,
  read: Imported,
  feeds: Arrays,
  stored: readonly string[],
): Promise<Outcome> {
  const wanted = Object.fromEntries(original.graph.outputs.map((v, i) => [v.name, c.outputs[i]]));
  const named = new Map<string, number>();
  for (const t of read.inputs)
    t.shape.forEach((d, i) => {
      if (typeof d === 'string') named.set(d, feeds[t.node.attrs.name]!.dims[i]!);
    });
  for (const [name, t] of Object.entries(read.outputs)) {
    const want = wanted[name];
    const problem = want ? misfit(t, want, named) : 'nothing is expected here';
    if (problem) return { verdict: 'wrong', why: `${name}: ${problem}` };
  }
  let got: Arrays;
  try {
    got = await execute(encodeModel(toOnnx(read.outputs, { weights: read.weights })), feeds);
  } catch (error) {
    const refused = await failure(encodeModel(model), feeds);
    return refused
      ? { verdict: 'engine', why: `ONNX Runtime does not run it: ${refused}` }
      : { verdict: 'wrong', why: `ONNX Runtime runs the original, but not what we write: ${messageOf(error)}` };
  }
  for (const [name, want] of Object.entries(wanted)) {
    const problem = differs(got[name]!, want!);
    if (!problem) continue;
    const own = await execute(encodeModel(original), feeds).catch(() => undefined);
    return own?.[name] && !differs(got[name]!, own[name])
      ? { verdict: 'engine', why: `ONNX Runtime gives other numbers for the original too: ${problem}` }
      : { verdict: 'wrong', why: `${name}: ${problem}` };
  }
  const report = await checkGradients(read, feeds);
  return report.wrong ? { verdict: 'wrong', why: report.wrong } : { verdict: 'pass', stored, gradients: report };
}

async function failure(bytes: Uint8Array, feeds: Arrays): Promise<string | undefined> {
  try {
    await execute(bytes, feeds);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
