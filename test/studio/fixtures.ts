import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { build } from 'vite';
import { type Dataset, mnist, splitDataset, subset } from '../../src/data/index.ts';
import { toBytes } from '../../src/deploy/index.ts';
import { certify, exit, net } from '../../src/dynamic/index.ts';
import { classify, conv, residual } from '../../src/nn/index.ts';
import { train } from '../../src/train/index.ts';

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** A Chromium of this machine; DYNANEURAL_CHROMIUM names another. */
export const chromiumPath = (): string | undefined =>
  [process.env.DYNANEURAL_CHROMIUM, ...places].find((p) => p !== undefined && existsSync(p));

export const openBrowser = (executablePath: string): Promise<Browser> =>
  chromium.launch({
    executablePath,
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
      ...['--disable-component-update', '--disable-sync', '--enable-blink-features=ForceEagerMeasureMemory'],
      ...['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
    ],
  });

/** Builds the page as it is now. */
export async function buildPage(folder: string): Promise<void> {
  const configFile = fileURLToPath(new URL('../../studio/vite.config.ts', import.meta.url));
  await build({ configFile, logLevel: 'error', build: { outDir: folder, emptyOutDir: true } });
}

const first = (ds: Dataset, n: number): Dataset =>
  subset(
    ds,
    Int32Array.from({ length: n }, (_, i) => i),
  );

export interface Digits {
  readonly model: Uint8Array;
  /** The same net, trained otherwise. */
  readonly other: Uint8Array;
  readonly test: Dataset;
}

/** Small certified nets with two exits that know handwritten digits, trained in seconds. */
export async function digits(): Promise<Digits> {
  const small = net({ input: [1, 28, 28], classes: 10, name: 'digits' }, (x) => {
    x = conv(x, 8, { stride: 2, norm: 'batch', activation: 'relu' });
    for (const width of [12, 16]) {
      x = exit(x, { head: classify });
      x = residual(x, width, { stride: 2 });
    }
    return classify(x);
  });
  const parts = splitDataset(first(await mnist('train'), 9000), {
    parts: { tune: 1500, certify: 1500, train: 'rest' },
    seed: 1,
  });
  const made = async (epochs: number, seed: number): Promise<Uint8Array> => {
    const trained = await train(small, { data: parts.train, epochs, seed });
    const { tune, certify: data } = parts;
    return toBytes(await certify(trained, { tune, data, risk: 'harm', epsilon: 0.03, delta: 0.1 }));
  };
  return { model: await made(2, 1), other: await made(1, 2), test: await mnist('test') };
}

/** A plain web server: files of a folder, no special headers. */
export async function plainServer(folder: string): Promise<{ url: string; server: Server }> {
  const types: Readonly<Record<string, string>> = { html: 'text/html', js: 'text/javascript', css: 'text/css' };
  const server = createServer((request, response) => {
    const path = request.url!.split('?')[0]!.replace(/\/$/, '/index.html');
    readFile(join(folder, path)).then(
      (bytes) => response.writeHead(200, { 'content-type': types[path.split('.').at(-1)!] ?? '' }).end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, server };
}

/** What the page complained about, and whom it talked to. */
export interface Watched {
  readonly complaints: string[];
  readonly hosts: Set<string>;
}

/** Opens an address in a fresh page. */
export async function visit(browser: Browser, url: string): Promise<{ page: Page } & Watched> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  const complaints: string[] = [];
  const hosts = new Set<string>();
  page.on('console', (m) => {
    if (m.type() === 'error' || m.type() === 'warning') complaints.push(m.text());
  });
  page.on('pageerror', (e) => complaints.push(e.message));
  page.on('request', (r) => {
    const { protocol, host } = new URL(r.url());
    if (protocol.startsWith('http')) hosts.add(host);
  });
  await page.goto(url);
  return { page, complaints, hosts };
}

/** Waits until the whole set has been seen and every path is timed. */
export async function ready(page: Page, n: number, timeout = 90_000): Promise<void> {
  await page.getByText(`${n.toLocaleString('en-US')} inputs`, { exact: true }).waitFor({ timeout });
  await page.locator('[data-figure=ms]', { hasText: 'ms' }).waitFor({ timeout });
}

/** Drops files on the page. */
export async function drop(page: Page, name: string, type: string, bytes: Uint8Array): Promise<void> {
  const base64 = Buffer.from(bytes).toString('base64');
  const transfer = await page.evaluateHandle(
    `(() => { const t = new DataTransfer(); t.items.add(new File([Uint8Array.from(atob(${JSON.stringify(base64)}), (c) => c.charCodeAt(0))], ${JSON.stringify(name)}, { type: ${JSON.stringify(type)} })); return t })()`,
  );
  await page.dispatchEvent('body', 'drop', { dataTransfer: transfer });
}

/** Rows of a CSV without quoted line breaks. */
export const readCsv = (text: string): Record<string, string>[] => {
  const [head, ...rows] = text.trim().split('\r\n');
  const names = head!.split(',');
  return rows.map((row) => Object.fromEntries(row.split(',').map((cell, i) => [names[i]!, cell])));
};

/** Takes one of the page's exports. */
export async function exported(page: Page, what: string): Promise<Buffer> {
  await page.getByText('Export', { exact: true }).click();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: what }).click(),
  ]);
  return readFile(await download.path());
}
