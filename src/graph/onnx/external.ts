import { closeSync, fstatSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { resolve, sep } from 'node:path';
import { DynaError } from '../../errors.ts';
import { quote } from './scalars.ts';
import type { ExternalReader } from './tensors.ts';

/**
 * Reads external data files of a model from the folder that the model lies in. Whatever a model says, nothing outside
 * that folder is opened: no absolute paths, no `..`, no links that lead out, nothing but regular files.
 *
 * @param folder the model's own folder
 * @returns a reader for `decodeModel`; it throws DynaError('model') for forbidden or missing files and short ranges
 * @example decodeModel(readFileSync('big/model.onnx'), { externalData: externalFolder('big') })
 */
export function externalFolder(folder: string): ExternalReader {
  return (location, offset, length) => {
    const path = insideFolder(folder, location);
    const file = open(path, location);
    try {
      const { size } = fstatSync(file);
      if (offset + length > size)
        throw new DynaError(
          'model',
          `external data file ${quote(location)} ends at byte ${size}, the model needs bytes ${offset} to ${offset + length}`,
          { fix: 'the file is truncated or belongs to another model: fetch both again' },
        );
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length; ) {
        const count = readSync(file, bytes, at, length - at, offset + at);
        if (count === 0)
          throw new DynaError('model', `external data file ${quote(location)} became shorter while being read`);
        at += count;
      }
      return bytes;
    } finally {
      closeSync(file);
    }
  };
}

function open(path: string, location: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw new DynaError('model', `the external data file ${quote(location)} of the model cannot be opened`, { cause });
  }
}

function insideFolder(folder: string, location: string): string {
  const root = realPath(folder, `the folder ${quote(folder)} of the model's external data`);
  const path = realPath(resolve(root, location), `the external data file ${quote(location)} of the model`);
  if (!path.startsWith(root.endsWith(sep) ? root : root + sep))
    throw new DynaError('model', `the model points to the external file ${quote(location)}, outside its own folder`, {
      fix: 'such a file is not opened: do not use this model, or move its data beside it',
    });
  if (!statSync(path).isFile())
    throw new DynaError('model', `the external data ${quote(location)} is not a regular file`);
  return path;
}

function realPath(path: string, what: string): string {
  try {
    return realpathSync(path);
  } catch (cause) {
    throw new DynaError('model', `${what} cannot be opened`, { fix: 'put it beside the model', cause });
  }
}
