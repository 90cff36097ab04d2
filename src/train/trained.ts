import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Net, parametersOf } from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import { makeFolder, writeAtomic } from '../files.ts';
import { sameShape } from '../graph/index.ts';
import { decodeState, encodeState } from './container.ts';
import type { Trained } from './types.ts';

const KIND = 'trained net';
const NAME = 'trained.dyna';

type Meta = Omit<Trained, 'net' | 'weights'> & { readonly name: string };

/**
 * Saves a trained net's numbers, class names, preprocessing and history as one file in `folder`, whole or not at all. The
 * net itself is code and stays with you; `save` of the deploy floor writes a file that needs no code.
 *
 * @throws DynaError 'file' when it cannot be written; an older file stays whole
 * @example await saveTrained(trained, 'out/fashion');
 */
export async function saveTrained({ net, weights, ...rest }: Trained, folder: string): Promise<void> {
  await makeFolder(folder);
  const meta: Meta = { ...rest, name: net.name };
  await writeAtomic(join(folder, NAME), encodeState(KIND, meta, weights));
}

/**
 * Opens what `saveTrained` wrote, for the same net.
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
  const { meta, tensors: weights } = decodeState(KIND, bytes, path);
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
