import { DynaError } from '../errors.ts';
import { alone } from '../lock.ts';
import { type DownloadOptions, download, type Pin } from './download.ts';
import { cacheFolder } from './places.ts';

export interface SetOptions extends DownloadOptions {
  /** Where files are looked for first and downloads are kept. Default: `cacheFolder()`. */
  cache?: string;
  /** Another address that serves the official files under their names. */
  base?: string;
  /** Never goes to the network. */
  offline?: boolean;
  /** Hears of files that were passed over because they are damaged, and of waiting for another process. Default: a process warning. */
  onNote?: (note: string) => void;
}

export type Defaults = SetOptions & Required<Pick<SetOptions, 'cache' | 'onNote'>>;

export const withDefaults = (options: SetOptions = {}): Defaults => ({
  ...options,
  cache: options.cache ?? cacheFolder(),
  onNote: options.onNote ?? ((note) => process.emitWarning(note, 'DynaNeural')),
});

const waitingFor =
  ({ title }: { title: string }, { onNote }: Defaults) =>
  (pid: number): void =>
    onNote(`process ${pid} is fetching ${title}; waiting until it is done`);

/**
 * Makes a set's folder while no other process does, or reads what one has made meanwhile.
 *
 * @param read the set, where the folder has it now; hears whether another process was waited for
 * @param make fills the folder
 */
export async function makeSet<T>(
  spec: { title: string },
  folder: string,
  options: Defaults,
  read: (waited: boolean) => Promise<T | undefined>,
  make: () => Promise<T>,
): Promise<T> {
  const { signal } = options;
  const onWait = waitingFor(spec, options);
  try {
    return await alone(folder, async (waited) => (await read(waited)) ?? make(), { onWait, signal });
  } catch (error) {
    if (error instanceof DynaError || !signal?.aborted) throw error;
    throw new DynaError('download', `the wait for ${spec.title} was stopped`);
  }
}

/** Downloads a file of a set into the cache; the error tells what a user without network can do. */
export async function fetchInto(
  spec: { title: string; base: string; hint?: string },
  pin: Pin,
  target: string,
  file: string,
  passed: readonly string[],
  options: Defaults,
): Promise<void> {
  const url = `${options.base ?? spec.base}/${file}`;
  try {
    if (options.offline) throw new DynaError('download', `${url} was not asked: offline`);
    await download(url, target, pin, { ...options, onWait: waitingFor(spec, options) });
  } catch (cause) {
    if (!(cause instanceof DynaError) || cause.code !== 'download' || options.signal?.aborted) throw cause;
    const damaged = passed.length ? ` (${passed.join(', ')} is not the official file)` : '';
    throw new DynaError('download', `${spec.title} is not on this machine${damaged} and ${cause.message}`, {
      fix: `put the official ${file} at ${target}${spec.hint ? `, ${spec.hint}` : ''}`,
      cause,
    });
  }
}
