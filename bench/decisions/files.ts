// The files that are timed: nets with drawn weights, dynamic and plain.
import { median } from '../../src/deploy/robust.ts';
import {
  decisionsOf,
  fullThresholds,
  type Model,
  type Net,
  observe,
  ownThresholds,
  parametersOf,
  type SparseForm,
  sparse,
  type Thresholds,
  thresholdName,
} from '../../src/dynamic/index.ts';
import { thresholdArray } from '../../src/dynamic/lower/choice.ts';
import { encodeModel, type NDArray, ndarray, stripDefaults, toOnnx } from '../../src/graph/index.ts';
import { materialize } from '../../src/nn/index.ts';
import { compile, type Runner } from '../../src/runtime/index.ts';
import { type Racer, session } from './race.ts';

/** Numbers in [-1, 1) that look random and repeat. */
export const waves = (dims: readonly number[], phase: number): NDArray =>
  ndarray(
    'float32',
    dims,
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => {
      const v = Math.sin(12.9898 * (i + 1) + phase) * 43758.5453;
      return 2 * (v - Math.floor(v)) - 1;
    }),
  );

/** Gates start near zero, where all inputs choose alike: theirs are drawn anew. */
export function weightsOf(net: Net): Map<string, NDArray> {
  const weights = new Map(materialize(parametersOf(net), 1));
  for (const [name, { dims }] of weights)
    if (/(gate\d*|router|routing\w*(\/\w+)?)\/weight$/.test(name)) weights.set(name, waves(dims, name.length));
  return weights;
}

/** The values of parameters that both nets have, and new ones for the others. */
export function weightsFor(net: Net, known: ReadonlyMap<string, NDArray>): Map<string, NDArray> {
  const weights = weightsOf(net);
  for (const [name, { dims }] of weights) {
    const value = known.get(name);
    if (value && value.dims.join() === dims.join()) weights.set(name, value);
  }
  return weights;
}

const bytesOf = (output: Record<string, Net['output']>, weights: ReadonlyMap<string, NDArray>): Uint8Array =>
  encodeModel(toOnnx(output, { weights }));

export const row = ({ dims, data }: NDArray, i: number): NDArray => {
  const size = data.length / dims[0]!;
  return ndarray('float32', [1, ...dims.slice(1)], (data as Float32Array).slice(i * size, (i + 1) * size));
};

/** Thresholds at which inputs part evenly, each option of several taken about as often. */
export async function even(net: Net, weights: ReadonlyMap<string, NDArray>, x: NDArray): Promise<Thresholds> {
  const { scores, choices } = observe(net);
  const named = [...scores, ...choices].map(({ decision, score }) => [decision, score] as const);
  const own = { ...ownThresholds(decisionsOf(net)) };
  if (named.length === 0) return own;
  const runner = await compile(bytesOf(Object.fromEntries(named), weights), session);
  const out = await runner.run({ input: x });
  await runner.close();
  // What is chosen among peers keeps to how many of them run.
  const peers = new Set(decisionsOf(net).flatMap((d) => (d.kind === 'select' && d.among ? [d.name] : [])));
  for (const [decision] of named.filter(([name]) => !peers.has(name))) {
    const { dims, data } = out[decision]!;
    const k = dims[1] ?? 1;
    const columns = Array.from({ length: k }, (_, c) =>
      median(Array.from({ length: dims[0]! }, (_, r) => Number(data[r * k + c]))),
    );
    own[decision] = dims.length === 1 ? columns[0]! : columns;
  }
  return own;
}

export interface File {
  readonly bytes: Uint8Array;
  readonly runner: Runner;
}

export async function open(net: Net, weights: ReadonlyMap<string, NDArray>): Promise<File> {
  const bytes = bytesOf({ output: net.output }, weights);
  return { bytes, runner: await compile(bytes, session) };
}

/** The same file where all inputs are sent through everything. */
export async function onFullPath({ bytes }: File, net: Net): Promise<Pick<Racer, 'runner' | 'thresholds'>> {
  const decisions = decisionsOf(net);
  const own = fullThresholds(decisions);
  const thresholds = Object.fromEntries(decisions.map((d) => [thresholdName(d), thresholdArray(d, own[d.name])]));
  return { runner: await compile(stripDefaults(bytes, Object.keys(thresholds)), session), thresholds };
}

export async function dynamicFile({ net, weights }: Model, thresholds: Thresholds, form: SparseForm): Promise<File> {
  const { output, trace } = sparse(net, thresholds, { form });
  const bytes = bytesOf(trace ? { output, trace } : { output }, weights);
  return { bytes, runner: await compile(bytes, session) };
}
