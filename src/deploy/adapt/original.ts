import type { NDArray } from '../../graph/index.ts';
import { halfBits, halfValue } from '../../graph/ops/half.ts';
import { type Arrays, compile, type Runner, type SessionOptions } from '../../runtime/index.ts';

const narrow = (a: NDArray): NDArray => ({
  dtype: 'float16',
  dims: a.dims,
  data: Uint16Array.from(a.data as Float32Array, halfBits),
});
const wide = (a: NDArray): NDArray => ({
  dtype: 'float32',
  dims: a.dims,
  data: Float32Array.from(a.data as Uint16Array, halfValue),
});

/** Feeds in the types that a file's inputs have. */
export function narrowed({ inputs }: Pick<Runner, 'inputs'>, feeds: Arrays): Arrays {
  const halves = new Set(inputs.flatMap((s) => (s.dtype === 'float16' ? [s.name] : [])));
  return each(feeds, (name, a) => (halves.has(name) && a.dtype === 'float32' ? narrow(a) : a));
}

const each = (arrays: Arrays, f: (name: string, a: NDArray) => NDArray): Arrays =>
  Object.fromEntries(Object.entries(arrays).map(([name, a]) => [name, f(name, a)]));

/**
 * Somebody else's file, ready to run: also one whose inputs or outputs are float16 is fed with float32 and gives it.
 *
 * @throws as `compile`
 * @example const { y } = await (await compileOriginal(bytes)).run({ x })
 */
export async function compileOriginal(bytes: Uint8Array, session?: SessionOptions): Promise<Runner> {
  const runner = await compile(bytes, session);
  return {
    inputs: runner.inputs,
    outputs: runner.outputs,
    close: () => runner.close(),
    run: async (feeds, options) =>
      each(await runner.run(narrowed(runner, feeds), options), (_, a) => (a.dtype === 'float16' ? wide(a) : a)),
  };
}
