import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { table } from '../table.ts';
import { lines, progressFor } from './progress.ts';
import { bar } from './progress-bar.ts';

describe('progress in plain lines', () => {
  it('tells something at intervals and the end of each stretch, and nothing twice', () => {
    const told: string[] = [];
    let clock = 0;
    const progress = lines(
      (line) => told.push(line),
      1000,
      () => clock,
    );
    progress.start('train', 10);
    for (let i = 1; i <= 8; i++) {
      clock += 300;
      progress.update(i, { loss: (1 / i).toFixed(2), '': '5 img/s' });
    }
    progress.start('tune', 0);
    progress.stop();
    progress.stop();
    progress.update(3);
    expect(told).toEqual([
      'train: 4/10 (40 %)  loss 0.25  5 img/s',
      'train: 8/10 (80 %)  loss 0.13  5 img/s',
      'tune: 0/0 (0 %)',
    ]);
  });

  it('is silent when asked to be, and in lines where there is no terminal', async () => {
    const stream = new PassThrough();
    const quiet = await progressFor({ stream: stream as unknown as NodeJS.WriteStream, quiet: true });
    quiet.start('x', 1);
    quiet.stop();
    expect(stream.read()).toBeNull();
    const plain = await progressFor({ stream: stream as unknown as NodeJS.WriteStream });
    plain.start('x', 1);
    plain.update(1);
    plain.stop();
    expect(String(stream.read())).toBe('x: 1/1 (100 %)\n');
  });
});

it('draws a bar with title, share and fields on a terminal', () => {
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 200, cursorTo() {}, clearLine() {} });
  const terminal = Object.assign(stream, { moveCursor() {}, clearScreenDown() {} });
  const progress = bar(terminal as unknown as NodeJS.WritableStream);
  progress.start('train', 4);
  progress.update(2, { loss: '0.500' });
  progress.stop();
  const drawn = stripVTControlCharacters(String(terminal.read()));
  expect(drawn).toContain('train');
  expect(drawn).toMatch(/50 %\s+loss 0\.500/);
});

it('aligns columns by what is seen, not by colour codes', () => {
  const red = '\u001b[31mno\u001b[39m';
  const rows = table([
    ['name', 'n'],
    [red, '10'],
    ['longer', '7'],
  ]);
  expect(rows.map(stripVTControlCharacters)).toEqual(['  name     n', '  no      10', '  longer   7']);
});
