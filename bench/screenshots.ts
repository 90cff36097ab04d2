// npm run screenshots [-- MODEL]: pictures of the studio for README and docs, into docs/images.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { fashionMnist, splitDataset, subset } from '../src/data/index.ts';
import { dataFiles, pageFiles, serveStudio } from '../src/studio/index.ts';
import { train } from '../src/train/index.ts';
import { multiExit } from '../src/zoo/index.ts';
import { chromiumPath, openBrowser, ready, visit } from '../test/studio/fixtures.ts';

const N = 1000;
const path = process.argv[2] ?? 'out/demo/model.onnx';
const executable = chromiumPath();
if (!executable) throw new Error('no Chromium here: apt-get install chromium');
if (!existsSync(path)) throw new Error(`no model at ${path}: make it with npm run demo`);
const folder = fileURLToPath(new URL('../docs/images/', import.meta.url));
mkdirSync(folder, { recursive: true });
const scratch = mkdtempSync(join(tmpdir(), 'dyna-screenshots-'));

/** Two short trainings, so that there is something to compare. */
async function trainings(): Promise<{ name: string; path: string }[]> {
  const all = await fashionMnist('train');
  const some = subset(
    all,
    Int32Array.from({ length: 6000 }, (_, i) => i),
  );
  const parts = splitDataset(some, { parts: { tune: 1000, train: 'rest' }, seed: 1 });
  const runs = [];
  for (const lr of [0.02, 0.005]) {
    const metrics = join(scratch, `lr-${lr}.jsonl`);
    const net = multiExit({ input: all.shape, classes: all.classes.length });
    await train(net, { data: parts.train, validation: parts.tune, epochs: 2, seed: 1, lr, metrics });
    runs.push({ name: `lr ${lr}`, path: metrics });
  }
  return runs;
}

async function shoot(page: Page, name: string, fullPage = false): Promise<void> {
  await page.evaluate('document.activeElement?.blur(); scrollTo(0, 0)');
  await page.mouse.move(2, 2);
  await page.waitForTimeout(400);
  const png = await page.screenshot({ fullPage });
  await sharp(png)
    .png({ palette: true, quality: 90, effort: 10 })
    .toFile(join(folder, `studio-${name}.png`));
  console.log(`docs/images/studio-${name}.png`);
}

const exhibits = {
  models: [{ name: 'fashion.onnx', bytes: readFileSync(path) }],
  inputs: await fashionMnist('test'),
  limit: N,
  runs: await trainings(),
};
const site = new Map([...(await pageFiles()), ...dataFiles({ ...exhibits, live: true })]);
const studio = await serveStudio(site, { port: 0, follow: exhibits.runs.map((r) => r.path), ended: () => true });
const browser = await openBrowser(executable);
try {
  const { page } = await visit(browser, studio.url);
  const view = (name: string): Promise<void> => page.getByRole('navigation').getByRole('button', { name }).click();
  const theme = (): Promise<void> => page.getByRole('button', { name: 'Switch between light and dark' }).click();
  await page.setViewportSize({ width: 1280, height: 800 });
  await ready(page, N, 300_000);
  // A hard one: the first that goes all the way at the file's own setting.
  await page.locator('.sheet').press('End');
  for (let k = 0; k < 40; k++) await page.locator('.sheet').press('ArrowLeft');
  await page.locator('.versus td', { hasText: 'ms' }).first().waitFor();
  await shoot(page, 'light');
  await theme();
  await shoot(page, 'dark');
  await view('Compare');
  await page.locator('.list tbody tr').first().waitFor();
  await shoot(page, 'compare');
  await theme();
  await view('Why');
  await page.locator('[data-target="answer/answer"]:not([data-done=""])').waitFor({ timeout: 120_000 });
  await shoot(page, 'why');
  await view('Training');
  await page.locator('.chart').nth(3).waitFor();
  await shoot(page, 'training');
  await view('Explore');
  await page.setViewportSize({ width: 390, height: 844 });
  await shoot(page, 'phone');
} finally {
  await browser.close();
  await studio.close();
  rmSync(scratch, { recursive: true, force: true });
}
