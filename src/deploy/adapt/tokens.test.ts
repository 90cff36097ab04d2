import { beforeAll, describe, expect, it } from 'vitest';
import { type Dataset, takeBatch } from '../../data/index.ts';
import { argmaxAt, type Net } from '../../dynamic/index.ts';
import { encodeModel, input, type NDArray, ndarray, substitute, toOnnx } from '../../graph/index.ts';
import { adamW } from '../../nn/index.ts';
import { compile } from '../../runtime/index.ts';
import { train } from '../../train/index.ts';
import { vit } from '../../zoo/index.ts';
import { load } from '../load.ts';
import { adapt } from './adapt.ts';
import { exported, images, shape } from './fixtures/classifier.ts';
import { readForeign } from './foreign.ts';
import { head, pool } from './head.ts';
import { planExits } from './plan.ts';

const session = { intraOpNumThreads: 1 };
let made: { net: Net; weights: ReadonlyMap<string, NDArray> };
let data: Dataset;
let fresh: Dataset;
beforeAll(async () => {
  const net = vit({ input: shape, classes: 4 }, { patch: 4, dim: 24, depth: 4, heads: 2 });
  made = await train(net, { data: images(1024, 1), epochs: 3, optimizer: adamW(), lr: 3e-3, session });
  data = images(700, 5);
  fresh = images(300, 6);
});

describe('a vision transformer', () => {
  it('has places for exits where its blocks join, and heads on its tokens', () => {
    const foreign = readForeign(exported(made));
    const { places, exits } = planExits(foreign);
    expect(places.length).toBeGreaterThan(3);
    for (const p of places) {
      expect(p.shape).toEqual([17, 24]);
      expect(p.head).toMatchObject({ kind: 'tokens', pooled: [48], width: 0 });
    }
    expect(exits[0]!.share).toBeGreaterThan(0.1);
  });

  it('pools the first token and the mean of all', async () => {
    const x = input('x', ['N', 3, 2]);
    const plan = { kind: 'tokens', pooled: [4], width: 0, classes: 5, macs: 0 } as const;
    const runner = await compile(encodeModel(toOnnx({ y: pool(x, plan) })));
    const values = Float32Array.of(1, 2, 3, 5, 8, 11);
    const { y } = await runner.run({ x: ndarray('float32', [1, 3, 2], values) });
    await runner.close();
    expect([y!.dims, [...y!.data]]).toEqual([
      [1, 4],
      [1, 2, 4, 6],
    ]);
    const [logits] = substitute([head(input('f', ['N', 4]), plan)], new Map());
    expect(logits!.shape).toEqual(['N', 5]);
  });

  it.each([
    ['an open batch', {}],
    ['a batch of 1', { batch: 1 }],
  ])('with %s becomes dynamic, for one image and many', async (_name, form) => {
    const original = exported(made, form);
    const { bytes, summary } = await adapt(original, {
      ...{ data, maxDisagreement: 0.3, epochs: 4, views: 1, exits: 1, selectBy: 'macs', session },
      // A class token that is repeated for each image has to be trained in batches too.
      ...('batch' in form ? { tune: { epochs: 1 } } : {}),
    });
    expect(summary.fullModelKept).toBe(false);
    const all = takeBatch(
      fresh,
      Int32Array.from({ length: fresh.length }, (_, i) => i),
    ).x;
    const model = await load(bytes);
    const { answers } = await model.run(all);
    const first = await model.run({ ...all, dims: [1, ...shape], data: all.data.slice(0, 256) });
    await model.close();
    expect(first.answers[0]!.index).toBe(answers[0]!.index);
    expect(new Set(answers.map((a) => a.exit)).size).toBe(2);
    const runner = await compile(exported(made));
    const { scores } = await runner.run({ image: all });
    await runner.close();
    const apart = answers.filter((a, i) => a.index !== argmaxAt(scores!.data as Float32Array, 4 * i, 4)).length;
    expect(apart / fresh.length).toBeLessThanOrEqual(0.3);
  });
});
