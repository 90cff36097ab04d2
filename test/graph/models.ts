import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect } from 'vitest';
import {
  type DType,
  decodeModel,
  encodeModel,
  fromOnnx,
  type Imported,
  type NDArray,
  ndarray,
  type OnnxAttribute,
  type OnnxDim,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValue,
  sizeOf,
  stripDefaults,
  toNumbers,
  toOnnx,
} from '../../src/graph/index.ts';
import { seeded } from '../support/random.ts';

/** Attributes written shortly: whole numbers are ints, strings strings; `float` marks floats. */
export type Plain = number | string | readonly number[] | OnnxAttribute;

const attribute = (v: Plain): OnnxAttribute => {
  if (typeof v === 'number') return { kind: 'int', value: v };
  if (typeof v === 'string') return { kind: 'string', value: v };
  return Array.isArray(v) ? { kind: 'ints', value: [...v] } : (v as OnnxAttribute);
};

export const float = (value: number): OnnxAttribute => ({ kind: 'float', value });
export const floats = (...value: number[]): OnnxAttribute => ({ kind: 'floats', value });

export const node = (
  op: string,
  inputs: string[],
  outputs: string | string[] = 'y',
  attributes: Record<string, Plain> = {},
  domain = '',
): OnnxNode => {
  const names = typeof outputs === 'string' ? [outputs] : outputs;
  const list = Object.entries(attributes).map(([k, v]) => [k, attribute(v)] as const);
  return {
    op,
    domain,
    name: `node_${names.find(Boolean)}`,
    inputs,
    outputs: names,
    attributes: Object.fromEntries(list),
  };
};

export const value = (name: string, shape: OnnxDim[] | undefined, dtype: DType = 'float32'): OnnxValue => ({
  name,
  dtype,
  shape,
});

/** A stored tensor; floats by default, int64 by `i64`. */
export const f32 = (name: string, dims: number[], values?: number[]): OnnxTensor => {
  const random = seeded([...name].reduce((a, ch) => a * 31 + ch.charCodeAt(0), 7));
  const size = sizeOf(dims);
  return { name, ...ndarray('float32', dims, values ?? Array.from({ length: size }, () => random() * 2 - 1)) };
};
export const i64 = (name: string, values: number[], dims = [values.length]): OnnxTensor => ({
  name,
  ...ndarray('int64', dims, values),
});

export interface Parts {
  opset?: number;
  ir?: number;
  inputs?: OnnxValue[];
  outputs?: OnnxValue[];
  stored?: OnnxTensor[];
  values?: OnnxValue[];
}

/** A model from nodes; its input is x [N, 4] and its output y unless told otherwise. */
export const model = (nodes: OnnxNode[], parts: Parts = {}): OnnxModel => ({
  irVersion: parts.ir ?? 8,
  opsets: { '': parts.opset ?? 17, 'com.microsoft': 1 },
  producer: 'test',
  producerVersion: '',
  docString: '',
  metadata: {},
  graph: {
    name: 'net',
    nodes,
    inputs: parts.inputs ?? [value('x', ['N', 4])],
    outputs: parts.outputs ?? [value('y', undefined)],
    initializers: parts.stored ?? [],
    values: parts.values ?? [],
  },
});

/** Reads, writes and reads again, through bytes both times. */
export function roundTrip(m: OnnxModel): { once: Imported; twice: Imported; bytes: Uint8Array } {
  const once = fromOnnx(decodeModel(encodeModel(m)));
  const first = encodeModel(toOnnx(once.outputs, { weights: once.weights }));
  const twice = fromOnnx(decodeModel(first));
  const bytes = encodeModel(toOnnx(twice.outputs, { weights: twice.weights }));
  return { once, twice, bytes };
}

export async function runOrt(bytes: Uint8Array, feeds: Record<string, NDArray>): Promise<Record<string, NDArray>> {
  // The engine ignores what is fed for an input with a default: such defaults are taken out.
  const { graph } = decodeModel(bytes);
  const defaults = graph.initializers.filter((t) => t.name in feeds && graph.inputs.some((v) => v.name === t.name));
  const plain = stripDefaults(
    bytes,
    defaults.map((t) => t.name),
  );
  const session = await InferenceSession.create(plain, { logSeverityLevel: 4, intraOpNumThreads: 1 });
  const given = Object.entries(feeds).filter(([name]) => session.inputNames.includes(name));
  const tensors = given.map(([name, a]) => [name, new Tensor(a.dtype as 'float32', a.data as Float32Array, a.dims)]);
  const results = await session.run(Object.fromEntries(tensors));
  const list = Object.entries(results).map(([name, t]) => {
    const data = t.data as Float32Array;
    return [name, { dtype: t.type as DType, dims: t.dims, data }] as const;
  });
  await session.release();
  return Object.fromEntries(list);
}

/** Values for a model's inputs: every named axis takes the size `n`; integers count, bools alternate. */
export function feedsFor(inputs: readonly OnnxValue[], n: number, seed = 1): Record<string, NDArray> {
  const random = seeded(seed);
  const list = inputs.map((v) => {
    const dims = v.shape!.map((d) => (typeof d === 'number' ? d : n));
    const size = sizeOf(dims);
    const dtype = v.dtype as DType;
    const next = (i: number) => (dtype === 'float32' ? random() * 4 - 2 : dtype === 'bool' ? +(random() > 0.5) : i % 3);
    return [
      v.name,
      ndarray(
        dtype,
        dims,
        Array.from({ length: size }, (_, i) => next(i)),
      ),
    ] as const;
  });
  return Object.fromEntries(list);
}

/** Equal dtypes, shapes and (to `tolerance`, relative to the largest) values. */
export function expectClose(got: Record<string, NDArray>, want: Record<string, NDArray>, tolerance = 1e-6): void {
  expect(Object.keys(got).sort()).toEqual(Object.keys(want).sort());
  for (const [name, w] of Object.entries(want)) {
    const g = got[name]!;
    expect([g.dtype, g.dims], name).toEqual([w.dtype, w.dims]);
    const [a, b] = [toNumbers(g), toNumbers(w)];
    const scale = Math.max(1, ...b.filter(Number.isFinite).map(Math.abs));
    const wrong = b.findIndex((v, i) => !(Object.is(v, a[i]) || Math.abs(v - a[i]!) <= tolerance * scale));
    expect(wrong < 0 ? '' : `${name}[${wrong}]: ${a[wrong]} instead of ${b[wrong]}`).toBe('');
  }
}

/** ONNX Runtime must get the same from a model and from what we read and write of it, twice. */
export async function expectSame(m: OnnxModel, sizes: readonly number[] = [2, 1], tolerance = 1e-6): Promise<Imported> {
  const { once, bytes } = roundTrip(m);
  const original = encodeModel(m);
  for (const n of sizes) {
    const feeds = feedsFor(m.graph.inputs, n);
    expectClose(await runOrt(bytes, feeds), await runOrt(original, feeds), tolerance);
  }
  return once;
}
