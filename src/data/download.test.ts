import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { disk, download, type Progress } from './download.ts';
import { Random } from './random.ts';

const random = new Random(2);
const content = Buffer.from(Array.from({ length: 200_000 }, () => random.int(256)));
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const pin = { sha256: sha(content), bytes: content.length };

interface Behaviour {
  body?: Buffer;
  etag?: string | null;
  ranges?: boolean;
  /** Takes no notice of If-Range. */
  careless?: boolean;
  /** Cuts the connection after so many bytes of this answer. */
  cut?: number;
  /** Milliseconds until that cut; what the client has not read by then is lost. Default 20. */
  hold?: number;
  status?: number;
  /** Never answers. */
  silent?: boolean;
  /** No Content-Length. */
  chunked?: boolean;
}

let server: Server;
let url: string;
let script: Behaviour[];
let requests: { range?: string; ifRange?: string }[];

/** Serves `content` as a good server would, but for what the script says of each request in turn; its last line stays. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  requests.push({ range: request.headers.range, ifRange: request.headers['if-range'] as string | undefined });
  const now = script.length > 1 ? script.shift()! : (script[0] ?? {});
  const {
    body = content,
    etag = '"one"',
    ranges = true,
    careless = false,
    cut,
    hold = 20,
    status,
    silent,
    chunked,
  } = now;
  if (silent) return;
  if (status) return void response.writeHead(status).end('no');
  const wanted = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const same = careless || request.headers['if-range'] === etag;
  const from = ranges && wanted && same ? Number(wanted[1]) : 0;
  const part = body.subarray(from);
  if (etag) response.setHeader('etag', etag);
  if (!chunked) response.setHeader('content-length', part.length);
  if (from) response.setHeader('content-range', `bytes ${from}-${body.length - 1}/${body.length}`);
  response.writeHead(from ? 206 : 200);
  if (cut === undefined) return void response.end(part);
  response.write(part.subarray(0, cut), () => setTimeout(() => response.destroy(), hold));
}

let folder: string;
let path: string;
beforeAll(async () => {
  server = createServer(answer);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/data.bin`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dyna-download-'));
  path = join(folder, 'data.bin');
  script = [];
  requests = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const quick = { pause: 1, timeout: 2000 };
const whole = (): boolean => readFileSync(path).equals(content);

describe('download', () => {
  it('fetches a file, tells the progress, and leaves nothing else', async () => {
    const seen: Progress[] = [];
    await download(url, path, pin, { ...quick, onProgress: (p) => seen.push(p) });
    expect(whole()).toBe(true);
    expect(readdirSync(folder)).toEqual(['data.bin']);
    expect(seen[0]).toEqual({ file: 'data.bin', received: 0, total: content.length });
    expect(seen.at(-1)).toEqual({ file: 'data.bin', received: content.length, total: content.length });
    expect(seen.every(({ received }, i) => i === 0 || received >= seen[i - 1].received)).toBe(true);
  });

  it('fetches a file once for two who want it at the same place', async () => {
    const waited: number[] = [];
    const onWait = (pid: number) => void waited.push(pid);
    await Promise.all([1, 2].map(() => download(url, path, pin, { ...quick, onWait })));
    expect(whole()).toBe(true);
    expect([requests.length, waited, readdirSync(folder)]).toEqual([1, [process.pid], ['data.bin']]);
  });

  it('goes on where the connection was cut', async () => {
    script = [{ cut: 70_000 }, {}];
    await download(url, path, pin, quick);
    expect(whole()).toBe(true);
    expect(requests).toEqual([{}, { range: expect.stringMatching(/^bytes=\d+-$/), ifRange: '"one"' }]);
    const from = Number(requests[1].range!.slice(6, -1));
    expect(from).toBeGreaterThan(0);
    expect(from).toBeLessThanOrEqual(70_000);
  });

  it('comes through any number of cuts anywhere', async () => {
    const cuts = fc.array(fc.integer({ min: 0, max: 120_000 }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(cuts, fc.boolean(), fc.boolean(), async (at, ranges, chunked) => {
        rmSync(path, { force: true });
        script = [...at.map((cut) => ({ cut, ranges, chunked })), { ranges, chunked }];
        await download(url, path, pin, quick);
        expect(whole()).toBe(true);
        expect(readdirSync(folder)).toEqual(['data.bin']);
      }),
      { numRuns: 15 },
    );
  });

  it('goes on in a later call, as after a crash', async () => {
    script = [{ cut: 50_000, hold: 500 }];
    await expect(download(url, path, pin, { ...quick, tries: 1 })).rejects.toMatchObject({ code: 'download' });
    expect(existsSync(path)).toBe(false);
    expect(statSync(`${path}.part`).size).toBeGreaterThan(0);
    script = [{}];
    const seen: Progress[] = [];
    await download(url, path, pin, { ...quick, onProgress: (p) => seen.push(p) });
    expect(requests[1].range).toBe(`bytes=${seen[0].received}-`);
    expect(seen[0].received).toBeGreaterThan(0);
    expect(whole()).toBe(true);
  });

  it('begins again where the server knows no ranges or gives its version no name', async () => {
    for (const behaviour of [{ ranges: false }, { etag: null }, { etag: 'W/"weak"' }]) {
      rmSync(path, { force: true });
      script = [{ ...behaviour, cut: 60_000 }, behaviour];
      await download(url, path, pin, quick);
      expect(whole()).toBe(true);
    }
    expect(requests[3].range).toBeUndefined();
  });

  it('never joins bytes of two versions', async () => {
    const old = Buffer.from(content.map((b) => b ^ 1));
    script = [{ body: old, etag: '"old"', cut: 90_000 }, {}];
    await download(url, path, pin, quick);
    expect(whole()).toBe(true);
    // A server that ignores If-Range is found out by the hash, and asked once more for everything.
    rmSync(path);
    script = [{ body: old, cut: 90_000 }, { careless: true }, {}];
    requests = [];
    await download(url, path, pin, quick);
    expect(whole()).toBe(true);
    expect(requests.map(({ range }) => range !== undefined)).toEqual([false, true, false]);
  });

  it.each<[string, Behaviour, RegExp]>([
    [
      'altered',
      { body: Buffer.from(content.map((b, i) => (i === 777 ? b ^ 1 : b))) },
      /expected sha256 \w{64}, got \w{64}/,
    ],
    ['truncated', { body: content.subarray(0, 150_000) }, /expected 200000 bytes, got 150000/],
    ['too long', { body: Buffer.concat([content, content, content]) }, /expected 200000 bytes, got \d{6}/],
  ])('refuses an %s file at once, removes it, and keeps what was there', async (_, behaviour, message) => {
    writeFileSync(path, 'old');
    script = [behaviour];
    const failed = download(url, path, pin, quick);
    await expect(failed).rejects.toThrow(message);
    await expect(failed).rejects.toMatchObject({ code: 'download', message: expect.stringContaining(url) });
    expect(readdirSync(folder)).toEqual(['data.bin']);
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(requests).toHaveLength(1);
  });

  it('tries again after 503, not after 404', async () => {
    script = [{ status: 503 }, {}];
    await download(url, path, pin, quick);
    expect(whole()).toBe(true);
    script = [{ status: 404 }];
    requests = [];
    await expect(download(url, path, pin, quick)).rejects.toThrow(/could not be fetched \(HTTP status 404\)/);
    expect(requests).toHaveLength(1);
  });

  it('gives up a silent server after its tries', async () => {
    script = [{ silent: true }];
    const failed = download(url, path, pin, { tries: 2, pause: 1, timeout: 60 });
    await expect(failed).rejects.toThrow(/could not be fetched \(no bytes for 0.06 s\)/);
    expect(requests).toHaveLength(2);
  });

  it('refuses an address that is none', async () => {
    await expect(download('no address', path, pin)).rejects.toMatchObject({ code: 'usage' });
  });

  it('does not keep an offline user waiting', async () => {
    const closed = createServer();
    await new Promise<void>((done) => closed.listen(0, '127.0.0.1', done));
    const { port } = closed.address() as AddressInfo;
    await new Promise((done) => closed.close(done));
    const failed = download(`http://127.0.0.1:${port}/data.bin`, path, pin, { pause: 600_000 }); // a second try would come after the test's time
    await expect(failed).rejects.toMatchObject({
      code: 'download',
      message: expect.stringMatching(/could not be fetched \(ECONNREFUSED\)/),
    });
  });

  it('stops on a signal and goes on from there', async () => {
    const controller = new AbortController();
    script = [{ cut: 50_000, hold: 500 }, { silent: true }];
    const stopped = download(url, path, pin, { ...quick, signal: controller.signal });
    setTimeout(() => controller.abort(), 1000);
    await expect(stopped).rejects.toThrow(/was stopped; the next one goes on from there/);
    expect(statSync(`${path}.part`).size).toBeGreaterThan(0);
    script = [{}];
    await download(url, path, pin, quick);
    expect(requests.at(-1)!.range).toBeDefined();
    expect(whole()).toBe(true);
  });

  it('says in a sentence what the disk refuses', async () => {
    writeFileSync(join(folder, 'file'), '');
    await expect(download(url, join(folder, 'file', 'data.bin'), pin, quick)).rejects.toMatchObject({ code: 'file' });
    const full = () => disk('/d/x', () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOSPC' })));
    await expect(full()).rejects.toThrow(/^\/d\/x could not be written: the disk is full; .*DYNANEURAL_DATA/);
    const locked = () => disk('/d/x', () => Promise.reject(Object.assign(new Error('no'), { code: 'EROFS' })));
    await expect(locked()).rejects.toThrow(/the folder is read-only/);
  });
});
