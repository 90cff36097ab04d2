import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { content, dataFiles, requireFormerBuild, writeSite } from './index.ts';

const home = mkdtempSync(join(tmpdir(), 'dyna-former-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

let folders = 0;
const folder = (): string => join(home, String(folders++));
function put(path: string, text = 'x'): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** As a build leaves it, with the page's files of that version. */
async function built(): Promise<string> {
  const to = folder();
  const runs = [{ name: 'run', path: join(home, 'run.jsonl') }];
  put(runs[0]!.path);
  const page = ['index.html', 'assets/index-BoGVhmeG.js', 'assets/ort-wasm-simd-threaded-DcHr_r-l.wasm'];
  const data = dataFiles({ models: [{ name: 'm.onnx', bytes: new Uint8Array([7]) }], runs });
  await writeSite(new Map([...page.map((p) => [p, content(p, 'x')] as const), ...data]), to);
  return to;
}

test('a build goes into a new folder, an empty one, and a former build', async () => {
  await requireFormerBuild(folder());
  const empty = folder();
  mkdirSync(join(empty, 'deep', 'deeper'), { recursive: true });
  await requireFormerBuild(empty);
  await requireFormerBuild(await built());
});

test('what begins with a dot may stay', async () => {
  const to = await built();
  put(join(to, '.nojekyll'));
  put(join(to, '.git', 'config'));
  await requireFormerBuild(to);
});

test.each(['notes.txt', 'data/other.csv', 'data/models/mine.onnx', 'assets/photo.png', 'docs/index.html'])(
  '%s beside a former build is named',
  async (path) => {
    const to = await built();
    put(join(to, path));
    await expect(requireFormerBuild(to)).rejects.toThrow(
      `--build expects a new or empty folder or a former build, got "${to}", which holds "${path}"; choose another folder`,
    );
  },
);

test.each([undefined, 'no json', '{"version":1}', '[]', 'null'])(
  'a page of another maker is not taken over (%s)',
  async (manifest) => {
    const to = folder();
    put(join(to, 'index.html'));
    if (manifest !== undefined) put(join(to, 'data', 'studio.json'), manifest);
    await expect(requireFormerBuild(to)).rejects.toThrow(/holds "(index\.html|data\/studio\.json)"/);
  },
);
