import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Summary } from '../src/report/index.ts';

// What users get: the packed tarball, installed in an empty folder, running the demo in its small form.

const root = fileURLToPath(new URL('..', import.meta.url));
const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip', npm_config_fund: 'false', npm_config_audit: 'false' };

describe('the packed package', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dyna-package-'));
  let online = true;

  beforeAll(() => {
    execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], {
      cwd: root,
      env,
      stdio: 'pipe',
    });
    const tarball = readdirSync(folder).find((f) => f.endsWith('.tgz'))!;
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }));
    const { status, stderr } = spawnSync('npm', ['install', '--prefer-offline', `./${tarball}`], {
      cwd: folder,
      env,
      encoding: 'utf8',
    });
    online = !/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENOTCACHED|ETIMEDOUT/.test(stderr);
    if (online) expect(stderr + status).toMatch(/0$/);
    else console.warn(`NOT RUN: the packed package could not be installed (no registry?)\n${stderr.slice(-500)}`);
  }, 240_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('holds the built library and nothing of the workshop', (context) => {
    if (!online) return context.skip();
    const inside = readdirSync(join(folder, 'node_modules/dynaneural'));
    expect(inside).toEqual(expect.arrayContaining(['dist', 'package.json', 'README.md', 'LICENSE']));
    expect(inside).not.toEqual(expect.arrayContaining(['src']));
    const page = readdirSync(join(folder, 'node_modules/dynaneural/dist/studio/page'), { recursive: true });
    expect(page).toContain('index.html');
    expect(page.filter((f) => String(f).endsWith('.wasm'))).toHaveLength(1);
    expect(
      readdirSync(join(folder, 'node_modules/dynaneural/dist'), { recursive: true }).filter((f) =>
        /test|fixture/.test(String(f)),
      ),
    ).toEqual([]);
  });

  test('runs the demo in its small form', (context) => {
    if (!online) return context.skip();
    const { status, stderr } = spawnSync('npx', ['dyna', 'demo', '--quick', '--out', 'demo'], {
      cwd: folder,
      env,
      encoding: 'utf8',
    });
    expect(stderr + status).toMatch(/0$/);
    const s = JSON.parse(readFileSync(join(folder, 'demo/summary.json'), 'utf8')) as Summary;
    expect(Object.keys(s)).toEqual(
      expect.arrayContaining([
        'dataset',
        'seed',
        'machine',
        'commit',
        'command',
        'full',
        'static',
        'dynamic',
        'speedup1',
        'speedup64',
        'macSpeedup',
        'realisation1',
        'realisation64',
        'realisation1Warm',
        'exits',
        'certificate',
        'training',
        'baseline',
      ]),
    );
    expect(s.exits.reduce((sum, e) => sum + e.share, 0)).toBeCloseTo(1, 9);
    expect(s.full.macs / s.dynamic.macs).toBeCloseTo(s.macSpeedup, 9);
    expect(s.dynamic.macs).toBeLessThanOrEqual(s.full.macs);
    expect(s.certificate).toMatchObject({ risk: 'harm', method: 'binomial', delta: 0.1 });
    for (const time of [s.full.ms1, s.static.ms64, s.dynamic.ms1, s.dynamic.ms1p95, s.dynamic.ms1NobodyExits])
      expect(time).toBeGreaterThan(0);
    expect(statSync(join(folder, 'demo/report.html')).size).toBeGreaterThan(20_000);
    expect(existsSync(join(folder, 'demo/model.onnx'))).toBe(true);
  }, 300_000);

  test('is a library too: types and values of the front page', (context) => {
    if (!online) return context.skip();
    writeFileSync(
      join(folder, 'page.mjs'),
      `import { classify, conv, exit, load, net, residual, save } from 'dynaneural';
       import { parametersOf } from 'dynaneural/dynamic';
       import { materialize } from 'dynaneural/nn';
       import { ndarray } from 'dynaneural/graph';
       const tiny = net({ input: [1, 8, 8], classes: 3 }, (x) => {
         x = conv(x, 4, { stride: 2, norm: 'batch', activation: 'relu' });
         x = exit(x, { head: classify });
         return classify(residual(x, 8, { stride: 2 }));
       });
       const preprocessing = { shape: [1, 8, 8], scale: 1, mean: [0], std: [1] };
       await save({ net: tiny, weights: materialize(parametersOf(tiny), 1), classes: ['a', 'b', 'c'], preprocessing }, 'tiny.onnx');
       const model = await load('tiny.onnx', { worker: true });
       const { answers, trace } = await model.run(ndarray('float32', [2, 1, 8, 8], new Float32Array(128)));
       await model.close();
       console.log(answers.length, trace[0].rows[0].decision, answers[0].exit);`,
    );
    const { stdout, stderr } = spawnSync(process.execPath, ['page.mjs'], { cwd: folder, env, encoding: 'utf8' });
    expect(stdout, stderr).toBe('2 exit1 final\n');
  });
});
