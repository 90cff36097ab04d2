import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createTar } from 'nanotar';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Random } from './random.ts';

// Several processes that want the same data set at once, as two trainings do that are started together.

const random = new Random(3);
const records = () =>
  Buffer.concat(
    Array.from({ length: 10 }, (_, i) => Buffer.from([i, ...Array.from({ length: 3072 }, () => random.int(256))])),
  );
const names = [...[1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`), 'test_batch.bin'];
const archive = gzipSync(createTar(names.map((name) => ({ name: `cifar-10-batches-bin/${name}`, data: records() }))));
const sha256 = createHash('sha256').update(archive).digest('hex');

let server: Server;
let base: string;
let requests: number;
let open: () => void;
let cache: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  cache = mkdtempSync(join(tmpdir(), 'dyna-processes-'));
  requests = 0;
  const opened = new Promise<void>((done) => {
    open = done;
  });
  // Half of the archive at once, the rest when the test says so.
  server = createServer(async (_, response) => {
    requests++;
    response.writeHead(200, { etag: '"one"', 'content-length': archive.length });
    response.write(archive.subarray(0, archive.length / 2));
    await opened;
    response.end(archive.subarray(archive.length / 2));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  server.closeAllConnections();
  server.close();
  rmSync(cache, { recursive: true, force: true });
});

interface Opened {
  readonly child: ChildProcess;
  /** What it printed so far. */
  readonly said: () => string;
  readonly code: Promise<number | null>;
}

/** A process that opens the set, tells what it is told, and ends with the digest of what it got. */
function openElsewhere(split: string): Opened {
  const at = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);
  const script = `
    import { createHash } from 'node:crypto';
    const { openCifar } = await import(${at('./cifar-set.ts')});
    const { withDefaults } = await import(${at('./fetch-set.ts')});
    const { cifarSpec } = await import(${at('./sets.ts')});
    const archive = { file: 'a.tar.gz', bytes: ${archive.length}, sha256: '${sha256}' };
    const spec = { ...cifarSpec, records: 10, folders: () => [], archive };
    const options = { cache: ${JSON.stringify(cache)}, base: '${base}', tries: 1, onNote: (note) => console.log(note) };
    console.log('ready');
    const { inputs } = await openCifar(spec, '${split}', withDefaults(options));
    console.log(createHash('sha256').update(inputs).digest('hex'));`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
  children.push(child);
  let text = '';
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (chunk) => {
      text += chunk;
    });
  return { child, said: () => text, code: once(child, 'exit').then(([code]) => code) };
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((done) => setTimeout(done, 20));
}

const digestOf = (files: string[]): string => {
  const bytes = files.map((f) => readFileSync(join(cache, 'cifar-10-batches-bin', f)));
  const images = bytes.flatMap((b) => Array.from({ length: 10 }, (_, i) => b.subarray(3073 * i + 1, 3073 * (i + 1))));
  return createHash('sha256').update(Buffer.concat(images)).digest('hex');
};
const nothingElse = () => {
  expect(readdirSync(cache)).toEqual(['cifar-10-batches-bin']);
  expect(readdirSync(join(cache, 'cifar-10-batches-bin')).sort()).toEqual(names);
};

describe('two processes that want the same set', () => {
  test('share one download: the second waits, says so, and both read it whole', async () => {
    const first = openElsewhere('train');
    await until(() => requests === 1);
    const second = openElsewhere('test');
    await until(() => requests === 2 || second.said().includes('waiting'));
    open();
    expect([await first.code, await second.code], first.said() + second.said()).toEqual([0, 0]);
    expect(requests).toBe(1);
    expect(second.said()).toContain(`process ${first.child.pid} is fetching CIFAR-10; waiting until it is done`);
    expect(first.said().trim().split('\n').at(-1)).toBe(digestOf(names.slice(0, 5)));
    expect(second.said().trim().split('\n').at(-1)).toBe(digestOf(names.slice(5)));
    nothingElse();
  });

  test('one that is killed half-way leaves nothing that blocks or stays', async () => {
    const first = openElsewhere('train');
    await until(() => readdirSync(cache).some((f) => f.endsWith('.part')));
    const second = openElsewhere('train');
    await until(() => requests === 2 || second.said().includes('waiting'));
    expect(existsSync(join(cache, 'cifar-10-batches-bin'))).toBe(false);
    first.child.kill('SIGKILL');
    await until(() => requests >= 2);
    open();
    expect(await second.code, second.said()).toBe(0);
    expect(second.said().trim().split('\n').at(-1)).toBe(digestOf(names.slice(0, 5)));
    nothingElse();
  });
});
