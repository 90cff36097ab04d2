import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { install, writePhotos } from '../../src/cli/fixtures/dyna.ts';
import { modelOf, shirts } from '../../src/deploy/fixtures/shirts.ts';
import { toBytes } from '../../src/deploy/index.ts';
import { exit, net, parametersOf } from '../../src/dynamic/index.ts';
import { classify, conv, materialize } from '../../src/nn/index.ts';
import type { Manifest } from '../../src/studio/index.ts';
import { buildPage } from './fixtures.ts';

// The command as a process, with real signals.

const root = fileURLToPath(new URL('../../', import.meta.url));
const page = join(root, 'dist', 'studio', 'page');
const home = mkdtempSync(join(tmpdir(), 'dyna-command-'));
const installed = join(home, 'node_modules', 'dynaneural', 'dist');

const running = new Set<ChildProcess>();
function dyna(...args: string[]) {
  const child = spawn(process.execPath, [join(installed, 'cli', 'main.js'), ...args], {
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
    await expect.poll(() => stderr, { timeout: 60_000 }).toMatch(/studio is at http\S+/);
    return new URL(stderr.match(/http\S+/)![0]);
  };
  return { child, ended, url };
}

describe('dyna studio', () => {
  const model = join(home, 'photos.onnx');
  const photos = join(home, 'photos');

  beforeAll(async () => {
    await install(home);
    if (existsSync(join(page, 'index.html'))) cpSync(page, join(installed, 'studio', 'page'), { recursive: true });
    else await buildPage(join(installed, 'studio', 'page'));
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

    expect((await dyna('studio', model, '--build', out, '--json').ended).code).toBe(0);
    writeFileSync(join(out, 'index.txt'), 'mine');
    const refused = await dyna('studio', model, '--build', out).ended;
    expect(refused.stderr).toMatch(/expects a new or empty folder or a former build, .* holds "index\.txt"; choose/);
    expect(refused.code).toBe(2);
  });

  test('models and trainings of one name are told apart by their folders', async () => {
    for (const folder of ['a', 'b']) {
      mkdirSync(join(home, folder));
      writeFileSync(join(home, folder, 'model.onnx'), readFileSync(model));
      writeFileSync(join(home, folder, 'metrics.jsonl'), '{"type":"step","step":1}\n');
    }
    writeFileSync(join(home, 'b', 'metrics.jsonl'), '{"type":"end","step":1,"how":"finished"}\n', { flag: 'a' });
    const of = (name: string) => ['a', 'b'].map((folder) => join(home, folder, name)) as [string, string];
    const [first, second] = of('model.onnx');
    const out = join(home, 'two');
    const done = await dyna('studio', first, '--with', second, '--runs', ...of('metrics.jsonl'), '--build', out).ended;
    expect(done.stderr + done.code).toBe('0');
    const { models, runs } = JSON.parse(readFileSync(join(out, 'data/studio.json'), 'utf8')) as Manifest;
    expect(models.map((m) => m.name)).toEqual(['a/model.onnx', 'b/model.onnx']);
    expect(runs).toEqual([
      { name: 'a/metrics.jsonl', file: 'runs/0.jsonl', still: expect.any(Number) },
      { name: 'b/metrics.jsonl', file: 'runs/1.jsonl', finished: true },
    ]);
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
    expect(runs).toEqual([
      { name: 'old.jsonl', file: 'runs/0.jsonl', still: 1_000_000 },
      { name: 'fresh.jsonl', file: 'runs/1.jsonl', events: 'runs/1/events' },
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

  test('shows a training while it runs, stops it for who has the token, and says how it ended', {
    timeout: 120_000,
  }, async () => {
    const out = join(home, 'run');
    const start = async (...args: string[]) => {
      const process = dyna('train', ...args, '--out', out, '--studio');
      const at = await process.url();
      const reader = (await fetch(new URL('data/runs/0/events', at)))
        .body!.pipeThrough(new TextDecoderStream())
        .getReader();
      let text = '';
      const readUntil = async (part: string): Promise<string> => {
        for (let next = await reader.read(); !next.done; next = await reader.read()) {
          text += next.value;
          if (text.includes(part)) break;
        }
        return text;
      };
      return { ...process, at, readUntil };
    };
    const { ended, at, readUntil } = await start('multi-exit', '--data', photos, '--epochs', '7', '--batch', '8');
    const text = await readUntil('"step":20');
    expect(text).toMatch(/^id: \d+\ndata: \{"type":"step","epoch":2,"step":10,/m);
    const stop = (token: string) =>
      fetch(new URL('stop', at), { method: 'POST', headers: { 'x-studio-token': token } });
    expect((await stop('guess')).status).toBe(403);
    expect((await stop(at.searchParams.get('token')!)).status).toBe(202);
    const { code, stderr } = await ended;
    expect(code).toBe(130);
    expect(stderr).toContain(`go on with: dyna train --out ${out} --resume`);
    expect(await readUntil('event: end')).toMatch(/"type":"end","step":\d+,"how":"stopped"\}\n\nevent: end\n/);

    const again = await start('--resume');
    await again.readUntil('"epoch":5');
    again.child.kill('SIGINT');
    expect(await again.readUntil('event: end')).toMatch(/"how":"stopped"\}\n\nevent: end\n/);
    expect((await again.ended).code).toBe(130);

    const last = await start('--resume');
    expect(await last.readUntil('event: end')).toMatch(/"step":\d+,"how":"finished"\}\n\nevent: end\n/);
    expect((await last.ended).code).toBe(0);
    const lines = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trim().split('\n');
    expect(lines.filter((line) => line.includes('"type":"epoch"'))).toHaveLength(7);
    expect(lines.flatMap((line) => (JSON.parse(line) as { how?: string }).how ?? [])).toEqual([
      'stopped',
      'stopped',
      'finished',
    ]);
  });

  test('does not write metrics over another file, at the start or resumed', { timeout: 120_000 }, async () => {
    const notes = join(home, 'notes.txt');
    writeFileSync(notes, 'dear diary\n');
    const out = join(home, 'kept');
    const fresh = await dyna('train', 'multi-exit', '--data', photos, '--out', out, '--metrics', notes).ended;
    expect(fresh.stderr).toContain(`got a file with something else in it; choose another one with --metrics`);
    expect(fresh.code).toBe(2);
    expect(existsSync(out)).toBe(false);
    const begun = ['--data', photos, '--out', out, '--epochs', '1', '--batch', '8'];
    expect((await dyna('train', 'multi-exit', ...begun).ended).code).toBe(0);
    const resumed = await dyna('train', '--out', out, '--resume', '--metrics', notes).ended;
    expect(resumed.stderr).toContain('got a file with something else in it');
    expect(readFileSync(notes, 'utf8')).toBe('dear diary\n');
  });
});
