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

/**
 * Somebody else's file, ready to run: also one whose inputs or outputs are float16 is fed with float32 and gives it.
 *
 * @throws as `compile`
 * @example const { y } = await (await compileOriginal(bytes)).run({ x })
 */
export async function compileOriginal(bytes: Uint8Array, session?: SessionOptions): Promise<Runner> {
  const runner = await compile(bytes, session);
  const halves = new Set(runner.inputs.flatMap((s) => (s.dtype === 'float16' ? [s.name] : [])));
  const each = (arrays: Arrays, f: (name: string, a: NDArray) => NDArray): Arrays =>
    Object.fromEntries(Object.entries(arrays).map(([name, a]) => [name, f(name, a)]));
  return {
    inputs: runner.inputs,
    outputs: runner.outputs,
    close: () => runner.close(),
    run: async (feeds, options) => {
      const fed = each(feeds, (name, a) => (halves.has(name) && a.dtype === 'float32' ? narrow(a) : a));
      return each(await runner.run(fed, options), (_, a) => (a.dtype === 'float16' ? wide(a) : a));
    },
  };
}
