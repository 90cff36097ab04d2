import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { dataset, Random } from '../data/index.ts';
import { exit, net, skip } from '../dynamic/index.ts';
import { add, reduceMean, slice, type Tensor } from '../graph/index.ts';
import { constantRate, conv, crossEntropy, flatten, linear, mse, relu, sgd } from '../nn/index.ts';
import { weightsHash } from './fixtures/hash.ts';
import { halves, tiny } from './fixtures/tiny.ts';
import { classification, reinforce, type Task, train } from './index.ts';

const root = mkdtempSync(join(tmpdir(), 'dyna-task-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Rows of 4 numbers, and the two sums that are to be found in them. */
function sums(length: number) {
  const random = new Random(7);
  const inputs = Float32Array.from({ length: 4 * length }, () => random.float() * 2 - 1);
  const wanted = (i: number) => [inputs[4 * i]! + inputs[4 * i + 1]!, inputs[4 * i + 2]! - 3 * inputs[4 * i + 3]!];
  return { data: dataset({ name: 'sums', inputs, shape: [4] }), wanted };
}

const { data, wanted } = sums(256);
const regression: Task = {
  name: 'sums',
  targets: { sums: { shape: [2], of: wanted } },
  loss: (answer, { targets }) => reduceMean(mse(answer, targets.sums!, { reduction: 'none' }), [1]),
};
const straight = () => net({ input: [4], name: 'straight' }, (x) => linear(x, 2, { name: 'line' }));
const options = { epochs: 40, batch: 32, optimizer: sgd({ momentum: 0.9 }), schedule: constantRate(0.1) } as const;

describe('a task of its own', () => {
  it('learns targets that go with their items through every shuffle, on data without classes', async () => {
    const trained = await train(straight(), { ...options, data, task: regression });
    expect(trained.history.at(-1)!.loss).toBeLessThan(1e-6);
    const weight = [...trained.weights].find(([n]) => n.endsWith('weight'))![1];
    const [rows, columns] = weight.dims as [number, number];
    const found = Array.from(weight.data as Float32Array, (v) => Math.round(1000 * v) / 1000 + 0);
    const byOutput = rows === 2 ? found : Array.from({ length: 8 }, (_, i) => found[(i % 4) * columns + (i >> 2)]!);
    expect(byOutput).toEqual([1, 1, 0, 0, 0, 0, 1, -3]);
    expect(trained.history[0]).toMatchObject({ accuracy: {}, entropy: {} });
    expect(trained.classes).toEqual([]);
  });

  it('gives the weights of the built-in training where it is classification', async () => {
    const given = { data: halves(320, 1), epochs: 2, batch: 32 } as const;
    const [named, plain] = [
      await train(tiny(), { ...given, task: classification({ smoothing: 0.1 }) }),
      await train(tiny(), { ...given, smoothing: 0.1 }),
    ];
    expect(weightsHash(named)).toBe(weightsHash(plain));
    expect(named.history.map(({ loss, accuracy }) => ({ loss, accuracy }))).toEqual(
      plain.history.map(({ loss, accuracy }) => ({ loss, accuracy })),
    );
  });

  it('learns two things at once, counts and teaches by the class logits among them', async () => {
    const half = halves(640, 1);
    const dark = (i: number) => [
      (half.inputs as Uint8Array).subarray(64 * i, 64 * i + 64).reduce((a, b) => a + b, 0) / 64 / 255,
    ];
    const both = () =>
      net({ input: [1, 8, 8], name: 'both' }, (x) => {
        const features = flatten(conv(x, 4, { norm: 'batch', activation: 'relu' }));
        return linear(features, 3, { name: 'answer' });
      });
    const sides = (answer: Tensor) => slice(answer, [{ axis: 1, start: 0, end: 2 }]);
    const task: Task = {
      name: 'side and brightness',
      targets: { dark: { shape: [1], of: dark } },
      loss: (answer, { labels, targets }) =>
        add(
          crossEntropy(sides(answer), labels, { reduction: 'none' }),
          reduceMean(mse(slice(answer, [{ axis: 1, start: 2, end: 3 }]), targets.dark!, { reduction: 'none' }), [1]),
        ),
      logits: sides,
    };
    const given = { data: half, validation: halves(200, 2), epochs: 4, batch: 32, lr: 0.05, task } as const;
    const trained = await train(both(), given);
    expect(trained.history.at(-1)!.validation!.final).toBeGreaterThan(0.9);

    const taught = await train(both(), { ...given, teacher: { model: trained, weight: 1, temperature: 2 } });
    expect(taught.history.at(-1)!.validation!.final).toBeGreaterThan(0.9);
  });

  it('rewards each input by its own loss, or all by the loss of the batch', async () => {
    const gated = () =>
      net({ input: [4], name: 'gated', onWarning: () => {} }, (x) =>
        linear(
          skip(relu(linear(x, 8)), (y) => relu(linear(y, 8))),
          2,
        ),
      );
    const of = (loss: Task['loss']) =>
      train(gated(), {
        data,
        epochs: 1,
        batch: 32,
        decisions: reinforce({ price: 0.1 }),
        task: { ...regression, loss },
      });
    const each = await of(regression.loss);
    const all = await of((answer, { targets }) => mse(answer, targets.sums!));
    expect(Number.isFinite(each.history[0]!.loss) && Number.isFinite(all.history[0]!.loss)).toBe(true);
    expect(weightsHash(each)).not.toBe(weightsHash(all));
  });
});

describe('a task that does not fit', () => {
  const message = async (work: Promise<unknown>): Promise<string> => {
    const error = await work.then(
      () => undefined,
      (e: Error) => e,
    );
    expect(error).toBeDefined();
    return error!.message;
  };

  it('is refused with what was expected', async () => {
    const base = { ...options, data, epochs: 1 };
    const short: Task = { ...regression, targets: { sums: { shape: [2], of: () => [1] } } };
    expect(await message(train(straight(), { ...base, task: short }))).toContain(
      'has 1 values, expected 2 of shape [2]',
    );
    const wide: Task = { ...regression, loss: (answer) => answer };
    expect(await message(train(straight(), { ...base, task: wide }))).toContain('should be a scalar or [32]');
    expect(await message(train(straight(), { ...base, task: regression, validation: data }))).toContain(
      'the task "sums" does not know',
    );
    expect(await message(train(straight(), { ...base, task: regression, smoothing: 0.1 }))).toContain('smoothing');
    const early = net({ input: [4], onWarning: () => {} }, (x) => {
      const head = (y: Tensor) => linear(y, 2);
      return head(relu(linear(exit(x, { head }), 4)));
    });
    const taught = train(early, { ...base, task: regression, distill: { weight: 1, temperature: 2 } });
    expect(await message(taught)).toContain('class logits');
  });

  it('does not continue a training that had other targets', async () => {
    const checkpoint = join(root, 'other');
    const given = { ...options, data, epochs: 1, checkpoint, resume: true };
    await train(straight(), { ...given, task: regression });
    const other: Task = { ...regression, targets: { sums: { shape: [2], of: (i) => wanted(i).reverse() } } };
    expect(await message(train(straight(), { ...given, epochs: 2, task: other }))).toContain('the task');
  });
});
