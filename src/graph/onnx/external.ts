import { closeSync, fstatSync, openSync, readFileSync, readSync, realpathSync, statSync } from 'node:fs';
import { dirname, resolve, sep } from 'node:path';
import { DynaError } from '../../errors.ts';
import { fileError } from '../../files.ts';
import { decodeModel } from './decode.ts';
import { encodeModel } from './encode.ts';
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

/**
 * An ONNX file as bytes that stand alone: external data, looked for beside the file, is taken in.
 *
 * @throws DynaError('file') where it cannot be read, ('model') as `decodeModel` and `externalFolder`
 * @example const { logits } = readForeign(readOnnxFile('models/resnet50.onnx'))
 */
export function readOnnxFile(path: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw fileError(`the model ${quote(path)} cannot be read`, cause);
  }
  const inFolder = externalFolder(dirname(resolve(path)));
  let external = false;
  const model = decodeModel(bytes, {
    externalData: (...range) => {
      external = true;
      return inFolder(...range);
    },
  });
  if (!external) return bytes;
  if (model.notes?.length)
    throw new DynaError('model', 'bfloat16 tensors in external data files are not supported', {
      fix: 'convert the model to float32 first',
    });
  return encodeModel(model);
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
