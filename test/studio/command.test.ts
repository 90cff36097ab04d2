import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writePhotos } from '../../src/cli/fixtures/dyna.ts';
import { modelOf, shirts } from '../../src/deploy/fixtures/shirts.ts';
import { toBytes } from '../../src/deploy/index.ts';
import { exit, net, parametersOf } from '../../src/dynamic/index.ts';
import { classify, conv, materialize } from '../../src/nn/index.ts';
import type { Manifest } from '../../src/studio/index.ts';
import { buildPage } from './fixtures.ts';

// The command as a process, with real signals.

const root = fileURLToPath(new URL('../../', import.meta.url));
const page = join(root, 'dist', 'studio', 'page');

const running = new Set<ChildProcess>();
function dyna(...args: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', join(root, 'src/cli/main.ts'), ...args], {
    cwd: root,
    env: { ...process.env, BROWSER: 'none', NO_COLOR: '1' },
  });
  running.add(child);
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (t: string) => {
    stdout += t;
  });
  child.stderr.setEncoding('utf8').on('data', (t: string) => {
    stderr += t;
  });
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, stdout, stderr })),
  );
  const url = async (): Promise<URL> => {
    await expect.poll(() => stderr, { timeout: 20_000 }).toMatch(/studio is at http\S+/);
    return new URL(stderr.match(/http\S+/)![0]);
  };
  return { child, ended, url };
}

describe('dyna studio', () => {
  const home = mkdtempSync(join(tmpdir(), 'dyna-command-'));
  const model = join(home, 'photos.onnx');
  const photos = join(home, 'photos');

  beforeAll(async () => {
    if (!existsSync(join(page, 'index.html'))) await buildPage(page);
    await writePhotos(photos, 40);
    const small = net({ input: [1, 12, 12], classes: 3 }, (x) => {
      x = conv(x, 4, { stride: 2, activation: 'relu' });
      x = exit(x, { head: classify });
      return classify(conv(x, 6, { activation: 'relu' }));
    });
    const preprocessing = { shape: [1, 12, 12], scale: 1 / 255, mean: [0.4], std: [0.3] };
    const classes = ['down', 'right', 'up'];
    writeFileSync(model, toBytes({ net: small, weights: materialize(parametersOf(small), 1), classes, preprocessing }));
    writeFileSync(join(home, 'shirts.onnx'), toBytes(modelOf(shirts())));
  });
  afterAll(() => {
    for (const child of running) child.kill('SIGKILL');
    rmSync(home, { recursive: true, force: true });
  });

  test('writes a page for any web server', async () => {
    const out = join(home, 'site');
    const { code, stdout, stderr } = await dyna(
      'studio',
      model,
      '--data',
      photos,
      '--limit',
      '30',
      '--build',
      out,
      '--json',
    ).ended;
    expect(stderr + code).toMatch(/0$/);
    const told = JSON.parse(stdout) as { folder: string; files: number; bytes: number };
    expect(told.folder).toBe(out);
    expect(told.files).toBeGreaterThan(5);
    const manifest = JSON.parse(readFileSync(join(out, 'data/studio.json'), 'utf8')) as Manifest;
    expect(manifest.inputs).toMatchObject({ n: 30, of: 120, shape: [1, 12, 12] });
    expect([0, 1, 2].map((c) => manifest.inputs!.labels.filter((l) => l === c).length)).toEqual([10, 10, 10]);
    expect(readFileSync(join(out, 'data', manifest.models[0]!.file))).toEqual(readFileSync(model));
    expect(readFileSync(join(out, 'index.html'), 'utf8')).toContain('<div id="app">');
  });

  test('serves until Ctrl-C', async () => {
    const [old, fresh] = [join(home, 'old.jsonl'), join(home, 'fresh.jsonl')];
    for (const path of [old, fresh]) writeFileSync(path, '{"type":"step","step":1}\n');
    utimesSync(old, 1000, 1000);
    const { child, ended, url } = dyna('studio', model, '--port', '0', '--runs', old, fresh);
    const at = await url();
    expect(at.hostname).toBe('127.0.0.1');
    expect(await (await fetch(at)).text()).toContain('<div id="app">');
    const { models, runs } = (await (await fetch(new URL('data/studio.json', at))).json()) as Manifest;
    expect(models).toHaveLength(1);
    expect(runs.map((r) => [r.name, r.events])).toEqual([
      ['old.jsonl', undefined],
      ['fresh.jsonl', 'runs/1/events'],
    ]);
    child.kill('SIGINT');
    expect((await ended).code).toBe(0);
    await expect(fetch(at)).rejects.toThrow();
  });

  test.each<[args: string[], code: number, told: RegExp]>([
    [['nowhere.onnx'], 1, /"nowhere\.onnx" could not be read/],
    [['--data', 'mnist'], 2, /--data is for the inputs of a model, got none/],
    [['shirts.onnx', '--data', 'mnist'], 1, /takes inputs \[2, 8, 8\], mnist.* has \[1, 28, 28\]/],
    [['package.json'], 1, /package\.json: .*not (a readable )?(an )?ONNX/i],
    [['--runs', 'nowhere'], 1, /neither a run folder nor a metrics file/],
    [['photos.onnx', '--port', 'x'], 2, /--port expects a whole number/],
  ])('refuses %j in a sentence', async (args, code, told) => {
    const place = (p: string) => (existsSync(join(home, p)) ? join(home, p) : p);
    const result = await dyna('studio', ...args.map(place), '--no-open').ended;
    expect(result.stderr).toMatch(told);
    expect(result.code).toBe(code);
  });

  test('shows a training while it runs, and stops it for who has the token', { timeout: 40_000 }, async () => {
    const out = join(home, 'run');
    const { ended, url } = dyna(
      'train',
      'multi-exit',
      '--data',
      photos,
      '--out',
      out,
      '--epochs',
      '500',
      '--batch',
      '8',
      '--studio',
    );
    const at = await url();
    const events = new URL('data/runs/0/events', at);
    const reader = (await fetch(events)).body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!text.includes('"step":20')) text += (await reader.read()).value;
    expect(text).toMatch(/^id: \d+\ndata: \{"type":"step","epoch":2,"step":10,/m);
    const stop = (token: string) =>
      fetch(new URL('stop', at), { method: 'POST', headers: { 'x-studio-token': token } });
    expect((await stop('guess')).status).toBe(403);
    expect((await stop(at.searchParams.get('token')!)).status).toBe(202);
    const { code, stderr } = await ended;
    expect(code).toBe(130);
    expect(stderr).toContain(`go on with: dyna train --out ${out} --resume`);
  });
});
