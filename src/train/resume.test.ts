import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { weightsHash } from './fixtures/hash.ts';
import { plan } from './fixtures/tiny.ts';
import { train } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'dyna-resume-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly signal: NodeJS.Signals | null;
  readonly lines: string[];
  readonly errors: string;
}

/** Runs the training process; kills it at a random moment after `steps` more steps than it started with. */
function run(checkpoint: string, metrics: string, steps?: number): Promise<Ended> {
  const file = fileURLToPath(new URL('./fixtures/run.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', file, checkpoint, metrics]);
  let text = '';
  let errors = '';
  let doomed = false;
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  child.stdout.on('data', (chunk) => {
    text += chunk;
    if (steps === undefined || doomed || text.split('step').length <= steps) return;
    doomed = true;
    setTimeout(() => child.kill('SIGKILL'), Math.random() * 15);
  });
  return new Promise((resolve) =>
    child.on('close', (_, signal) => resolve({ signal, lines: text.split('\n').filter(Boolean), errors })),
  );
}

const untimed = (path: string): unknown[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => ({ ...JSON.parse(line), seconds: 0, imagesPerSecond: 0 }));

it('a training killed at random moments ends with the bits and the metrics of an unbroken one', async () => {
  const { net, options } = plan();
  const whole = join(folder, 'whole.jsonl');
  const unbroken = await train(net, { ...options, metrics: whole });
  expect(untimed(whole)).toHaveLength(12 + 6 + 1); // steps, epochs, the end

  const [checkpoint, metrics] = [join(folder, 'killed'), join(folder, 'killed.jsonl')];
  for (let kill = 0; kill < 3; kill++) {
    const { signal, lines, errors } = await run(checkpoint, metrics, 3 + Math.floor(Math.random() * 25));
    expect([signal, errors]).toEqual(['SIGKILL', '']);
    expect(lines.some((l) => l.startsWith('warning'))).toBe(false);
  }
  const { lines, errors } = await run(checkpoint, metrics);
  expect(errors).toBe('');
  expect(lines.at(-1)).toBe(`weights ${weightsHash(unbroken)}`);
  expect(lines.length).toBeLessThan(120); // it went on, it did not start anew
  expect(untimed(metrics)).toEqual(untimed(whole));

  // Once more: everything is done, and the same net comes back without a step.
  const again = await train(net, { ...options, checkpoint, resume: true });
  expect(weightsHash(again)).toBe(weightsHash(unbroken));
  expect(again.history).toHaveLength(6);
}, 60_000);
