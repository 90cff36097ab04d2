import { DynaError } from '../errors.ts';
import { formatShape, type Init, type NDArray, ndarray, type ParamAttrs, sizeOf, Tensor } from '../graph/index.ts';
import { sameShape } from '../graph/shape.ts';
import { normalPair, stream, uniform } from './random.ts';

/** How a weight of a given shape [out, in, kernel...] starts. */
export type Initializer = (shape: readonly number[]) => Init;

/** How many products each output of a weight sums (in), and how many outputs each input reaches (out). */
export function fans(shape: readonly number[]): { in: number; out: number } {
  const [out = 1, inputs = 1, ...kernel] = shape;
  const field = sizeOf(kernel);
  return { in: inputs * field, out: out * field };
}

export interface HeOptions {
  /** 'in' keeps the size of activations, 'out' that of gradients; 'in' by default. */
  readonly mode?: 'in' | 'out';
  /** What the following activation keeps: sqrt(2) for ReLU, 1 for none; sqrt(2) by default. */
  readonly gain?: number;
}

const heStd = (shape: readonly number[], { mode = 'in', gain = Math.SQRT2 }: HeOptions): number =>
  gain / Math.sqrt(Math.max(1, fans(shape)[mode]));
const xavierStd = (shape: readonly number[], gain: number): number =>
  gain * Math.sqrt(2 / Math.max(1, fans(shape).in + fans(shape).out));

/**
 * Normal with std = gain / sqrt(fan) (He et al. 2015, arXiv:1502.01852).
 *
 * @example conv(x, 64, { init: (shape) => heNormal(shape, { mode: 'out' }) })
 */
export const heNormal = (shape: readonly number[], options: HeOptions = {}): Init => ({
  kind: 'normal',
  std: heStd(shape, options),
});

/** Uniform with the std of `heNormal`: bound = gain sqrt(3 / fan). @example linear(x, 64, { init: heUniform }) */
export const heUniform = (shape: readonly number[], options: HeOptions = {}): Init => ({
  kind: 'uniform',
  bound: Math.sqrt(3) * heStd(shape, options),
});

/**
 * Normal with std = gain sqrt(2 / (fan in + fan out)) (Glorot & Bengio 2010).
 *
 * @example linear(x, 64, { init: xavierNormal, activation: 'tanh' })
 */
export const xavierNormal = (shape: readonly number[], gain = 1): Init => ({
  kind: 'normal',
  std: xavierStd(shape, gain),
});

/** Uniform with the std of `xavierNormal`: bound = gain sqrt(6 / (fan in + fan out)). @example linear(x, 64, { init: xavierUniform }) */
export const xavierUniform = (shape: readonly number[], gain = 1): Init => ({
  kind: 'uniform',
  bound: Math.sqrt(3) * xavierStd(shape, gain),
});

/** Starts at 0. */
export const zeros: Init = { kind: 'constant', value: 0 };
/** Starts at 1. */
export const ones: Init = { kind: 'constant', value: 1 };

function draw({ name, dtype, shape, init }: ParamAttrs, seed: number): NDArray {
  const size = sizeOf(shape);
  if (init.kind === 'value') {
    if (!sameShape(init.value.dims, shape) || init.value.dtype !== dtype)
      throw new DynaError(
        'shape',
        `parameter "${name}" is ${dtype}${formatShape(shape)}, but its initial value is ${init.value.dtype}${formatShape(init.value.dims)}`,
      );
    return { ...init.value, data: init.value.data.slice() };
  }
  const values = new Float32Array(size);
  if (init.kind === 'constant') return ndarray(dtype, shape, values.fill(init.value));
  const next = stream(seed, name);
  if (init.kind === 'uniform') for (let i = 0; i < size; i++) values[i] = (2 * uniform(next) - 1) * init.bound;
  else
    for (let i = 0; i < size; i += 2) {
      const [a, b] = normalPair(next);
      values[i] = a * init.std;
      if (i + 1 < size) values[i + 1] = b * init.std;
    }
  return ndarray(dtype, shape, values);
}

/**
 * The parameters' first values. Each is drawn from a stream of its own that the seed and its name decide: the same on
 * every machine, and unmoved when layers are added elsewhere.
 *
 * @param params parameter tensors, or what `paramsOf` gives
 * @returns fresh memory for every name
 * @throws DynaError 'usage' for a seed that is not whole; 'graph' for two different parameters of one name
 * @example const weights = materialize(paramsOf([logits]), 42)
 */
export function materialize(params: readonly (Tensor | ParamAttrs)[], seed: number): Map<string, NDArray> {
  if (!Number.isSafeInteger(seed)) throw new DynaError('usage', `a seed is a whole number, got ${seed}`);
  const list = params.map((p) => (p instanceof Tensor ? paramAttrs(p) : p));
  checkNames(list);
  return new Map(list.map((p) => [p.name, draw(p, seed)]));
}

export function paramAttrs(t: Tensor): ParamAttrs {
  if (t.node.op.leaf !== 'param') throw new DynaError('graph', `a parameter is expected, got ${t}`);
  return t.node.attrs as ParamAttrs;
}

/** Refuses two parameters of one name. One parameter used in many places is one parameter. */
export function checkNames(params: readonly ParamAttrs[]): void {
  const known = new Map<string, ParamAttrs>();
  for (const p of params) {
    if ((known.get(p.name) ?? p) !== p)
      throw new DynaError('graph', `two parameters are named "${p.name}"`, {
        fix: 'give each layer its own name, or stand them in scopes of their own',
      });
    known.set(p.name, p);
  }
}
