import { beforeAll, expect, it } from 'vitest';
import {
  type Dataset,
  dataset,
  fashionMnist,
  locateDataset,
  mnist,
  type Split,
  subset,
  takeBatch,
} from '../../data/index.ts';
import { argmaxAt, net } from '../../dynamic/index.ts';
import { classify, conv, residual } from '../../nn/index.ts';
import { compile } from '../../runtime/index.ts';
import { train } from '../../train/index.ts';
import { load } from '../load.ts';
import { adapt } from './adapt.ts';
import { exported } from './fixtures/classifier.ts';

const session = { intraOpNumThreads: 1 };

/** Clothes, where they are on this machine; else digits, which come with a package. */
const open = (part: Split): Promise<Dataset> => (locateDataset('fashion-mnist') ? fashionMnist : mnist)(part);

const range = (ds: Dataset, from: number, to: number): Dataset =>
  subset(
    ds,
    Int32Array.from({ length: to - from }, (_, i) => from + i),
  );

let original: Uint8Array;
let typical: Dataset;
let fresh: Dataset;
beforeAll(async () => {
  const known = await open('train');
  const small = net({ input: [1, 28, 28], classes: 10 }, (x) => {
    x = conv(x, 8, { stride: 2, norm: 'batch', activation: 'relu' });
    x = residual(residual(x, 8), 16, { stride: 2 });
    return classify(residual(x, 24, { stride: 2 }));
  });
  original = exported(await train(small, { data: range(known, 0, 3000), epochs: 2, lr: 0.05, session }));
  const { inputs, shape, mean, std } = range(known, 10_000, 12_000);
  typical = dataset({ inputs, shape, mean, std, name: 'without labels' });
  fresh = range(await open('test'), 0, 1000);
});

it('a net for real images, known only as a file, answers as before on images that nobody has seen', async () => {
  const bound = 0.05;
  const { bytes, summary } = await adapt(original, {
    ...{ data: typical, maxDisagreement: bound, selectBy: 'macs' },
    ...{ epochs: 4, views: 1, session },
  });
  expect(summary).toMatchObject({ fullModelKept: false, claim: { risk: 'disagreement', epsilon: bound } });
  expect(summary.meanMacs).toBeLessThan(0.95 * summary.originalMacs);

  const { x } = takeBatch(
    fresh,
    Int32Array.from({ length: fresh.length }, (_, i) => i),
  );
  const before = await compile(original, session);
  const logits = (await before.run({ image: x })).scores!.data as Float32Array;
  await before.close();
  const dynamic = await load(bytes, { session });
  const { answers } = await dynamic.run(x);
  await dynamic.close();
  const wanted = Array.from({ length: fresh.length }, (_, i) => argmaxAt(logits, 10 * i, 10));
  const right = wanted.filter((a, i) => a === fresh.labels[i]).length / fresh.length;
  expect(right).toBeGreaterThan(0.6); // the original knows something
  const apart = answers.filter((a, i) => a.index !== wanted[i]).length / fresh.length;
  expect(apart).toBeLessThanOrEqual(bound);
  expect(answers.filter((a) => a.exit !== 'final').length / fresh.length).toBeGreaterThan(0.1);
});
