import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { content, pageFiles, type Studio, serveStudio } from './index.ts';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

describe('a served studio', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dyna-serve-'));
  const metrics = join(folder, 'metrics.jsonl');
  let studio: Studio;
  let stops = 0;
  let ended = false;

  beforeAll(async () => {
    mkdirSync(join(folder, 'page', 'assets'), { recursive: true });
    writeFileSync(join(folder, 'secret.txt'), 'secret');
    writeFileSync(join(folder, 'page', 'index.html'), '<p>page</p>');
    writeFileSync(join(folder, 'page', 'assets', 'a.js'), 'script');
    symlinkSync(join(folder, 'secret.txt'), join(folder, 'page', 'link.txt'));
    const site = new Map([
      ...(await pageFiles(join(folder, 'page'))),
      ['data/x.bin', content('x.bin', 'data')] as const,
    ]);
    studio = await serveStudio(site, { port: 0, follow: [metrics], ended: () => ended, onStop: () => stops++ });
  });
  afterAll(async () => {
    await studio.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A request as it stands: fetch() would clean the path and set its own headers. */
  const ask = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const host = `127.0.0.1:${studio.port}`;
      const sent = request(
        { host: '127.0.0.1', port: studio.port, path, method, headers: { host, ...headers } },
        (r) => {
          let text = '';
          r.setEncoding('utf8').on('data', (part: string) => {
            text += part;
          });
          r.on('end', () => resolve({ status: r.statusCode!, headers: r.headers, text }));
        },
      );
      sent.on('error', reject).end();
    });

  test('gives its own files, with headers that keep others out', async () => {
    expect(await ask('/')).toMatchObject({ status: 200, text: '<p>page</p>' });
    expect(await ask('/assets/a.js?v=1')).toMatchObject({ status: 200, text: 'script' });
    const { headers, text } = await ask('/data/x.bin');
    expect(text).toBe('data');
    expect(headers).toMatchObject({
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
      'cross-origin-resource-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
    });
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(await ask('/data/x.bin', {}, 'HEAD')).toMatchObject({ status: 200, text: '' });
  });

  test.each([
    '/../secret.txt',
    '/assets/../../secret.txt',
    '/..%2fsecret.txt',
    '/%2e%2e/secret.txt',
    '/assets/..\\..\\secret.txt',
    '//etc/passwd',
    '/link.txt',
    '/data/runs/1/events',
    '/data/runs/-1/events',
    '/constructor',
    '/%00',
  ])('gives nothing for %s', async (path) => {
    const { status, text } = await ask(path);
    expect(status).toBe(404);
    expect(text).not.toContain('secret');
  });

  test('answers nobody who calls it by another name, and no other page', async () => {
    for (const host of [
      'evil.example',
      `evil.example:${studio.port}`,
      '127.0.0.1',
      `127.0.0.1.evil.example:${studio.port}`,
    ])
      expect((await ask('/', { host })).status).toBe(421);
    expect((await ask('/', { host: `localhost:${studio.port}` })).status).toBe(200);
    for (const origin of [
      'https://evil.example',
      'null',
      `http://127.0.0.1:${studio.port + 1}`,
      `https://127.0.0.1:${studio.port}`,
    ])
      expect((await ask('/data/x.bin', { origin })).status).toBe(403);
    expect((await ask('/data/x.bin', { origin: `http://127.0.0.1:${studio.port}` })).status).toBe(200);
    expect((await ask('/data/x.bin', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })).status).toBe(
      403,
    );
    expect((await ask('/', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' })).status).toBe(200);
  });

  test('is reached from this machine only', async () => {
    const outside = createConnection({ host: '127.0.0.2', port: studio.port });
    await expect(new Promise((resolve, reject) => outside.on('connect', resolve).on('error', reject))).rejects.toThrow(
      /ECONNREFUSED|EADDRNOTAVAIL/,
    );
  });

  test('changes something only for the token', async () => {
    const token = new URL(studio.url).searchParams.get('token')!;
    expect(token).toHaveLength(24);
    for (const given of ['', 'x', token.slice(1), `${token}x`])
      expect((await ask('/stop', { 'x-studio-token': given }, 'POST')).status).toBe(403);
    expect((await ask(`/stop?token=${token}`, {}, 'POST')).status).toBe(403);
    expect((await ask('/stop', { 'x-studio-token': token, origin: 'https://evil.example' }, 'POST')).status).toBe(403);
    expect(stops).toBe(0);
    expect((await ask('/elsewhere', { 'x-studio-token': token }, 'POST')).status).toBe(404);
    expect((await ask('/stop', { 'x-studio-token': token }, 'PUT')).status).toBe(405);
    expect((await ask('/stop', { 'x-studio-token': token }, 'POST')).status).toBe(202);
    expect(stops).toBe(1);
  });

  test('streams the lines of a file: from the start, from where a reader was, and anew when it is cut back', async () => {
    const follow = (headers: Record<string, string> = {}) => {
      let text = '';
      const host = `127.0.0.1:${studio.port}`;
      const sent = request(
        { host: '127.0.0.1', port: studio.port, path: '/data/runs/0/events', headers: { host, ...headers } },
        (r) =>
          r.setEncoding('utf8').on('data', (part: string) => {
            text += part;
          }),
      );
      sent.on('error', () => undefined).end();
      return { text: () => text, stop: () => sent.destroy() };
    };
    const all = follow(); // before there is a file
    writeFileSync(metrics, 'one\ntwo\nthr');
    await expect.poll(all.text).toContain('id: 4\ndata: one\n\nid: 8\ndata: two\n\n');
    expect(all.text()).not.toContain('thr');
    appendFileSync(metrics, 'ee\n');
    await expect.poll(all.text).toContain('id: 14\ndata: three\n\n');
    const later = follow({ 'last-event-id': '8' });
    await expect.poll(later.text).toContain('data: three');
    expect(later.text()).not.toContain('data: two');
    writeFileSync(metrics, 'anew\n');
    await expect.poll(all.text).toContain('event: restart\nid: 0\ndata:\n\nid: 5\ndata: anew\n\n');
    ended = true;
    await expect.poll(all.text).toContain('event: end');
    later.stop();
  });

  test('says since when nothing came, once, and goes on when something comes', async () => {
    const old = join(folder, 'old.jsonl');
    writeFileSync(old, 'one\n');
    utimesSync(old, 1_700_000_000, 1_700_000_000);
    const second = await serveStudio(new Map(), { port: 0, follow: [old] });
    const stream = (await fetch(new URL('data/runs/0/events', second.url))).body!;
    const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const until = async (part: string): Promise<void> => {
      while (!text.includes(part)) text += (await reader.read()).value;
    };
    await until('data: one\n\nevent: quiet\ndata: 1700000000000\n\n');
    appendFileSync(old, 'two\n');
    await until('data: two\n\n');
    expect(text.match(/quiet/g)).toHaveLength(1);
    await reader.cancel();
    await second.close();
  });

  test('closing gives pages the last lines and the end where the writer is done, and breaks off where it is not', async () => {
    const last = join(folder, 'last.jsonl');
    for (const done of [true, false]) {
      writeFileSync(last, 'one\n');
      let over = false;
      const second = await serveStudio(new Map(), { port: 0, follow: [last], ended: () => done && over });
      const response = await fetch(new URL('data/runs/0/events', second.url));
      const all = response.text().catch(() => 'broken off');
      appendFileSync(last, 'two\n');
      over = true;
      await second.close();
      if (done) expect(await all).toMatch(/data: one\n\n(.*\n)*data: two\n\nevent: end\ndata:\n\n$/);
      else expect(await all).toBe('broken off');
    }
  });

  test('takes another port where the usual one is taken, and says so where it may not', async () => {
    const second = await serveStudio(new Map(), { port: 0 });
    await expect(serveStudio(new Map(), { port: second.port })).rejects.toThrow(
      /no page can be served on port .*--port/,
    );
    expect(second.url).not.toContain('token');
    await second.close();
  });

  test('says how to build a page that is not there', async () => {
    await expect(pageFiles(join(folder, 'nowhere'))).rejects.toThrow(/not built; run: npm run build/);
  });
});
