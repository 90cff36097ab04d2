import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { alone } from './lock.ts';

let folder: string;
let path: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dyna-lock-'));
  path = join(folder, 'thing');
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const source = new URL('./lock.ts', import.meta.url).href;

/** A process of its own in which `alone` and `path` are known. */
function elsewhere(body: string): ChildProcess {
  const script = `
    import { setTimeout as sleep } from 'node:timers/promises';
    import { readFileSync, writeFileSync } from 'node:fs';
    const { alone } = await import(${JSON.stringify(source)});
    const path = ${JSON.stringify(path)};
    ${body}`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return child;
}

const held = async (): Promise<ChildProcess> => {
  const child = elsewhere(`await alone(path, async () => { console.log('held'); await sleep(600_000); });`);
  await once(child.stdout!, 'data');
  return child;
};
const quick = { pause: 5 };

describe('alone', () => {
  test('processes at the same work do it one after the other', async () => {
    writeFileSync(path, '0');
    const body = `
      for (let i = 0; i < 10; i++)
        await alone(path, async () => {
          const n = Number(readFileSync(path, 'utf8'));
          await sleep(5);
          writeFileSync(path, String(n + 1));
        }, { pause: 5 });`;
    const codes = await Promise.all([1, 2, 3].map(async () => (await once(elsewhere(body), 'exit'))[0]));
    expect(codes).toEqual([0, 0, 0]);
    expect(readFileSync(path, 'utf8')).toBe('30');
    expect(readdirSync(folder)).toEqual(['thing']);
  });

  test('calls in one process too, also after one that failed', async () => {
    const seen: string[] = [];
    const work = (name: string) => async (waited: boolean) => {
      seen.push(`${name} begins${waited ? ', having waited' : ''}`);
      await new Promise((done) => setTimeout(done, 20));
      seen.push(`${name} ends`);
      if (name === 'a') throw new Error('a failed');
      return name;
    };
    const [a, b] = await Promise.allSettled([alone(path, work('a'), quick), alone(path, work('b'), quick)]);
    expect(a).toMatchObject({ status: 'rejected', reason: { message: 'a failed' } });
    expect(b).toEqual({ status: 'fulfilled', value: 'b' });
    expect(seen).toEqual(['a begins', 'a ends', 'b begins, having waited', 'b ends']);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('tells whom it waits for, and stops waiting on a signal', async () => {
    const child = await held();
    const stop = new AbortController();
    const waiting = alone(path, async () => 'mine', {
      ...quick,
      signal: stop.signal,
      onWait: (pid) => {
        expect(pid).toBe(child.pid);
        stop.abort(new Error('enough'));
      },
    });
    await expect(waiting).rejects.toThrow('enough');
    expect(existsSync(`${path}.lock`)).toBe(true);
  });

  test("takes over a killed process's lock, once for many who want it", async () => {
    const child = await held();
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(existsSync(`${path}.lock`)).toBe(true);
    let inside = 0;
    const work = async () => {
      expect(++inside).toBe(1);
      await new Promise((done) => setTimeout(done, 5));
      inside--;
    };
    await Promise.all(Array.from({ length: 8 }, () => alone(path, work, quick)));
    expect(readdirSync(folder)).toEqual([]);
  });

  /** Whether a lock file of this content and age is waited for. */
  async function waitsFor(content: string, secondsOld: number): Promise<boolean> {
    const then = Date.now() / 1000 - secondsOld;
    writeFileSync(`${path}.lock`, content);
    utimesSync(`${path}.lock`, then, then);
    const signal = AbortSignal.timeout(200);
    return alone(path, async () => false, { ...quick, signal }).catch(() => true);
  }

  test.skipIf(process.platform !== 'linux')(
    'is not held up by a process that only has the number of a dead one',
    async () => {
      let mine = '';
      await alone(path, async () => {
        mine = readFileSync(`${path}.lock`, 'utf8');
      });
      expect(await waitsFor(mine, 0)).toBe(true);
      expect(await waitsFor(JSON.stringify({ ...JSON.parse(mine), born: 'in another boot' }), 0)).toBe(false);
    },
  );

  test('a lock of another machine is good as long as it is renewed; one that was never written soon goes', async () => {
    const foreign = JSON.stringify({ pid: 1, host: `not ${hostname()}`, born: '', key: '' });
    expect(await waitsFor(foreign, 120)).toBe(true);
    expect(await waitsFor(foreign, 400)).toBe(false);
    expect(await waitsFor('', 1)).toBe(true);
    expect(await waitsFor('', 20)).toBe(false);
  });

  test('a place where no lock can be written is told', async () => {
    writeFileSync(path, '');
    await expect(alone(join(path, 'x'), async () => 1)).rejects.toMatchObject({ name: 'DynaError', code: 'file' });
  });
});
