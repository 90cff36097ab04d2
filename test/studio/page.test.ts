import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Locator, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { dataset } from '../../src/data/index.ts';
import { encodeCard } from '../../src/deploy/card.ts';
import { gated, modelOf, pixels, shape } from '../../src/deploy/fixtures/shirts.ts';
import { CARD_KEY, load, readCard, toBytes } from '../../src/deploy/index.ts';
import { decodeModel, encodeModel } from '../../src/graph/index.ts';
import { dataFiles, pageFiles, type Studio, serveStudio, writeSite } from '../../src/studio/index.ts';
import {
  buildPage,
  chromiumPath,
  type Digits,
  digits,
  drop,
  exported,
  openBrowser,
  plainServer,
  readCsv,
  ready,
  visit,
  type Watched,
} from './fixtures.ts';

// The page in a real browser, served as users get it.

const executable = chromiumPath();
if (!executable) console.warn('NOT RUN: the studio in a browser (no Chromium: apt-get install chromium)');

const N = 1000;

describe.skipIf(!executable)('the studio in Chromium', () => {
  const home = mkdtempSync(join(tmpdir(), 'dyna-studio-'));
  const metrics = join(home, 'metrics.jsonl');
  let browser: Browser;
  let made: Digits;
  let studio: Studio;
  let page: Page;
  let watched: Watched;
  let ended = false;
  let stops = 0;
  const line = (step: number) =>
    `${JSON.stringify({ type: 'step', epoch: 1, step, lr: 0.1, loss: 2 / step, norm: 1, accuracy: { exit1: 0.5, final: 0.75 }, entropy: { exit1: 1, final: 0.5 } })}\n`;

  beforeAll(async () => {
    [made] = await Promise.all([digits(), buildPage(join(home, 'page'))]);
    writeFileSync(metrics, line(10) + line(20));
    const exhibits = {
      models: [
        { name: 'digits.onnx', bytes: made.model },
        { name: 'other.onnx', bytes: made.other },
      ],
      inputs: made.test,
      limit: N,
      runs: [{ name: 'digits', path: metrics }],
    };
    const files = await pageFiles(join(home, 'page'));
    studio = await serveStudio(new Map([...files, ...dataFiles({ ...exhibits, live: true, stoppable: true })]), {
      port: 0,
      follow: [metrics],
      ended: () => ended,
      onStop: () => stops++,
    });
    await writeSite(new Map([...files, ...dataFiles(exhibits)]), join(home, 'site', 'below'));
    browser = await openBrowser(executable!);
    ({ page, ...watched } = await visit(browser, studio.url));
    await ready(page, N);
  }, 240_000);

  afterAll(async () => {
    await browser?.close();
    await studio?.close();
    rmSync(home, { recursive: true, force: true });
  });

  afterEach(() => {
    expect(watched.complaints).toEqual([]);
    expect([...watched.hosts]).toEqual([new URL(studio.url).host]);
  });

  const view = (name: string) => page.getByRole('navigation').getByRole('button', { name });
  const textOf = async (at: Locator): Promise<string> => (await at.textContent()) ?? '';
  const figure = (name: string) => textOf(page.locator(`[data-figure=${name}]`));
  const knob = () => page.getByRole('slider', { name: 'Budget' });
  const answer = () => page.locator('[data-answer]');
  const png = (i: number): Promise<Buffer> => {
    const at = Math.floor((i * made.test.length) / N);
    const pixels = Buffer.from(made.test.inputs.subarray(at * 784, (at + 1) * 784));
    return sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toBuffer();
  };
  const dynaRun = async (inputs: readonly number[]) => {
    writeFileSync(join(home, 'digits.onnx'), made.model);
    const files = await Promise.all(
      inputs.map(async (i) => {
        const file = join(home, `${i}.png`);
        writeFileSync(file, await png(i));
        return file;
      }),
    );
    const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
    const args = ['--import', 'tsx', main, 'run', join(home, 'digits.onnx'), ...files, '--json', '--quiet'];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    if (!stdout) throw new Error(stderr);
    type Result = { class: string; confidence: number; exit: string; macs: number };
    return (JSON.parse(stdout) as { results: Result[] }).results;
  };

  test('opens isolated, small, and shows the way of one input', async () => {
    expect(await page.evaluate('crossOriginIsolated')).toBe(true);
    expect(await textOf(page.locator('.model'))).toMatch(/digits\.onnx.*2 decisions, \d threads?/s);
    const assets = join(home, 'page', 'assets');
    const own = readdirSync(assets).filter((f) => !f.startsWith('ort-wasm'));
    expect(own.reduce((sum, f) => sum + statSync(join(assets, f)).size, 0)).toBeLessThan(1_000_000);
    await page.locator('.sheet').press('Home');
    const shifts = `new Promise((resolve) => {
      let sum = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) sum += entry.value;
      }).observe({ type: 'layout-shift', buffered: true });
      setTimeout(() => resolve(sum), 100);
    })`;
    expect(await page.evaluate(shifts)).toBeLessThan(0.1);
    const [first] = await dynaRun([Number((await page.locator('#sheet-active').textContent())!.match(/\d+/)![0]) / 10]);
    await page.locator('.map .end.lit .name', { hasText: first!.exit }).waitFor();
    expect(await textOf(answer())).toBe(first!.class);
    expect(Number(await page.locator('[data-macs]').getAttribute('data-macs'))).toBe(first!.macs);
  });

  test('gives the answers of dyna run for 100 inputs', async () => {
    const results = await dynaRun(Array.from({ length: 100 }, (_, i) => i));
    const rows = readCsv((await exported(page, 'Inputs as CSV')).toString());
    expect(rows).toHaveLength(N);
    const exits = new Set<string>();
    for (const [i, wanted] of results.entries()) {
      const row = rows.find((r) => Number(r.input) === i * 10)!;
      expect(row).toMatchObject({ answer: wanted.class, way: wanted.exit, MACs: String(wanted.macs) });
      expect(Number(row.confidence)).toBeCloseTo(wanted.confidence, 4);
      exits.add(wanted.exit);
    }
    expect(exits.size).toBeGreaterThan(1);
  });

  test('turns the knob by key and by hand, over the whole set', async () => {
    await knob().press('End');
    const full = { accuracy: await figure('accuracy'), macs: await figure('macs') };
    expect(full.macs).toBe('100.0 %');
    expect(await knob().getAttribute('aria-valuetext')).toContain(`accuracy ${full.accuracy}, certified`);
    await knob().press('Home');
    expect(Number.parseFloat(await figure('macs'))).toBeLessThan(75);
    // The chosen input follows without another run: it must go where the whole set's table says.
    const chosen = (await textOf(page.locator('#sheet-active'))).match(/\d+/)![0];
    const own = readCsv((await exported(page, 'Inputs as CSV')).toString()).find((r) => r.input === chosen)!;
    await page.locator('.map .end.lit .name', { hasText: own.way! }).waitFor();
    expect(await page.locator('[data-macs]').getAttribute('data-macs')).toBe(own.MACs);
    expect(await textOf(answer())).toBe(own.answer);
    const boldest = await knob().inputValue();
    const box = (await knob().boundingBox())!;
    await page.mouse.click(box.x + box.width * 0.6, box.y + box.height / 2);
    expect(Number(await knob().inputValue())).toBeGreaterThan(Number(boldest));
    const settings = readCsv((await exported(page, 'Settings as CSV')).toString());
    expect(settings[0]!.accuracy).toBe(String(Number((Number.parseFloat(full.accuracy) / 100).toFixed(4))));
    expect(settings.map((s) => Number(s['mean MACs']))).toEqual(
      settings.map((s) => Number(s['mean MACs'])).sort((a, b) => b - a),
    );
  });

  test('moves the knob without dropping to a crawl', async () => {
    const gaps = await page.evaluate<number[]>(`new Promise((resolve) => {
      const knob = document.querySelector('input.knob');
      const gaps = [];
      let last = performance.now();
      let k = 0;
      const step = () => {
        const now = performance.now();
        gaps.push(now - last);
        last = now;
        knob.value = String(5000 + 5000 * Math.sin(k / 8));
        knob.dispatchEvent(new Event('input', { bubbles: true }));
        if (k++ < 90) requestAnimationFrame(step);
        else resolve(gaps.slice(5));
      };
      requestAnimationFrame(step);
    })`);
    gaps.sort((a, b) => a - b);
    expect(gaps[Math.floor(gaps.length / 2)]).toBeLessThan(100);
    expect(gaps[Math.floor(gaps.length * 0.95)]).toBeLessThan(300);
  });

  test('takes a dropped picture', async () => {
    const [wanted] = await dynaRun([7]);
    await page.reload();
    await answer().waitFor();
    await drop(page, 'seven.png', 'image/png', await png(7));
    await page.getByRole('button', { name: 'seven.png' }).waitFor();
    await page.locator('.answer', { hasText: 'seven.png' }).waitFor();
    expect(await textOf(answer())).toBe(wanted!.class);
    const large = await sharp({ create: { width: 90, height: 60, channels: 3, background: '#888' } })
      .png()
      .toBuffer();
    await drop(page, 'large.png', 'image/png', large);
    await page.locator('.answer', { hasText: '90×60 brought to 28×28' }).waitFor();
  });

  test('reads a drawn digit, and looks through the camera', async () => {
    await page.getByRole('button', { name: 'Draw' }).click();
    const box = (await page.getByLabel('Drawing pad').boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.5, box.y + box.height * 0.2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5, box.y + box.height * 0.8, { steps: 12 });
    await page.mouse.up();
    await page.locator('[data-answer]', { hasText: /^1$/ }).waitFor({ timeout: 5000 });
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.getByRole('button', { name: 'Camera' }).click();
    await page.locator('.answer', { hasText: 'camera' }).waitFor({ timeout: 5000 });
    await page.getByRole('button', { name: 'Test set' }).click();
  });

  test('refuses bad files in a sentence', async () => {
    const damaged = made.model.slice();
    damaged[damaged.length >> 1]! ^= 255;
    const plain = readFileSync(new URL('../../src/runtime/fixtures/affine.onnx', import.meta.url));
    const alert = page.getByRole('alert');
    for (const [name, type, bytes, told] of [
      ['notes.txt', 'text/plain', Buffer.from('hello'), /"notes\.txt" is neither a model/],
      ['broken.png', 'image/png', Buffer.from('no picture'), /"broken\.png" could not be read as a picture/],
      ['cut.onnx', '', made.model.subarray(0, 5000), /"cut\.onnx": not a readable ONNX model|"cut\.onnx": /],
      ['plain.onnx', '', plain, /"plain\.onnx": an ONNX model .* no DynaNeural metadata/],
      ['damaged.onnx', '', damaged, /"damaged\.onnx": .*certificate does not fit/],
      ['empty.jsonl', '', Buffer.from('{}\n'), /"empty\.jsonl" holds no metrics/],
    ] as const) {
      await drop(page, name, type, bytes);
      await alert.getByText(told).waitFor({ timeout: 5000 });
      await page.getByRole('button', { name: 'Close this message' }).click();
      await alert.waitFor({ state: 'hidden' });
    }
    await answer().waitFor(); // and goes on with the model that it had
  });

  test('switches the theme and keeps it', async () => {
    const colour = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const before = await colour();
    await page.getByRole('button', { name: 'Switch between light and dark' }).click();
    const after = await colour();
    expect(after).not.toBe(before);
    await page.reload();
    await answer().waitFor();
    expect(await colour()).toBe(after);
  });

  test('compares two models on the same inputs', async () => {
    await ready(page, N);
    await view('Compare').click();
    await page.getByLabel('Model of side B').selectOption('1');
    await page.locator('.side').nth(1).getByText('%', { exact: false }).first().waitFor();
    const text = page.locator('section', { hasText: 'Where they differ' }).locator('header');
    await text.getByText(/1,000 inputs: same answer for \d/).waitFor({ timeout: 30_000 });
    const [, onlyA, onlyB] = (await textOf(text)).match(/only A right (\d+), only B right (\d+)/)!.map(Number);
    expect(onlyA! + onlyB!).toBeGreaterThan(0);
    const rows = readCsv((await exported(page, 'Differences as CSV')).toString());
    expect(rows.filter((r) => r.label === r.A)).toHaveLength(onlyA!);
    expect(rows.filter((r) => r.label === r.B)).toHaveLength(onlyB!);
    await view('Explore').click();
  });

  test('takes the view along as a picture', async () => {
    const svg = (await exported(page, 'View as SVG')).toString();
    const { info } = await sharp(await exported(page, 'View as PNG'))
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(svg).toMatch(/^<svg .*foreignObject/s);
    const check = `new DOMParser().parseFromString(${JSON.stringify(svg)}, 'image/svg+xml').querySelector('parsererror')?.textContent ?? ''`;
    expect(await page.evaluate(check)).toBe('');
    const width = await page.evaluate<number>("document.querySelector('#view').clientWidth");
    expect(info.width).toBe(width * 2);
    const { channels } = await sharp(await exported(page, 'View as PNG')).stats();
    expect(channels[0]!.stdev).toBeGreaterThan(10); // something is on it
  });

  test('keeps memory flat over 1,000 inputs', async () => {
    const client = await page.context().newCDPSession(page);
    const processes = await browser.newBrowserCDPSession();
    /** What the page's own objects take, and what its process has in memory, workers and engine included. */
    const sample = async () => {
      await client.send('HeapProfiler.collectGarbage');
      const { usedSize } = await client.send('Runtime.getHeapUsage');
      const { processInfo } = await processes.send('SystemInfo.getProcessInfo');
      const resident = processInfo
        .filter((p) => p.type === 'renderer')
        .map((p) => Number(readFileSync(`/proc/${p.id}/statm`, 'utf8').split(' ')[1]) * 4096);
      return { heap: usedSize, resident: resident.reduce((a, b) => a + b, 0) };
    };
    /** Garbage comes and goes: the least of some looks is what stays. */
    const memory = async () => {
      const looks = [];
      for (let k = 0; k < 4; k++) {
        looks.push(await sample());
        await page.waitForTimeout(250);
      }
      return { heap: Math.min(...looks.map((l) => l.heap)), resident: Math.min(...looks.map((l) => l.resident)) };
    };
    await page.locator('.sheet').focus();
    const walk = (n: number) =>
      page.evaluate(`(async () => {
        const sheet = document.querySelector('.sheet');
        for (let i = 0; i < ${n}; i++) {
          sheet.dispatchEvent(new KeyboardEvent('keydown', { key: i % 200 < 100 ? 'ArrowRight' : 'ArrowLeft', bubbles: true }));
          await new Promise((r) => setTimeout(r, 4));
        }
      })()`);
    await walk(300);
    const before = await memory();
    await walk(1000);
    const after = await memory();
    expect(after.heap - before.heap).toBeLessThan(3_000_000);
    expect(after.resident - before.resident).toBeLessThan(80_000_000);
  });

  test('shows a training live, over a reload, and stops it', async () => {
    await view('Training').click();
    const step = (n: number) => page.locator(`[data-step="${n}"]`).waitFor({ timeout: 5000 });
    await step(20);
    appendFileSync(metrics, line(30));
    await step(30);
    appendFileSync(metrics, line(40).slice(0, 50)); // half a line is none yet
    await page.reload();
    await view('Training').click();
    await step(30);
    appendFileSync(metrics, line(40).slice(50));
    await step(40);
    expect(await page.locator('.chart figcaption > b').allTextContents()).toEqual([
      'Loss',
      'Accuracy of each answer, training',
      'Entropy of each answer',
      'Norm of the gradient',
      'Learning rate',
    ]);
    await drop(page, 'before.jsonl', '', Buffer.from(line(10) + line(60)));
    await step(60);
    await page.getByRole('button', { name: 'Stop after this step' }).click();
    await expect.poll(() => stops).toBe(1);
    ended = true;
    await page.locator('[data-state=ended]').waitFor({ timeout: 5000 });
    await page.locator('[data-state=quiet]', { hasText: 'no new step since' }).waitFor();
  });

  test('works from any web server, in one thread', async () => {
    const { url, server }: { url: string; server: Server } = await plainServer(join(home, 'site'));
    const hosted = await visit(browser, `${url}below/`);
    await hosted.page.locator('[data-answer]').waitFor({ timeout: 20_000 });
    expect(await textOf(hosted.page.locator('.model'))).toContain('1 thread');
    expect(await hosted.page.evaluate('crossOriginIsolated')).toBe(false);
    // This server does not know what .wasm is; the engine says so and goes another way.
    expect(hosted.complaints.filter((c) => !/wasm streaming|ArrayBuffer instantiation/.test(c))).toEqual([]);
    await hosted.page.getByRole('navigation').getByRole('button', { name: 'Training' }).click();
    await hosted.page.locator('[data-state=ended]').waitFor();
    await hosted.page.close();
    server.close();
  });

  test('says why: maps, curves, the check by random weights, ways by class', async () => {
    await view('Explore').click();
    await ready(page, N);
    await view('Why').click();
    for (const target of ['decision/exit1', 'decision/exit2', 'answer/answer'])
      await page.locator(`[data-target="${target}"][data-done=integrated]`).waitFor({ timeout: 15_000 });
    await page.getByLabel('Method').selectOption('rise');
    await page.locator('[data-target="decision/exit1"][data-done=rise]').waitFor({ timeout: 15_000 });
    const card = page.locator('[data-target="decision/exit2"]');
    expect(await textOf(card)).toMatch(/area, deletion 0\.\d\d \(random 0\.\d\d\)/);
    await card.getByRole('button', { name: 'Check by random weights' }).click();
    const check = card.locator('.likenesses');
    await check.waitFor({ timeout: 15_000 });
    expect(Number((await textOf(check)).match(/ends at (-?[\d.]+)/)![1]!.replace(/\.$/, ''))).toBeLessThan(0.7);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      card.getByRole('button', { name: 'Gradient as ONNX' }).click(),
    ]);
    const { graph } = decodeModel(readFileSync(await download.path()));
    expect(graph.outputs.map((o) => o.name)).toContain('decision/exit2');
    const cells = await page.locator('.heat tbody tr').first().locator('td').allTextContents();
    expect(cells.reduce((sum, c) => sum + Number.parseFloat(c), 0)).toBeCloseTo(100, -0.5);
    await view('Explore').click();
  });

  test('draws decisions of any kind, and moves between the points that their file has', async () => {
    const inputs = dataset({ inputs: pixels(60), shape, labels: Array.from({ length: 60 }, (_, i) => i % 3) });
    const plain = decodeModel(toBytes(modelOf(gated())));
    const card = readCard(toBytes(modelOf(gated())));
    const gate = card.decisions[0]!.name;
    const points = [Number.NEGATIVE_INFINITY, -1, -0.5, -0.25, 0, 0.25, 0.5, 1, Number.POSITIVE_INFINITY].map(
      (threshold) => ({
        ...card.points[0]!,
        thresholds: { [gate]: threshold },
      }),
    );
    const bytes = encodeModel({
      ...plain,
      metadata: { ...plain.metadata, [CARD_KEY]: encodeCard({ ...card, points }) },
    });
    const exhibits = { models: [{ name: 'gate.onnx', bytes }], inputs, live: true };
    const second = await serveStudio(new Map([...(await pageFiles(join(home, 'page'))), ...dataFiles(exhibits)]), {
      port: 0,
    });
    const opened = await visit(browser, second.url);
    await ready(opened.page, 60);
    expect(await opened.page.locator('.map .lane').allTextContents()).toEqual(['skip', 'run']);
    const settings = readCsv((await exported(opened.page, 'Settings as CSV')).toString());
    expect(settings).toHaveLength(points.length);
    expect(new Set(settings.map((s) => s['mean MACs'])).size).toBeGreaterThan(2);
    const model = await load(bytes);
    for (const [i, point] of points.entries()) {
      const { trace } = await model.run(inputs.inputs as Uint8Array, { thresholds: point.thresholds });
      expect(Number(settings[i]!['mean MACs'])).toBeCloseTo(trace.reduce((sum, t) => sum + t.macs, 0) / 60, 3);
    }
    await model.close();
    expect(opened.complaints).toEqual([]);
    await opened.page.close();
    await second.close();
  });

  test('fits a phone', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    for (const [name, part] of [
      ['Explore', '.map svg'],
      ['Compare', '.side .map svg'],
      ['Why', '.heat td'],
      ['Training', '.chart svg'],
    ] as const) {
      await view(name).click();
      await page.locator(part).first().waitFor();
      expect(await page.evaluate('document.documentElement.scrollWidth'), name).toBeLessThanOrEqual(360);
    }
  });
});
