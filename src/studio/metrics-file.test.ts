import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readEnding, requireMetrics } from './metrics-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'dyna-metrics-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function file(text: string): string {
  const path = join(folder, `${files++}.jsonl`);
  writeFileSync(path, text);
  return path;
}
const step = (n: number) => `{"type":"step","epoch":1,"step":${n},"loss":1}\n`;

const end = (n: number, how: string, more = {}) => `${JSON.stringify({ type: 'end', step: n, how, ...more })}\n`;

test('how a training ended is what the last line of its metrics says', async () => {
  expect(await readEnding(file(step(10) + step(20)))).toBeUndefined();
  const stopped = file(step(10) + step(20) + end(20, 'stopped'));
  expect(await readEnding(stopped)).toEqual({ type: 'end', step: 20, how: 'stopped' });
  const failed = file(end(20, 'failed', { why: 'the loss became NaN' }));
  expect(await readEnding(failed)).toEqual({ type: 'end', step: 20, how: 'failed', why: 'the loss became NaN' });
});

test('a training that went on is no longer ended, until it ends again', async () => {
  const text = step(10) + end(10, 'stopped') + step(20);
  expect(await readEnding(file(text))).toBeUndefined();
  expect(await readEnding(file(text + end(20, 'finished')))).toMatchObject({ step: 20, how: 'finished' });
});

test('the end of a long file is found; an empty file has none, nor what is not there', async () => {
  const long = Array.from({ length: 5000 }, (_, i) => step(i + 1)).join('');
  expect(await readEnding(file(long + end(5000, 'finished')))).toMatchObject({ step: 5000, how: 'finished' });
  expect(await readEnding(file(''))).toBeUndefined();
  expect(await readEnding(join(folder, 'nowhere.jsonl'))).toBeUndefined();
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
