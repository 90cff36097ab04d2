import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Net, parametersOf } from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import { makeFolder, writeAtomic } from '../files.ts';
import { type NDArray, ndarray, sameShape } from '../graph/index.ts';
import { halfBits, halfValue } from '../graph/ops/half.ts';
import { decodeState, encodeState } from './container.ts';
import type { Trained } from './types.ts';

const KIND = 'trained net';
const NAME = 'trained.dyna';

type Meta = Omit<Trained, 'net' | 'weights'> & { readonly name: string };

export interface SaveTrainedOptions {
  /** Rounds matrices and kernels to 16-bit floats: half the size. Vectors (norms, biases) stay as they are. */
  readonly halves?: boolean;
}

/** Largest half; what lies beyond would become infinity. */
const MOST = 65504;

const narrow = (t: NDArray): NDArray =>
  t.dtype !== 'float32' || t.dims.length < 2 || (t.data as Float32Array).some((v) => !(Math.abs(v) <= MOST))
    ? t
    : ndarray('float16', t.dims, Uint16Array.from(t.data as Float32Array, halfBits));

const wide = (t: NDArray): NDArray =>
  t.dtype === 'float16' ? ndarray('float32', t.dims, Float32Array.from(t.data as Uint16Array, halfValue)) : t;

/**
 * Saves a trained net's numbers, class names, preprocessing and history as one file in `folder`, whole or not at all. The
 * net itself is code and stays with you; `save` of the deploy floor writes a file that needs no code.
 *
 * @throws DynaError 'file' when it cannot be written; an older file stays whole
 * @example await saveTrained(trained, 'out/fashion');
 */
export async function saveTrained(
  { net, weights, ...rest }: Trained,
  folder: string,
  { halves = false }: SaveTrainedOptions = {},
): Promise<void> {
  await makeFolder(folder);
  const meta: Meta = { ...rest, name: net.name };
  const stored = halves ? [...weights].map(([name, t]) => [name, narrow(t)] as const) : weights;
  await writeAtomic(join(folder, NAME), encodeState(KIND, meta, stored));
}

/**
 * Opens what `saveTrained` wrote, for the same net; halves become 32-bit floats again.
 *
 * @throws DynaError 'file' when it is missing, truncated or altered; 'model' when its parameters are not those of `net`
 * @example const trained = await openTrained('out/fashion', fashion);
 */
export async function openTrained(folder: string, net: Net): Promise<Trained> {
  const path = join(folder, NAME);
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'ENOENT' ? 'there is no such file' : cause.message;
    throw new DynaError('file', `${path} could not be read: ${why}`, { fix: 'train the net and save it first', cause });
  });
  const { meta, tensors } = decodeState(KIND, bytes, path);
  const weights = new Map([...tensors].map(([n, t]) => [n, wide(t)]));
  const { name, ...rest } = meta as Meta;
  const params = parametersOf(net);
  for (const p of params) {
    const value = weights.get(p.name);
    if (!value || !sameShape(value.dims, p.shape) || value.dtype !== p.dtype)
      throw new DynaError(
        'model',
        `the net "${net.name}" has a parameter "${p.name}" [${p.shape.join(', ')}], ${path} (net "${name}") has ${value ? `[${value.dims.join(', ')}]` : 'none of that name'}`,
        { fix: 'open it with the net that it was trained as' },
      );
  }
  const known = new Set(params.map((p) => p.name));
  const extra = [...weights.keys()].find((n) => !known.has(n));
  if (extra !== undefined)
    throw new DynaError('model', `${path} (net "${name}") has a parameter "${extra}", the net "${net.name}" has not`, {
      fix: 'open it with the net that it was trained as',
    });
  return { ...rest, net, weights };
}
