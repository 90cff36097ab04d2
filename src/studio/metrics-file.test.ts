import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readEnding, requireMetrics, writeEnding } from './metrics-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'dyna-metrics-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function file(text: string): string {
  const path = join(folder, `${files++}.jsonl`);
  writeFileSync(path, text);
  return path;
}
const step = (n: number) => `{"type":"step","epoch":1,"step":${n},"loss":1}\n`;

test('metrics end with a line that says how, once', async () => {
  const path = file(step(10) + step(20));
  expect(await readEnding(path)).toBeUndefined();
  await writeEnding(path, { how: 'stopped' });
  await writeEnding(path, { how: 'stopped' });
  expect(readFileSync(path, 'utf8')).toBe(`${step(10)}${step(20)}{"type":"end","step":20,"how":"stopped"}\n`);
  expect(await readEnding(path)).toEqual({ type: 'end', step: 20, how: 'stopped' });
});

test('a training that went on is no longer ended, until it ends again', async () => {
  const path = file(`${step(10)}{"type":"end","step":10,"how":"stopped"}\n${step(20)}`);
  expect(await readEnding(path)).toBeUndefined();
  await writeEnding(path, { how: 'failed', why: 'the loss became NaN' });
  expect(await readEnding(path)).toEqual({ type: 'end', step: 20, how: 'failed', why: 'the loss became NaN' });
});

test('the end of a long file is found, that of an empty one is at step 0, and none is made', async () => {
  const long = file(Array.from({ length: 5000 }, (_, i) => step(i + 1)).join(''));
  await writeEnding(long, { how: 'finished' });
  expect(await readEnding(long)).toMatchObject({ step: 5000, how: 'finished' });
  const empty = file('');
  await writeEnding(empty, { how: 'stopped' });
  expect(await readEnding(empty)).toMatchObject({ step: 0, how: 'stopped' });
  const nowhere = join(folder, 'nowhere.jsonl');
  await writeEnding(nowhere, { how: 'stopped' });
  expect(existsSync(nowhere)).toBe(false);
});

test.each([
  '',
  step(10),
  '{"type":"epoch","step":30,"epoch":1}\n',
  '{"type":"end","step":0,"how":"stopped"}\n',
  step(10).trim(),
])('metrics may be written where %j is', async (text) => {
  await requireMetrics(file(text));
});

test('metrics may be written where nothing is, and into what is no file', async () => {
  await requireMetrics(join(folder, 'nowhere.jsonl'));
  await requireMetrics('/dev/null');
});

test.each([
  'dear diary\n',
  '{"type":"step"}\n',
  '[1, 2]\n',
  'null\n',
  '{"schema":1,\n"net":{}}',
  `\n${step(10)}`,
  '\0',
])('metrics are not written over %j', async (text) => {
  const path = file(text);
  await expect(requireMetrics(path)).rejects.toThrow(
    `expected a new file or the metrics of a training at "${path}", got a file with something else in it; choose another one with --metrics`,
  );
  expect(readFileSync(path, 'utf8')).toBe(text);
});
