import { expect } from 'vitest';
import {
  add,
  constant,
  constantOf,
  type DType,
  encodeModel,
  gradients,
  input,
  isFloat,
  mul,
  type NDArray,
  ndarray,
  type Operator,
  order,
  type Shape,
  simplify,
  sumAll,
  type Tensor,
  toNumbers,
  toOnnx,
} from '../../src/graph/index.ts';
import { compile } from '../../src/runtime/index.ts';
import { seeded } from '../support/random.ts';
import { count, type Dense } from './dense.ts';

export interface Spec {
  readonly shape: Shape;
  readonly dtype?: DType;
  /** Value number i; well spaced values around zero where left out. */
  readonly value?: (i: number) => number;
}

/** One use of an operator: how it is called, and what it should give by its definition. */
export interface Case {
  readonly name: string;
  readonly inputs: readonly Spec[];
  readonly build: (x: Tensor[]) => Tensor | readonly Tensor[];
  readonly reference: (x: Dense[]) => Dense | readonly Dense[];
  /** Inputs to differentiate by; all floats where left out. */
  readonly wrt?: readonly number[];
  /** Second derivatives are checked too, unless this says why not. */
  readonly second?: string;
  /** Sizes that the axis "N" takes, one run each. */
  readonly N?: readonly number[];
}

/** Distinct values around zero, none of them near another or near a kink: finite differences stay on one side. */
export function spaced(size: number, which: number, seed: number): number[] {
  const random = seeded(seed + 31 * which);
  const places = Array.from({ length: size }, (_, i) => i);
  for (let i = size - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [places[i], places[j]] = [places[j]!, places[i]!];
  }
  return places.map((p) => Math.fround((p - (size >> 1)) * 0.07 + 0.013 + 0.02 * which));
}

const sizes = (shape: Shape, n: number): number[] => shape.map((d) => (typeof d === 'number' ? d : n));
const asList = <T>(v: T | readonly T[]): readonly T[] => (Array.isArray(v) ? v : [v as T]);
const asDense = (a: NDArray): Dense => ({ dims: a.dims, data: toNumbers(a) });
const asArray = (a: Dense, dtype: DType = 'float32'): NDArray => ndarray(dtype, a.dims, [...a.data]);

type Expected = { readonly dims: readonly number[]; readonly data: readonly (number | undefined)[] };

/** f of each element; of large arrays only of `most`, spread over all of it. The others are undefined. */
const sampled = (a: Dense, most: number, f: (k: number) => number): Expected => {
  const step = Math.ceil(a.data.length / most) | 1; // odd, so that it does not stay on one column
  return { dims: a.dims, data: a.data.map((_, k) => (k % step === 0 ? f(k) : undefined)) };
};

/** Compares shape and numbers, the latter relative to the largest. */
function close(what: string, got: NDArray, want: Expected, tolerance: number): void {
  expect(got.dims, `${what}: shape`).toEqual(want.dims);
  const scale = Math.max(1, ...want.data.map((v) => (Number.isFinite(v) ? Math.abs(v!) : 0)));
  toNumbers(got).forEach((v, i) => {
    const expected = want.data[i];
    if (expected === undefined) return;
    const same = Object.is(v, expected) || Math.abs(v - expected) <= tolerance * scale;
    expect(same, `${what}, element ${i} of [${want.dims}]: ${v}, expected ${expected}`).toBe(true);
  });
}

const dot = (a: readonly Dense[], b: readonly (Dense | undefined)[]): number =>
  a.reduce((total, x, i) => total + (b[i] ? x.data.reduce((s, v, j) => s + v * b[i]!.data[j]!, 0) : 0), 0);

/** x + h d, for one element (d a number) or for whole arrays. */
const moved = (x: Dense[], d: readonly (Dense | undefined)[], h: number): Dense[] =>
  x.map((a, i) => (d[i] ? { dims: a.dims, data: a.data.map((v, j) => v + h * d[i]!.data[j]!) } : a));
const nudged = (x: Dense[], which: number, element: number, h: number): Dense[] =>
  x.with(which, { dims: x[which]!.dims, data: x[which]!.data.with(element, x[which]!.data[element]! + h) });

const valuesOf = (c: Case, n: number, seed: number): Dense[] =>
  c.inputs.map((s, i) => {
    const dims = sizes(s.shape, n);
    const made = s.value ? Array.from({ length: count(dims) }, (_, k) => s.value!(k)) : undefined;
    return { dims, data: (made ?? spaced(count(dims), i, seed)).map((v) => (s.dtype ? v : Math.fround(v))) };
  });

const H1 = 1e-4;
const H2 = 1e-3;

/**
 * Runs a case in ONNX Runtime at every batch size: forward against the reference, products of random cotangents with
 * the Jacobian against central differences of the reference (in doubles), and the same once more for second
 * derivatives; the simplified graph must agree; `evaluate` must agree; inferred shapes must be what came.
 */
export async function check(op: Operator, c: Case, seed = 1): Promise<void> {
  const x = c.inputs.map((s, i) => input(`x${i}`, s.shape, s.dtype));
  const y = asList(c.build(x));
  expect(
    order(y).some((n) => n.op === op),
    `${c.name} does not use ${op.name}`,
  ).toBe(true);
  const floats = y.map((t) => isFloat(t.dtype));
  const wrt = c.wrt ?? x.flatMap((t, i) => (isFloat(t.dtype) ? [i] : []));
  const smooth = wrt.length > 0 && floats.includes(true);
  const cotangents = y.map((t, i) => (smooth && floats[i] ? input(`c${i}`, t.shape, t.dtype) : undefined));
  const directions = new Map(smooth ? wrt.map((i) => [i, input(`d${i}`, x[i]!.shape, x[i]!.dtype)]) : []);
  const total = (parts: Tensor[]): Tensor => parts.map(sumAll).reduce((a, b) => add(a, b));

  const outputs: Record<string, Tensor> = {};
  y.forEach((t, i) => {
    outputs[`y${i}`] = t;
  });
  if (smooth) {
    const loss = total(y.flatMap((t, i) => (cotangents[i] ? [mul(t, cotangents[i])] : [])));
    const targets = wrt.map((i) => x[i]!);
    const first = gradients(loss, targets);
    first.forEach((g, k) => {
      expect(g.shape, `${c.name}: shape of gradient ${wrt[k]}`).toEqual(targets[k]!.shape);
      outputs[`g${wrt[k]}`] = g;
    });
    if (!c.second) {
      const along = total(first.map((g, k) => mul(g, directions.get(wrt[k]!)!)));
      const sources = [...targets, ...cotangents.filter((t) => t !== undefined)];
      gradients(along, sources).forEach((h, k) => {
        outputs[`h${sources[k]!.node.attrs.name}`] = h;
      });
    }
  }
  const names = Object.keys(outputs);
  const simple = simplify(Object.values(outputs));
  const all = { ...outputs, ...Object.fromEntries(names.map((n, i) => [`simple_${n}`, simple[i]!])) };
  const runner = await compile(encodeModel(toOnnx(all)), { intraOpNumThreads: 1 });
  try {
    for (const n of c.N ?? [0]) await at(n);
  } finally {
    await runner.close();
  }

  async function at(n: number): Promise<void> {
    const values = valuesOf(c, n, seed);
    const random = seeded(seed + 1000);
    const want = asList(c.reference(values));
    const uniform = (dims: readonly number[]): Dense => ({
      dims,
      data: Array.from({ length: count(dims) }, () => Math.fround(random() * 2 - 1)),
    });
    const cs = cotangents.map((t, i) => (t ? uniform(want[i]!.dims) : undefined));
    const ds = x.map((_, i) => (directions.has(i) ? uniform(values[i]!.dims) : undefined));
    const feeds: Record<string, NDArray> = {};
    values.forEach((v, i) => {
      feeds[`x${i}`] = asArray(v, x[i]!.dtype);
    });
    for (const [i, t] of cotangents.entries()) if (t) feeds[`c${i}`] = asArray(cs[i]!, t.dtype);
    if (!c.second) for (const [i, t] of directions) feeds[`d${i}`] = asArray(ds[i]!, t.dtype);
    const used = new Set(runner.inputs.map((s) => s.name));
    const got = await runner.run(Object.fromEntries(Object.entries(feeds).filter(([name]) => used.has(name))));

    const here = `${c.name}${c.N ? ` (N = ${n})` : ''}`;
    fitsShapes(here, y, want, n);
    for (const name of names) {
      expect(got[name]!.dtype, `${here}: dtype of ${name}`).toBe(outputs[name]!.dtype);
      close(`${here}: simplified ${name}`, got[`simple_${name}`]!, asDense(got[name]!), 1e-5);
    }
    y.forEach((_, i) => {
      close(`${here}: result ${i}`, got[`y${i}`]!, want[i]!, 2e-5);
    });
    if (!smooth) return;

    const loss = (v: Dense[]): number => dot(asList(c.reference(v)), cs);
    for (const i of wrt) {
      const slope = sampled(values[i]!, 60, (k) => {
        return (loss(nudged(values, i, k, H1)) - loss(nudged(values, i, k, -H1))) / (2 * H1);
      });
      close(`${here}: gradient by input ${i}`, got[`g${i}`]!, slope, 1e-4);
    }
    if (c.second) return;
    const [forth, back] = [moved(values, ds, H2), moved(values, ds, -H2)];
    for (const i of wrt) {
      const curve = sampled(values[i]!, 20, (k) => {
        const slope = (h: number) => loss(nudged(forth, i, k, h)) - loss(nudged(back, i, k, h));
        return (slope(H2) - slope(-H2)) / (4 * H2 * H2);
      });
      close(`${here}: second derivative by input ${i}`, got[`hx${i}`]!, curve, 5e-4);
    }
    // The derivative by the cotangent is the Jacobian times the direction: forward mode.
    const [up, down] = [asList(c.reference(forth)), asList(c.reference(back))];
    cs.forEach((cotangent, i) => {
      if (!cotangent) return;
      const forward = up[i]!.data.map((v, k) => (v - down[i]!.data[k]!) / (2 * H2));
      close(`${here}: Jacobian times direction ${i}`, got[`hc${i}`]!, { dims: cotangent.dims, data: forward }, 5e-4);
    });
  }

  /** Fixed axes are as inferred; named ones agree with each other. */
  function fitsShapes(here: string, results: readonly Tensor[], want: readonly Dense[], n: number): void {
    const named = new Map<string, number>([['N', n]]);
    results.forEach((t, i) => {
      expect(t.rank, `${here}: inferred rank of result ${i}`).toBe(want[i]!.dims.length);
      t.shape.forEach((d, k) => {
        const size = want[i]!.dims[k]!;
        if (typeof d === 'string' && !named.has(d)) named.set(d, size);
        expect(typeof d === 'string' ? named.get(d) : d, `${here}: inferred axis ${k} of result ${i}`).toBe(size);
      });
    });
  }
}

/** Constant folding of a case, against the reference; false where the case uses operators that do not fold. */
export function checkEvaluate(c: Case, seed = 1): boolean {
  for (const n of c.N ?? [0]) {
    const values = valuesOf(c, n, seed);
    const y = asList(c.build(values.map((v, i) => constant(asArray(v, c.inputs[i]!.dtype)))));
    if (order(y).some((node) => !node.op.evaluate)) return false;
    const want = asList(c.reference(values));
    simplify(y).forEach((t, i) => {
      const folded = constantOf(t);
      expect(folded, `${c.name} says that it folds`).toBeDefined();
      expect(folded!.dtype, `${c.name}: dtype of the folded result`).toBe(y[i]!.dtype);
      close(`${c.name}: folded result ${i}`, folded!, want[i]!, 2e-6);
    });
  }
  return true;
}
