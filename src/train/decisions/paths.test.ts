import { expect, test } from 'vitest';
import { everyWidth, experts, net, widths } from '../../dynamic/index.ts';
import { classify, conv, dropout, linear, pooled, sgd } from '../../nn/index.ts';
import { train } from '../fit.ts';
import { halves } from '../fixtures/tiny.ts';
import { gumbel, loadBalance, macTarget } from './index.ts';

const slim = () =>
  net({ input: [1, 8, 8], classes: 2 }, (x) => {
    x = conv(x, 8, { norm: 'batch', activation: 'relu' });
    x = widths(x, [1, 0.5, 0.25], (t, share) =>
      conv(conv(t, 8 * share, { activation: 'relu' }), 8, { activation: 'relu' }),
    );
    return classify(x);
  });

test('every width of one set of weights learns, and each is a path of its own in the metrics', async () => {
  const made = slim();
  const paths = everyWidth(made);
  expect(paths).toEqual([{ width1: 'x1' }, { width1: 'x0.5' }, { width1: 'x0.25' }]);
  const trained = await train(made, {
    data: halves(1280, 1),
    validation: halves(400, 2),
    epochs: 3,
    batch: 32,
    paths,
    distill: { weight: 1, temperature: 1 },
  });
  const { accuracy, validation } = trained.history.at(-1)!;
  expect(Object.keys(accuracy)).toEqual(['final@x0.25', 'final@x0.5', 'final@x1']);
  for (const name of Object.keys(accuracy)) expect(validation![name]).toBeGreaterThan(0.9);
});

test('paths that name nothing of the net are refused', async () => {
  const options = { data: halves(64, 1), epochs: 1, batch: 32 };
  expect(() => everyWidth(slim(), 'depth')).toThrow('no decision of the family "depth"');
  await expect(train(slim(), { ...options, paths: [{ width1: 'x2' }] })).rejects.toThrow('has no option "x2"');
  await expect(train(slim(), { ...options, paths: [] })).rejects.toThrow('at least one path, got none');
});

test('the best two experts run in training too, and are kept busy by their shares of the softmax', async () => {
  const made = net({ input: [1, 8, 8], classes: 2 }, (x) => {
    x = conv(x, 8, { norm: 'batch', activation: 'relu' });
    const list = [1, 2, 3, 4].map(() => (t: typeof x) => conv(t, 8, { activation: 'relu' }));
    const router = (t: typeof x) => linear(pooled(dropout(t, { rate: 0.1 })), 4, { name: 'router' });
    return classify(experts(x, list, { top: 2, router }));
  });
  const rates = async (weight: number) => {
    const { history } = await train(made, {
      ...{ data: halves(1280, 1), epochs: 4, batch: 32, optimizer: sgd({ momentum: 0.9 }), lr: 0.05 },
      ...{ decisions: gumbel(), cost: loadBalance(weight) },
    });
    const { rate, cost } = history.at(-1)!;
    expect(cost).toBeCloseTo(1, 5);
    return Object.entries(rate!).flatMap(([name, r]) => (name.endsWith('/run') ? [r] : []));
  };
  const [free, balanced] = [await rates(0), await rates(1)];
  for (const all of [free, balanced]) expect(all.reduce((a, b) => a + b)).toBeCloseTo(2, 4);
  expect(Math.max(...balanced) - Math.min(...balanced)).toBeLessThan(Math.max(...free) - Math.min(...free));
  await expect(train(made, { data: halves(64, 1), epochs: 1, batch: 32, cost: macTarget(0.5) })).rejects.toThrow(
    /cannot move "experts1\/expert1\/choice": how much it takes is part of the net/,
  );
});

test('load balance keeps all experts busy', async () => {
  const made = () =>
    net({ input: [1, 8, 8], classes: 2 }, (x) => {
      x = conv(x, 8, { norm: 'batch', activation: 'relu' });
      const list = [1, 2, 3, 4].map(() => (t: typeof x) => conv(t, 8, { activation: 'relu' }));
      return classify(experts(x, list, { router: (t) => linear(pooled(t), 4, { name: 'router' }) }));
    });
  const usage = async (weight: number) => {
    const { history } = await train(made(), {
      data: halves(1280, 1),
      epochs: 4,
      batch: 32,
      optimizer: sgd({ momentum: 0.9 }),
      lr: 0.05,
      cost: loadBalance(weight),
    });
    return Object.values(history.at(-1)!.rate!);
  };
  const [free, balanced] = [await usage(0), await usage(1)];
  expect(free.reduce((a, b) => a + b)).toBeCloseTo(1, 4);
  expect(Math.min(...balanced)).toBeGreaterThan(0.15);
  expect(Math.max(...balanced)).toBeLessThan(Math.max(...free));
});
