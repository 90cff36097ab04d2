import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeFolder, readBytes, writeAtomic } from './files.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dyna-files-'));
});
afterEach(() => {
  chmodSync(folder, 0o755);
  rmSync(folder, { recursive: true });
});

const old = Buffer.from('the old model');

/** Writes `size` bytes from a process of its own, and says what became of it. */
function elsewhere(path: string, size: number, options: { before?: string; uid?: number } = {}) {
  const source = pathToFileURL(fileURLToPath(new URL('./files.ts', import.meta.url))).href;
  const script = `
    import { register } from 'tsx/esm/api';
    register();
    const { writeAtomic } = await import(${JSON.stringify(source)});
    if (${options.uid ?? -1} >= 0) process.setuid(${options.uid ?? 0});
    try {
      await writeAtomic(${JSON.stringify(path)}, new Uint8Array(${size}).fill(7));
      console.log('written');
    } catch (error) {
      console.log(error.name, error.code, error.message);
    }`;
  const run = `${options.before ?? ':'}; exec "$0" --input-type=module -e "$1"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', run, process.execPath, script], { encoding: 'utf8' });
  return stdout.trim() || stderr;
}

describe('writeAtomic', () => {
  test('replaces a file and leaves nothing else behind', async () => {
    const path = join(folder, 'a.onnx');
    await writeAtomic(path, old);
    await writeAtomic(path, 'text too');
    expect(readFileSync(path, 'utf8')).toBe('text too');
    expect(readdirSync(folder)).toEqual(['a.onnx']);
  });

  test('many at once: the file is always one of them, whole', async () => {
    const path = join(folder, 'a.onnx');
    const contents = Array.from({ length: 20 }, (_, i) => new Uint8Array(50_000 + i).fill(i));
    await Promise.all(contents.map((c) => writeAtomic(path, c)));
    const found = readFileSync(path);
    expect(contents.some((c) => Buffer.compare(found, c) === 0)).toBe(true);
    expect(readdirSync(folder)).toEqual(['a.onnx']);
  });

  // A limit on the size of files makes writing fail half-way, as a full disk does.
  test.skipIf(process.platform === 'win32')('a write that fails half-way leaves the old file whole', () => {
    const path = join(folder, 'a.onnx');
    writeFileSync(path, old);
    const before = "trap '' XFSZ; ulimit -f 64";
    expect(elsewhere(path, 10_000, { before })).toBe('written'); // under the limit the same process succeeds
    writeFileSync(path, old);
    expect(elsewhere(path, 10_000_000, { before })).toMatch(
      /^DynaError file "[^"]*a\.onnx" could not be written .*unchanged/,
    );
    expect(readFileSync(path)).toEqual(old);
    expect(readdirSync(folder)).toEqual(['a.onnx']);
  });

  test.skipIf(process.platform !== 'linux')('a full disk leaves the old file whole', (context) => {
    const path = join(folder, 'disk', 'a.onnx');
    const script = `
      mkdir ${folder}/disk && mount -t tmpfs -o size=256k tmpfs ${folder}/disk || exit 9
      printf 'the old model' > ${path}`;
    const inside = `${script}; trap '' EXIT`;
    const source = new URL('./files.ts', import.meta.url).href;
    const write = `import { register } from 'tsx/esm/api'; register();
      const { writeAtomic } = await import(${JSON.stringify(source)});
      await writeAtomic(${JSON.stringify(path)}, new Uint8Array(1e6), ${JSON.stringify(`${path}.kept`)}).catch((e) => console.log(e.message));`;
    const run = `${inside}; "$0" --input-type=module -e "$1"; cat ${path}; echo; ls -A ${folder}/disk`;
    const { status, stdout, stderr } = spawnSync('unshare', ['-rm', 'bash', '-c', run, process.execPath, write], {
      encoding: 'utf8',
    });
    if (status === 9 || status === null || /unshare/.test(stderr)) {
      console.warn('NOT RUN: "a full disk leaves the old file whole". This system lets no user mount a small disk.');
      context.skip();
    }
    expect(stdout).toMatch(/the disk is full; free some space.*\nthe old model\na\.onnx\n$/);
  });

  test.skipIf(process.platform === 'win32')('a read-only folder is told, and the old file stays', async () => {
    const path = join(folder, 'a.onnx');
    writeFileSync(path, old);
    chmodSync(folder, 0o555);
    const said =
      process.getuid?.() === 0 // root may write everywhere, so somebody else has to try
        ? elsewhere(path, 10, { uid: 65534 })
        : await writeAtomic(path, 'new').then(
            () => 'written',
            (e: Error) => `${e.name} ${e.message}`,
          );
    expect(said).toMatch(/^DynaError .*could not be written.*permission is missing/);
    expect(readFileSync(path)).toEqual(old);
    expect(readdirSync(folder)).toEqual(['a.onnx']);
  });

  test('a folder that is not there, and a folder in place of the file', async () => {
    await expect(writeAtomic(join(folder, 'no', 'a.onnx'), 'x')).rejects.toThrow('no such file or folder');
    mkdirSync(join(folder, 'a.onnx'));
    await expect(writeAtomic(join(folder, 'a.onnx'), 'x')).rejects.toThrow('it is a folder');
    expect(readdirSync(folder)).toEqual(['a.onnx']);
  });
});

test('readBytes names the path and the reason', async () => {
  await expect(readBytes(join(folder, 'nobody'))).rejects.toMatchObject({
    code: 'file',
    message: expect.stringMatching(/nobody" could not be read: there is no such file/),
  });
});

test.skipIf(!existsSync('/proc/self'))('a folder that cannot be is refused at once', async () => {
  await expect(makeFolder('/proc/there/is/none')).rejects.toMatchObject({ code: 'file' });
  await makeFolder(join(folder, 'a/b/c'));
  await makeFolder(join(folder, 'a/b/c'));
  expect(existsSync(join(folder, 'a/b/c'))).toBe(true);
});
