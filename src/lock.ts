import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileError, makeFolder } from './files.ts';

export interface AloneOptions {
  /** Hears once, where somebody else is at it, which process that is. */
  readonly onWait?: (pid: number) => void;
  /** Ends the waiting, with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Between two looks at the lock, in milliseconds. Default 200. */
  readonly pause?: number;
}

/** Who holds a lock, as its file says. */
interface Holder {
  readonly pid: number;
  /** The machine and, in it, the space in which the process number means something. */
  readonly host: string;
  /** Tells a process from a later one with its number; empty where the system does not say. */
  readonly born: string;
  readonly key: string;
}

/** Holders renew their lock; one of another machine that did not for `FORGOTTEN` is taken for dead. */
const RENEW = 60_000;
const FORGOTTEN = 5 * RENEW;
/** After so long an empty lock is not just being written. */
const UNWRITTEN = 10_000;

/**
 * Does a piece of work while no other process, and no other call in this one, does work on the same path: waits until the others are
 * done. The lock is the file `path.lock`; one that a killed process left behind is taken over.
 *
 * @param work hears whether it had to wait: what it wants to make may be there by now
 * @throws the signal's reason, where it ends the waiting; DynaError 'file' where the lock cannot be written
 * @example await alone(folder, async () => (await there(folder)) || fill(folder))
 */
export async function alone<T>(
  path: string,
  work: (waited: boolean) => Promise<T>,
  { onWait, signal, pause = 200 }: AloneOptions = {},
): Promise<T> {
  const lock = `${path}.lock`;
  const me: Holder = { pid: process.pid, host, born: bornOf(process.pid), key: randomUUID() };
  const own = JSON.stringify(me);
  await makeFolder(dirname(path));
  let waited = false;
  for (let told = false; !(await taken(lock, own)); ) {
    signal?.throwIfAborted();
    const found = await contentOf(lock);
    if (found === undefined) continue;
    const holder = holderOf(found);
    if (!(await isAlive(lock, holder))) {
      await clear(lock, found);
      continue;
    }
    waited = true;
    if (holder && !told) onWait?.(holder.pid);
    told ||= holder !== undefined;
    await sleep(pause);
  }
  const renewal = setInterval(() => void utimes(lock, new Date(), new Date()).catch(() => {}), RENEW).unref();
  try {
    return await work(waited);
  } finally {
    clearInterval(renewal);
    if ((await contentOf(lock)) === own) await rm(lock, { force: true });
  }
}

async function taken(lock: string, own: string): Promise<boolean> {
  try {
    await writeFile(lock, own, { flag: 'wx' });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw fileError(`"${lock}" could not be written`, cause);
  }
  return (await contentOf(lock)) === own; // else writing took so long that it was cleared away
}

const contentOf = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined);

const ageOf = (path: string): Promise<number> =>
  stat(path).then(
    (s) => Date.now() - s.mtimeMs,
    () => 0,
  );

function holderOf(content: string): Holder | undefined {
  try {
    return JSON.parse(content) as Holder;
  } catch {
    return undefined; // not written to its end
  }
}

async function isAlive(lock: string, holder: Holder | undefined): Promise<boolean> {
  if (!holder) return (await ageOf(lock)) < UNWRITTEN;
  if (holder.host !== host) return (await ageOf(lock)) < FORGOTTEN;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const born = bornOf(holder.pid);
  return born === '' || holder.born === '' || born === holder.born;
}

/** Removes a dead lock; one at a time, so that nobody removes the lock of who was faster. */
async function clear(lock: string, found: string): Promise<void> {
  const guard = `${lock}.clearing`;
  try {
    await writeFile(guard, '', { flag: 'wx' });
  } catch {
    if ((await ageOf(guard)) > UNWRITTEN) await rm(guard, { force: true });
    else await sleep(20);
    return;
  }
  try {
    if ((await contentOf(lock)) === found) await rm(lock, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

/** When a process began: Linux's start time, since a boot. Of one that is dead but not yet buried, "gone". */
function bornOf(pid: number): string {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    if (fields[0] === 'Z') return 'gone';
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${fields[19]}`;
  } catch {
    return '';
  }
}

const host = `${hostname()} ${existsSync('/proc/self/ns/pid') ? readlinkSync('/proc/self/ns/pid') : ''}`.trim();
