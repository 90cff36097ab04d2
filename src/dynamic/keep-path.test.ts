import { beforeAll, describe, expect, it } from 'vitest';
import { randomInput, randomWeights } from '../../test/support/build-net.ts';
import { largestDifference } from '../../test/support/difference.ts';
import { outputsOf, runAll } from '../../test/support/run.ts';
import { dataset } from '../data/index.ts';
import type { Tensor } from '../graph/index.ts';
import {
  classify,
  classToken,
  gate,
  layerNorm,
  patchEmbed,
  positionEmbedding,
  takeToken,
  transformerLayer,
} from '../nn/index.ts';
import { keepChannels, keepTokens, mixture, skip } from './blocks/index.ts';
import { certify } from './calibrate.ts';
import { exitCosts } from './exit-costs.ts';
import { fullThresholds } from './forced.ts';
import { argmaxAt } from './logits.ts';
import { masked } from './lower/masked.ts';
import { sparse } from './lower/sparse.ts';
import { cut } from './lower/static.ts';
import type { CertifiedModel, Model, Point } from './model.ts';
import { exit, net } from './net.ts';
import { decodeTrace, traceKey } from './trace.ts';
import { decisionsOf, type Net } from './traced.ts';

const image = { input: [3, 8, 8], classes: 3, onWarning() {} };
const embedded = (x: Tensor): Tensor => positionEmbedding(classToken(patchEmbed(x, 6, { patch: 2 })));
const head = (t: Tensor): Tensor => classify(layerNorm(takeToken(t)));
const layer = (t: Tensor, mask: Tensor): Tensor => transformerLayer(t, { heads: 2, ratio: 1, mask });

const nets: Readonly<Record<string, Net>> = {
  'tokens by count': net(image, (x) => {
    const kept = keepTokens(embedded(x), { count: 9 });
    return head(layer(kept.tokens, kept.mask));
  }),
  'tokens by threshold': net(image, (x) => {
    const kept = keepTokens(embedded(x), { threshold: 0 });
    return head(layer(kept.tokens, kept.mask));
  }),
  channels: net(image, (x) => {
    for (const width of [8, 6]) x = keepChannels(x, width, { keep: 0.5 });
    return classify(x);
  }),
  'tokens and a skipped layer': net(image, (x) => {
    const kept = keepTokens(embedded(x), { count: 9 });
    const t = skip(kept.tokens, (u) => layer(u, kept.mask), { gate: (u) => gate(takeToken(u), { bias: [0] }) });
    return head(layer(t, kept.mask));
  }),
  'tokens before an exit': net(image, (x) => {
    const kept = keepTokens(embedded(x), { count: 12 });
    const t = exit(layer(kept.tokens, kept.mask), { head });
    return head(layer(t, kept.mask));
  }),
};

const ROWS = 200;
const [TUNE, HELD] = [1, 2];
const rowsOf = (made: Net, seed: number, rows = ROWS) =>
  dataset({
    inputs: randomInput(made, rows, seed).data as Float32Array,
    shape: made.spec.input,
    classes: ['a', 'b', 'c'],
  });
const modelOf = (made: Net): Model => ({
  ...{ net: made, weights: randomWeights(made, 1), classes: ['a', 'b', 'c'] },
  preprocessing: { shape: made.spec.input, scale: 1, mean: [0], std: [1] },
});
const claim = { risk: 'disagreement', epsilon: 0.3, delta: 0.1 } as const;
const answersIn = (logits: ArrayLike<number | bigint>, rows = ROWS): number[] =>
  Array.from({ length: rows }, (_, i) => argmaxAt(logits as Float32Array, 3 * i, 3));

describe.each(Object.entries(nets))('a certified net: %s', (name, made) => {
  const model = modelOf(made);
  const x = randomInput(made, ROWS, HELD);
  let certified: CertifiedModel;
  let plain: readonly number[];
  beforeAll(async () => {
    certified = await certify(model, { ...claim, tune: rowsOf(made, TUNE), data: rowsOf(made, HELD) });
    const [ran] = await runAll({ output: cut(made).output }, certified.weights, [x]);
    plain = answersIn(ran!.output!.data);
  });

  it('has a path that gets cheaper at every step, and certified points on it', () => {
    const costs = certified.path.map((p) => p.cost);
    expect(costs[0]).toBe(exitCosts(made, 'branch').at(-1));
    for (const [i, c] of costs.entries()) if (i > 0) expect(c).toBeLessThan(costs[i - 1]!);
    expect(certified.points[0]).toMatchObject({ budget: 1, risk: 0, certified: true });
    expect(certified.points.filter((p) => p.certified).length).toBeGreaterThan(1);
    expect(certified.chosen.budget).toBeLessThan(0.95);
    expect(certified.certificate.fullModelKept).toBe(false);
  });

  it('starts from the plain path, bit for bit', async () => {
    expect(certified.points[0]!.thresholds).toEqual(fullThresholds(decisionsOf(made)));
    const logits = async (output: Tensor) =>
      (await runAll({ output }, certified.weights, [x], 'disabled'))[0]!.output!.data;
    const ran = await logits(sparse(made, certified.points[0]!.thresholds).output);
    const whole = await logits(cut(made).output);
    expect(answersIn(ran)).toEqual(plain);
    // Where batches only mask tokens, attention divides by a masked sum instead of a plain one.
    if (name === 'tokens by threshold') expect(largestDifference(ran, whole)).toBeLessThan(1e-5);
    else expect(ran).toEqual(whole);
  });

  it('says of its points what the masked net does: MACs in both forms of file, and how often it differs', async () => {
    for (const point of new Set([certified.chosen, certified.points[1]!, certified.points.at(-1)!])) {
      const [ran] = await runAll(outputsOf(masked(made, point.thresholds)), certified.weights, [x]);
      const share = (form: 'rows' | 'branch') =>
        decodeTrace(ran!.trace!, traceKey(made, form)).reduce((s, t) => s + t.macs, 0) /
        ROWS /
        exitCosts(made, form).at(-1)!;
      expect(share('branch')).toBeCloseTo(point.budget, 9);
      expect(share('rows')).toBeCloseTo(point.batched ?? point.budget, 9);
      if (!point.certified) continue;
      const differ = answersIn(ran!.output!.data).filter((a, i) => a !== plain[i]).length;
      expect(differ / ROWS).toBeCloseTo(point.risk, 9);
    }
  });

  it('says where batches save less', () => {
    const { batched, budget } = certified.chosen;
    if (name === 'channels') expect(batched).toBe(1);
    if (batched !== undefined) expect(batched).toBeGreaterThanOrEqual(budget);
    expect(certified.certificate.message.includes('in batches')).toBe(batched !== undefined);
  });

  it('refuses too few inputs, with the number that it takes', async () => {
    const few = { tune: rowsOf(made, TUNE, 20), data: rowsOf(made, HELD, 5) };
    await expect(certify(model, { ...claim, ...few })).rejects.toMatchObject({
      code: 'certificate',
      message: expect.stringMatching(/needs at least 7 inputs if none disagrees.*got 5/),
    });
  });
});

it('decisions beside exits stay where they were traced, and count as what they leave out', async () => {
  const made = nets['tokens before an exit']!;
  const certified = await certify(modelOf(made), { ...claim, tune: rowsOf(made, TUNE), data: rowsOf(made, HELD) });
  const tokens = (p: Point) => p.thresholds.tokens1;
  expect(certified.points.map(tokens)).toEqual([Number.POSITIVE_INFINITY, ...certified.points.slice(1).map(() => 12)]);
  // Nobody exits yet, and it differs already.
  expect(certified.points[1]).toMatchObject({ shares: [0, 1] });
  expect(certified.points[1]!.risk).toBeGreaterThan(0);
  for (const { shares } of certified.points) expect(shares[0]! + shares[1]!).toBeCloseTo(1, 12);
});

it('weights that are dropped save nothing, which is said', async () => {
  const made = net(image, (x) => classify(mixture(x, 4, { kernels: 3, threshold: 0.3 })));
  const splits = { tune: rowsOf(made, TUNE, 40), data: rowsOf(made, HELD, 40) };
  await expect(certify(modelOf(made), { ...claim, ...splits })).rejects.toThrow(
    /no setting of this net's decisions costs less than its full path/,
  );
});
