import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dyna, install, start } from '../src/cli/fixtures/dyna.ts';
import { writeCifar } from './fixtures/cifar.ts';
import type { SystemResult } from './index.ts';

// What users do: the installed package, its command line as a process, images in the official format.

const root = fileURLToPath(new URL('..', import.meta.url));
let home: string;
const env = () => ({ DYNANEURAL_DATA: join(home, 'data') });

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dyna-systems-'));
  await Promise.all([install(home), writeCifar(join(home, 'data'))]);
  const compiled = join(home, 'node_modules', 'dynaneural', 'dist', 'systems');
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const options = ['-p', join(root, 'tsconfig.systems.json'), '--outDir', compiled, '--noCheck'];
  await promisify(execFile)(process.execPath, [tsc, ...options]);
}, 120_000);
afterAll(() => rm(home, { recursive: true, force: true }));

describe('dyna system', () => {
  it('stops at Ctrl-C, goes on where it was, and tells everything that an honest result needs', async () => {
    const args = ['system', 'early-exit', '--quick'];
    const first = start(args, { cwd: home, env: env() });
    await first.says('early-exit-1:');
    first.child.kill('SIGINT');
    const stopped = await first.ended;
    expect(stopped.stderr).toMatch(/^backbone: /m);
    expect(stopped).toMatchObject({ code: 130, stdout: '' });
    expect(stopped.stderr).toContain('the same command goes on from there');

    const { code, stdout, stderr } = await dyna(args, { cwd: home, env: env() });
    expect(stderr).not.toMatch(/^backbone: /m);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('QUICK form');
    expect(existsSync(join(home, 'results'))).toBe(false);

    const folder = join(home, 'out', 'systems', 'early-exit');
    const result = JSON.parse(await readFile(join(folder, 'quick.json'), 'utf8')) as SystemResult;
    expect(result).toMatchObject({ id: 'early-exit', quick: true, seeds: [1] });
    const roles = new Set(result.contenders.map((c) => c.role));
    for (const role of ['full', 'static', 'same-macs', 'random', 'constant', 'oracle']) expect(roles).toContain(role);
    const of = (role: string) => result.contenders.find((c) => c.role === role)!;
    expect(of('oracle').accuracy!.mean).toBeGreaterThanOrEqual(of('full').accuracy!.mean);
    expect(of('static').accuracy!.mean).toBeGreaterThan(0.15);
    for (const c of result.contenders.filter((c) => c.p95)) {
      expect(c.p95!.mean).toBeGreaterThan(0);
      expect(c.worst!.mean).toBeGreaterThan(0);
      expect(c.macs!.mean).toBeLessThanOrEqual(of('full').macs!.mean);
    }
    for (const { rates } of result.spread) expect(rates['exit1/continue']! + rates['exit1/exit']!).toBeCloseTo(1, 9);
    expect(await readFile(join(folder, 'quick.svg'), 'utf8')).toMatch(/^<svg[^>]+xmlns/);
  }, 240_000);

  it('refuses what is planned or unknown, and names what runs', async () => {
    const planned = await dyna(['system', 'quantum'], { cwd: home });
    expect(planned).toMatchObject({ code: 2, stdout: '' });
    expect(planned.stderr).toContain(
      'the system "quantum" is planned and cannot be run yet; those that run are early-exit,',
    );
    const unknown = await dyna(['system', 'early-exits'], { cwd: home });
    expect(unknown).toMatchObject({ code: 2, stdout: '' });
    expect(unknown.stderr).toContain('there is no system "early-exits"');
  });
});

describe('dyna systems', () => {
  it('lists every system of the mission, with its state and what was measured', async () => {
    const { code, stdout } = await dyna(['systems', '--json'], { cwd: home });
    expect(code).toBe(0);
    const rows = JSON.parse(stdout) as { id: string; state: string; measured: string | null }[];
    expect(rows).toHaveLength(30);
    expect(new Set(rows.map((r) => r.id)).size).toBe(30);
    expect(rows.filter((r) => r.state === 'works').map((r) => r.id)).toContain('adaptive-depth');
    for (const r of rows) if (r.state === 'planned') expect(r.measured).toBeNull();
  });
});
