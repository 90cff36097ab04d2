import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { DynaError } from './errors.ts';

const reasons: Record<string, readonly [why: string, fix: string]> = {
  ENOENT: ['there is no such file or folder', 'check the path'],
  EEXIST: ['a file of that name is there', 'choose another place'],
  ENOTDIR: ['a part of the path is no folder', 'check the path'],
  EISDIR: ['it is a folder', 'name a file'],
  EACCES: ['permission is missing', 'change its permissions or choose another place'],
  EPERM: ['permission is missing', 'change its permissions or choose another place'],
  EROFS: ['the file system is read-only', 'choose another place'],
  ENOSPC: ['the disk is full', 'free some space or choose another place'],
  EDQUOT: ['the disk quota is used up', 'free some space or choose another place'],
  EFBIG: ['the file is larger than is allowed here', 'raise the limit or choose another place'],
  ERR_FS_FILE_TOO_LARGE: ['it is larger than 2 GB', 'an ONNX file ends at 2 GB'],
};

/** What the system said about a file, as one sentence. */
export function fileError(what: string, cause: unknown): DynaError {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const [why, fix] = reasons[code] ?? [message, undefined];
  return new DynaError('file', `${what}: ${why}`, { ...(fix === undefined ? {} : { fix }), cause });
}

/**
 * Reads a whole file.
 *
 * @throws DynaError 'file' that names the path and the reason
 */
export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw fileError(`"${path}" could not be read`, cause);
  }
}

/**
 * Writes a file whole or not at all: the content goes to a new file beside it, reaches the disk, and then takes its
 * name. Whoever reads `path` sees the old file or the new one, also after a crash; when writing fails (full disk,
 * read-only folder) the old file stays as it was.
 *
 * @param keep where the file that was there before goes; without it, it is replaced
 * @throws DynaError 'file' that names the path and the reason
 * @example await writeAtomic('fashion.onnx', bytes)
 */
export async function writeAtomic(path: string, content: Uint8Array | string, keep?: string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`);
  let file: FileHandle | undefined;
  try {
    if (await isFolder(path)) throw Object.assign(new Error('is a folder'), { code: 'EISDIR' });
    file = await open(temporary, 'wx');
    await file.writeFile(content);
    await file.sync();
    await file.close();
    if (keep !== undefined) await rename(path, keep).catch(unlessMissing);
    await rename(temporary, path);
  } catch (cause) {
    await file?.close().catch(() => undefined);
    await unlink(temporary).catch(() => undefined);
    throw writeError(path, cause);
  }
  await syncFolder(dirname(path));
}

/** A failed write as one sentence. */
export const writeError = (path: string, cause: unknown): DynaError =>
  fileError(`"${path}" could not be written (what was there before is unchanged)`, cause);

const unlessMissing = (cause: NodeJS.ErrnoException): void => {
  if (cause.code !== 'ENOENT') throw cause;
};

/**
 * Makes a folder and those above it.
 *
 * @returns the uppermost folder that was made; undefined where all were there
 * @throws DynaError 'file'
 */
export async function makeFolder(path: string): Promise<string | undefined> {
  try {
    return await makeEach(resolve(path));
  } catch (cause) {
    throw fileError(`the folder "${path}" could not be made`, cause);
  }
}

/** Step by step: Node's own recursive form never ends below /proc. */
async function makeEach(path: string): Promise<string | undefined> {
  if (await isFolder(path)) return undefined;
  const above = dirname(path) === path ? undefined : await makeEach(dirname(path));
  await mkdir(path).catch(async (cause: unknown) => {
    if (!(await isFolder(path))) throw cause; // somebody else may have been faster
  });
  return above ?? path;
}

/** Whether there is a folder of this path. */
export const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (s) => s.isDirectory(),
    () => false,
  );

/** Makes a rename last; some systems cannot sync folders, and there the rename is as safe as they make it. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r');
    await folder.sync().finally(() => folder.close());
  } catch {
    // The file itself is written and in place.
  }
}
