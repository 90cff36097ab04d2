import { appendFileSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { modelOf, shirts } from '../../src/deploy/fixtures/shirts.ts';
import { toBytes } from '../../src/deploy/index.ts';
import { dataFiles, type Exhibits, pageFiles, type Site, serveStudio } from '../../src/studio/index.ts';
import { buildPage, chromiumPath, drop, openBrowser, visit } from './fixtures.ts';

// What the page says of trainings that run, end, or are no more.

const executable = chromiumPath();
if (!executable) console.warn('NOT RUN: trainings in a browser (no Chromium: apt-get install chromium)');

const step = (n: number) => `${JSON.stringify({ type: 'step', epoch: 1, step: n, loss: 2 / n })}\n`;
const end = (n: number, how: string, more = {}) => `${JSON.stringify({ type: 'end', step: n, how, ...more })}\n`;

describe.skipIf(!executable)('trainings in Chromium', { timeout: 120_000 }, () => {
  const home = mkdtempSync(join(tmpdir(), 'dyna-trainings-'));
  const metrics = join(home, 'metrics.jsonl');
  let browser: Browser;
  let files: Site;

  beforeAll(async () => {
    await buildPage(join(home, 'page'));
    files = await pageFiles(join(home, 'page'));
    browser = await openBrowser(executable!);
  }, 240_000);
  afterAll(async () => {
    await browser?.close();
    rmSync(home, { recursive: true, force: true });
  });

  const open = async (exhibits: Exhibits, ended?: () => boolean) => {
    const site = new Map([...files, ...dataFiles({ live: true, ...exhibits })]);
    const follow = (exhibits.runs ?? []).map((r) => r.path);
    const studio = await serveStudio(site, { port: 0, follow, ...(ended ? { ended, onStop: () => {} } : {}) });
    const { page } = await visit(browser, studio.url);
    const says = (text: string | RegExp) =>
      page.locator('[data-state]', { hasText: text }).waitFor({ timeout: 20_000 });
    const stop = page.getByRole('button', { name: 'Stop after this step' });
    return { studio, page, says, stop };
  };

  test('one that ends says how, and goes on saying so when its studio is gone', async () => {
    for (const how of ['finished', 'stopped'] as const) {
      writeFileSync(metrics, step(10));
      let over = false;
      const { studio, page, says, stop } = await open(
        { runs: [{ name: 'shirts', path: metrics }], stoppable: true },
        () => over,
      );
      await says('running');
      await stop.waitFor();
      appendFileSync(metrics, step(20) + end(20, how));
      over = true;
      await studio.close();
      await says(how);
      await page.waitForTimeout(2500); // it would have tried to connect again by now
      await says(how);
      expect(await page.locator('[data-step]').textContent()).toContain('epoch 1, step 20');
      expect(await stop.count()).toBe(0);
      await page.close();
    }
  });

  test('one whose studio breaks off is not said to have ended', async () => {
    writeFileSync(metrics, step(10));
    const { studio, page, says } = await open({ runs: [{ name: 'shirts', path: metrics }] });
    await says('running');
    await studio.close();
    await says('connection lost');
    await page.close();
  });

  test('one that was killed says since when nothing came; resumed, it runs again, and its former end is past', async () => {
    writeFileSync(metrics, step(10));
    const killed = new Date(2026, 0, 2, 3, 4, 5);
    utimesSync(metrics, killed, killed);
    const { studio, page, says } = await open({ runs: [{ name: 'shirts', path: metrics }] });
    await says('no new step since 2026-01-02 03:04:05');
    appendFileSync(metrics, step(20));
    await says('running');
    appendFileSync(metrics, end(20, 'stopped'));
    await says('stopped');
    appendFileSync(metrics, step(30));
    await says('running');
    appendFileSync(metrics, end(30, 'failed', { why: 'the loss became NaN' }));
    await says('ended by an error');
    await page.getByText('the loss became NaN').waitFor();
    await page.close();
    await studio.close();
  });

  test('files of trainings that are not followed say what is known of them', async () => {
    const paths = ['done', 'old', 'cut'].map((name) => join(home, `${name}.jsonl`));
    for (const path of paths) writeFileSync(path, step(10));
    appendFileSync(paths[2]!, end(10, 'stopped'));
    const still = new Date(2026, 0, 2, 3, 4, 5).getTime();
    const { studio, page } = await open({
      runs: [
        { name: 'done', path: paths[0]!, finished: true },
        { name: 'old', path: paths[1]!, still },
        { name: 'cut', path: paths[2]!, still },
      ],
    });
    await drop(page, 'metrics.jsonl', '', Buffer.from(step(10) + end(10, 'finished')));
    await drop(page, 'metrics.jsonl', '', Buffer.from(step(10)));
    const texts = (what: string) => expect.poll(() => page.locator(what).allTextContents(), { timeout: 20_000 });
    await texts('.run b').toEqual(['done', 'old', 'cut', 'metrics.jsonl', 'metrics.jsonl (2)']);
    await texts('.run [data-state]').toEqual([
      'finished',
      'no new step since 2026-01-02 03:04:05',
      'stopped',
      'finished',
      expect.stringMatching(/^no new step since \d\d:\d\d:\d\d$/),
    ]);
    await page.close();
    await studio.close();
  });

  test('models of one name that are dropped are both there', async () => {
    const { studio, page } = await open({});
    const bytes = toBytes(modelOf(shirts()));
    for (const name of ['model.onnx', 'model.onnx (2)']) {
      await drop(page, 'model.onnx', '', bytes);
      await page.locator('.model b', { hasText: name }).waitFor({ timeout: 30_000 });
    }
    await page.getByRole('navigation').getByRole('button', { name: 'Compare' }).click();
    const options = page.getByLabel('Model of side B').locator('option');
    await expect.poll(() => options.allTextContents()).toEqual(['model.onnx', 'model.onnx (2)']);
    await page.close();
    await studio.close();
  });
});
