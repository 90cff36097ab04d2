import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { net } from '../dynamic/index.ts';
import { abs, log, mul, sqrt, sub } from '../graph/index.ts';
import { classify, conv, sgd } from '../nn/index.ts';
import { openCheckpoint } from './checkpoint.ts';
import { halves } from './fixtures/tiny.ts';
import { TrainingStopped, type TrainOptions, train } from './index.ts';

const root = mkdtempSync(join(tmpdir(), 'dyna-diagnose-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const base: TrainOptions = { data: halves(64, 1), epochs: 3, batch: 16, optimizer: sgd({ momentum: 0.9 }) };

it('a loss that overflows stops, names the first layer that did, and keeps the good checkpoint', async () => {
  const plain = net({ input: [1, 8, 8], classes: 2 }, (x) => classify(conv(conv(x, 3), 3)));
  const checkpoint = join(root, 'overflow');
  const metrics = join(root, 'overflow.jsonl');
  const rate = (step: number): number => (step === 5 ? 1e25 : 0.01);
  const error = await train(plain, { ...base, schedule: rate, checkpoint, metrics }).catch((e) => e);
  expect(error).toBeInstanceOf(TrainingStopped);
  expect(error).toMatchObject({ reason: 'diverged', code: 'training' });
  const path = join(checkpoint, 'checkpoint.dyna');
  expect(error.message).toMatch(
    /^the (loss|gradient's norm) became (NaN|-?Infinity) at epoch 2, step 7, learning rate 0\.01: first in "conv2" \(Conv\), in the forward pass; the last good checkpoint is .* \(step 4\); lower/,
  );
  expect(error.message).toContain(path);
  const end = readFileSync(metrics, 'utf8').trim().split('\n').at(-1)!;
  expect(JSON.parse(end)).toEqual({ type: 'end', step: 6, how: 'failed', why: error.message });
  const kept = await openCheckpoint(checkpoint, () => expect.unreachable());
  expect(kept?.checkpoint.step).toBe(4);
  expect((kept!.checkpoint.state.weights!.data as Float32Array).every(Number.isFinite)).toBe(true);
});

it('tells weights that the step before broke', async () => {
  const steep = net({ input: [1, 8, 8], classes: 2 }, (x) => classify(mul(conv(x, 3), 100)));
  const schedule = (step: number): number => (step === 1 ? 3e38 : 1e-6); // times a gradient above 2: infinity
  await expect(train(steep, { ...base, schedule })).rejects.toThrow(
    /step 3, learning rate 0\.000001: the weights were already not finite before this step, first in "\w+1\/weight"; no checkpoint was kept/,
  );
});

it('tells a gradient that is not finite although the loss is', async () => {
  // d sqrt|v| = sign(v) / (2 sqrt|v|): 0 / 0 at 0
  const kink = net({ input: [1, 8, 8], classes: 2 }, (x) => {
    const y = conv(x, 3, { name: 'kink' });
    return classify(sqrt(abs(mul(y, 0))));
  });
  await expect(train(kink, base)).rejects.toThrow(
    /^the gradient's norm became NaN at epoch 1, step 1, .*in the backward pass; no checkpoint was kept/,
  );
});

it('tells the operator in the forward pass', async () => {
  const bad = net({ input: [1, 8, 8], classes: 2 }, (x) => classify(log(sub(abs(conv(x, 3)), 1e3))));
  await expect(train(bad, base)).rejects.toThrow(
    /the loss became NaN at epoch 1, step 1,.*first in .*\(Log\), in the forward/,
  );
});
