import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

// What npm makes of the checkout's settings, tried on a small package that has the same ones.

const root = fileURLToPath(new URL('..', import.meta.url));
// npm hands its settings on to what it runs, this test too.
const env = Object.fromEntries(Object.entries(process.env).filter(([k]) => !/^(npm_|onnxruntime_)/i.test(k)));
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dyna-npm-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const npm = (args: string[]) =>
  spawnSync('npm', [...args, '--no-update-notifier'], { cwd: folder, env, encoding: 'utf8' });
const script = (path: string) => `node -e "fs.writeFileSync('${path}', '')"`;

test('npm has nothing to warn of, needs no network for scripts of packages, and builds what it publishes', () => {
  copyFileSync(join(root, '.npmrc'), join(folder, '.npmrc'));
  const { publishConfig } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { publishConfig: object };
  const scripts = { prepack: script('built.js') };
  const own = { name: 'dynaneural-probe', version: '1.0.0', files: ['built.js'], publishConfig, scripts };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(own));

  const said = npm(['run']);
  expect([said.status, said.stderr]).toEqual([0, '']);

  expect(npm(['config', 'get', 'ignore-scripts']).stdout).toBe('true\n');

  const nobody = ['--registry', 'http://127.0.0.1:9', '--fetch-retries', '0'];
  const published = npm(['publish', '--dry-run', ...nobody]);
  expect(published.stderr).toMatch(/built\.js/);
});
