import { type NDArray, ndarray, sizeOf, toNumbers } from '../graph/array.ts';
import {
  add,
  apply,
  type BlockSize,
  blocked,
  convolve,
  encodeModel,
  gradients,
  input,
  mul,
  ReorderInput,
  relu,
  simplify,
  sumAll,
  type Tensor,
  toOnnx,
} from '../graph/index.ts';
import { compile, type Runner } from './runner.ts';

/** Largest difference to the plain form, relative to the largest number: rounding, and no more. */
const TOLERANCE = 1e-4;

let found: Promise<BlockSize | undefined> | undefined;

/**
 * Whether the engine of this machine takes its own blocked operators in our graphs, and how many channels it keeps
 * together: found out once, by running them. They are no part of the engine's contract, so nothing is believed:
 * undefined (train with plain operators) unless the numbers are right.
 *
 * @example const graphs = trainingGraphs(net, { ...options, block: await blockSize() })
 */
export const blockSize = (): Promise<BlockSize | undefined> => {
  found ??= probe(compile);
  return found;
};

/** `blockSize` of any engine, without memory. */
export async function probe(open: (bytes: Uint8Array) => Promise<Runner>): Promise<BlockSize | undefined> {
  try {
    const block = await channelsTogether(open);
    return block !== undefined && (await isRight(open, block)) ? block : undefined;
  } catch {
    return undefined; // an engine without these operators refuses the graph
  }
}

/** Of two places and 32 channels, channel 1 of place 0 lies after channel 0; channel 0 of place 1 lies a block further. */
async function channelsTogether(open: (bytes: Uint8Array) => Promise<Runner>): Promise<BlockSize | undefined> {
  const shape = [1, 32, 2, 1];
  const x = input('x', shape);
  const values = Float32Array.from({ length: 64 }, (_, i) => i);
  const { y } = await run(open, { y: apply(ReorderInput, [x], {}) }, { x: ndarray('float32', shape, values) });
  const block = toNumbers(y!).indexOf(1);
  return block === 8 || block === 16 ? block : undefined;
}

/** A small net with one of each blocked form, gradients included: the same numbers as the plain form gives. */
async function isRight(open: (bytes: Uint8Array) => Promise<Runner>, block: BlockSize): Promise<boolean> {
  const shapes = {
    x: [2 * block, 3, 7, 6],
    first: [block, 3, 3, 3],
    second: [2 * block, block, 3, 3],
    shortcut: [2 * block, block, 1, 1],
    scale: [2 * block, 1, 1],
  };
  const t = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, input(name, shape)])) as Record<
    keyof typeof shapes,
    Tensor
  >;
  const inner = relu(convolve(t.x, t.first, undefined, { padding: 1 }));
  const down = mul(convolve(inner, t.second, undefined, { stride: 2, padding: 1 }), t.scale);
  const y = relu(add(down, convolve(inner, t.shortcut, undefined, { stride: 2 })));
  const outputs = [y, ...gradients(sumAll(mul(y, y)), [t.first, t.second, t.shortcut, t.scale])];
  const named = (list: readonly Tensor[]) => Object.fromEntries(list.map((o, i) => [`y${i}`, o]));
  const feeds = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, wave(shape)]));
  const plain = await run(open, named(outputs), feeds);
  const fast = await run(open, named(simplify(blocked(outputs, { block }))), feeds);
  return Object.keys(plain).every((name) => differ(toNumbers(plain[name]!), toNumbers(fast[name]!)) <= TOLERANCE);
}

const wave = (shape: readonly number[]): NDArray =>
  ndarray(
    'float32',
    shape,
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(12.9898 * (i + 1))),
  );

function differ(a: readonly number[], b: readonly number[]): number {
  const largest = a.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-30);
  // A missing or undefined number is further than any tolerance.
  return a.reduce((worst, v, i) => {
    const d = Math.abs(v - b[i]!) / largest;
    return d <= worst ? worst : Number.isNaN(d) ? Number.POSITIVE_INFINITY : d;
  }, 0);
}

async function run(
  open: (bytes: Uint8Array) => Promise<Runner>,
  outputs: Record<string, Tensor>,
  feeds: Record<string, NDArray>,
): Promise<Record<string, NDArray>> {
  const runner = await open(encodeModel(toOnnx(outputs)));
  try {
    return await runner.run(feeds);
  } finally {
    await runner.close();
  }
}
