import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DynaError } from '../errors.ts';

const sentences: Record<string, string> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'writing there is not allowed',
  EPERM: 'writing there is not allowed',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'it is a folder',
};

/** A failed write as one sentence; what was there before is untouched. */
export function writeError(path: string, cause: unknown): DynaError {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  return new DynaError('file', `${path} could not be written: ${sentences[code] ?? message}`, {
    fix: 'make room or choose another place; a file that was there before is unchanged',
    cause,
  });
}

/** Makes a folder and those above it. @throws DynaError 'file' */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((cause: unknown) => {
    throw writeError(path, cause);
  });
}

/** Names are durable only once their folder is; not every system lets a folder be opened. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}

/**
 * Writes a whole file or nothing: into a temporary file beside it, to the disk, and only then under its name.
 *
 * @param keep where the file that was there before goes; without it, it is replaced
 * @throws DynaError 'file' with the reason (disk full, read-only); the old file stays whole
 * @example await writeAtomic('out/model.onnx', bytes)
 */
export async function writeAtomic(path: string, bytes: Uint8Array, keep?: string): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const file = await open(temporary, 'w');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    if (keep !== undefined)
      await rename(path, keep).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code !== 'ENOENT') throw cause;
      });
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw writeError(path, cause);
  }
  await syncFolder(dirname(path));
}
