// npm run bench -- studio
// The page in a real Chromium: how fast it is there, how fast the set is seen, and whether the knob keeps 60 frames a second
// over 1,000 cached inputs. DYNANEURAL_STUDIO_MODEL names another model than the demo's (out/demo/model.onnx).
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { fashionMnist } from '../src/data/index.ts';
import { dataFiles, pageFiles, serveStudio } from '../src/studio/index.ts';
import { chromiumPath, openBrowser, ready, visit } from '../test/studio/fixtures.ts';
import { writeResult } from './results.ts';

const N = 1000;
const SECONDS = 10;
const FRAME = 1000 / 60;

const what =
  `Chromium, headless, without a GPU. open: from the request to the first answer. watch: until all inputs have been
seen at every exit. frames: gaps between animation frames while each frame moves the knob over all cached inputs; dropped:
gaps longer than one and a half frames of 1/60 s; workMs: processor time of the page's thread for each frame. bytes: what the page loads besides the engine and the model.`.replaceAll(
    '\n',
    ' ',
  );

const quantile = (sorted: readonly number[], q: number): number => sorted[Math.floor((sorted.length - 1) * q)]!;
const rounded = (v: number): number => Number(v.toFixed(2));

/** Moves the knob once a frame. */
const turning = `new Promise((resolve) => {
  const knob = document.querySelector('input.knob');
  const gaps = [];
  const start = performance.now();
  let last = start;
  const step = () => {
    const now = performance.now();
    gaps.push(now - last);
    last = now;
    knob.value = String(5000 + 5000 * Math.sin((now - start) / 400));
    knob.dispatchEvent(new Event('input', { bubbles: true }));
    if (now - start < ${SECONDS * 1000}) requestAnimationFrame(step);
    else resolve(gaps.slice(10));
  };
  requestAnimationFrame(step);
})`;

export async function run(): Promise<void> {
  const path = process.env.DYNANEURAL_STUDIO_MODEL ?? 'out/demo/model.onnx';
  const executable = chromiumPath();
  if (!executable || !existsSync(path)) {
    console.error(`NOT RUN: studio (${executable ? `no model at ${path}: make it with npm run demo` : 'no Chromium'})`);
    return;
  }
  const files = await pageFiles();
  const exhibits = {
    models: [{ name: 'model.onnx', bytes: readFileSync(path) }],
    inputs: await fashionMnist('test'),
    limit: N,
  };
  const studio = await serveStudio(new Map([...files, ...dataFiles({ ...exhibits, live: true })]), { port: 0 });
  const browser = await openBrowser(executable);
  const started = performance.now();
  const { page } = await visit(browser, studio.url);
  await page.locator('[data-answer]').waitFor({ timeout: 120_000 });
  const opened = performance.now();
  await ready(page, N, 300_000);
  const watched = performance.now();
  // Processor time of the page's own thread: what a frame takes, however busy the machine is.
  const client = await page.context().newCDPSession(page);
  await client.send('Performance.enable', { timeDomain: 'threadTicks' });
  const work = async (): Promise<number> =>
    (await client.send('Performance.getMetrics')).metrics.find((m) => m.name === 'TaskDuration')!.value * 1000;
  const before = await work();
  const gaps = (await page.evaluate<number[]>(turning)).sort((a, b) => a - b);
  const workMs = ((await work()) - before) / gaps.length;
  const version = browser.version();
  const threads = Number((await page.locator('.model').textContent())!.match(/(\d+) threads?/)![1]);
  await browser.close();
  await studio.close();
  const assets = fileURLToPath(new URL('../dist/studio/page/assets/', import.meta.url));
  const own = readdirSync(assets).filter((f) => !f.startsWith('ort-wasm'));
  await writeResult('studio', 'npm run bench -- studio', {
    what,
    browser: `Chromium ${version}`,
    threads,
    inputs: N,
    openMs: Math.round(opened - started),
    watchMs: Math.round(watched - opened),
    frames: {
      count: gaps.length,
      perSecond: rounded((1000 * gaps.length) / gaps.reduce((a, b) => a + b, 0)),
      workMs: rounded(workMs),
      medianMs: rounded(quantile(gaps, 0.5)),
      p95Ms: rounded(quantile(gaps, 0.95)),
      p99Ms: rounded(quantile(gaps, 0.99)),
      dropped: gaps.filter((g) => g > 1.5 * FRAME).length,
    },
    bytes: {
      page: own.reduce((sum, f) => sum + statSync(`${assets}${f}`).size, 0),
      pageGzip: own.reduce((sum, f) => sum + gzipSync(readFileSync(`${assets}${f}`)).length, 0),
    },
  });
}
