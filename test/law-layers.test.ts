import { describe, expect, it } from 'vitest';
import {
  cut,
  decodeTrace,
  masked,
  type Net,
  net,
  parametersOf,
  select,
  sparse,
  traceKey,
} from '../src/dynamic/index.ts';
import { add, apply, Compress, cast, fresh, input, ndarray, reshape, type Tensor } from '../src/graph/index.ts';
import {
  channelSaliency,
  classify,
  classToken,
  conv,
  deformableConv,
  gate,
  layerNorm,
  mixtureConv,
  multiHeadAttention,
  patchEmbed,
  pooled,
  positionEmbedding,
  routing,
  takeToken,
  transformerLayer,
} from '../src/nn/index.ts';
import { vit } from '../src/zoo/index.ts';
import { randomInput, randomWeights } from './support/build-net.ts';
import { bytesOf, executed, executedMacs, open, outputsOf, row, rowDifference, runAll } from './support/run.ts';

const score = (x: Tensor): Tensor => reshape(gate(x), [0]);
const skip = (x: Tensor, run: (x: Tensor) => Tensor, by: Tensor = x): Tensor =>
  select({ score: score(by), options: { skip: () => x, run: () => run(x) }, family: 'skip', name: 'choice' });

const image = { input: [3, 8, 8], classes: 3 };
const embedded = (x: Tensor): Tensor => positionEmbedding(classToken(patchEmbed(x, 8, { patch: 4 })));
const answer = (tokens: Tensor): Tensor => classify(layerNorm(takeToken(tokens)), { classes: 3 });

/** Nets with a region of each new layer. */
const nets: Record<string, () => Net> = {
  'a transformer layer': () =>
    net(image, (x) => answer(skip(embedded(x), (t) => transformerLayer(t, { heads: 2, ratio: 2 })))),
  'attention under a mask and a head gate of the row': () =>
    net(image, (x) => {
      const tokens = embedded(x);
      const headGate = routing(tokens, 2);
      const mask = routing(x, 5, { activation: 'sigmoid' });
      return answer(skip(tokens, (t) => add(t, multiHeadAttention(t, { heads: 2, headGate, mask }))));
    }),
  'patches, class token and positions': () =>
    net(image, (x) => {
      const cheap = pooled(x);
      return select({
        score: score(x),
        options: { skip: () => classify(cheap), run: () => answer(transformerLayer(embedded(x), { heads: 2 })) },
        name: 'choice',
      });
    }),
  'a deformable convolution': () =>
    net(image, (x) => classify(skip(conv(x, 4), (t) => deformableConv(t, 4, { norm: 'batch', activation: 'relu' })))),
  'a kernel mixture': () =>
    net(image, (x) =>
      classify(skip(conv(x, 4), (t) => mixtureConv(t, 4, { kernels: 3, weights: routing(t, 3), norm: 'batch' }))),
    ),
  'saliency and a gate': () =>
    net(image, (x) =>
      classify(skip(pooled(conv(x, 4)), (t) => add(channelSaliency(t, 4), gate(t, { outputs: 4 })), x)),
    ),
};

/** Weights with offsets, gates and tokens away from their start, so that rows differ. */
const restless = (made: Net): ReturnType<typeof randomWeights> => {
  const weights = randomWeights(made, 3);
  for (const { name } of parametersOf(made)) {
    const data = weights.get(name)!.data as Float32Array;
    if (/offset\/weight$|gate1\/weight$/.test(name))
      for (let i = 0; i < data.length; i++) data[i] = Math.sin(12.9898 * (i + 1));
  }
  return weights;
};

describe('layers inside a region', () => {
  it.each(Object.entries(nets))(
    '%s: sparse, masked and static forms agree, for all, some and no rows',
    async (_, make) => {
      const made = make();
      const weights = restless(made);
      const x = randomInput(made, 6, 4);
      const key = traceKey(made);
      const scores = await scoresOf(made, weights, x);
      const sorted = [...scores].sort((a, b) => a - b);
      const middle = (sorted[2]! + sorted[3]!) / 2;
      for (const [threshold, run] of [
        [sorted[0]! - 1, 6],
        [middle, 3],
        [sorted[5]! + 1, 0],
      ] as const) {
        const thresholds = { choice: threshold };
        const [want] = await runAll(outputsOf(masked(made, thresholds)), weights, [x], 'disabled');
        const taken = decodeTrace(want!.trace!, key).map(({ rows }) => rows[0]!.value);
        expect(taken.filter((v) => v === 1).length).toBe(run);
        for (const level of ['disabled', 'all'] as const) {
          const [got] = await runAll(outputsOf(sparse(made, thresholds)), weights, [x], level);
          expect(decodeTrace(got!.trace!, key).map(({ rows }) => rows[0]!.value)).toEqual(taken);
          for (let r = 0; r < 6; r++) expect(rowDifference(want!.output!, got!.output!, r)).toBeLessThan(1e-4);
          const alone = await runAll(
            outputsOf(sparse(made, thresholds, { form: 'branch' })),
            weights,
            [row(x, 0)],
            level,
          );
          expect(rowDifference(want!.output!, alone[0]!.output!, 0)).toBeLessThan(1e-4);
        }
        for (const [k, option] of ['skip', 'run'].entries()) {
          const fixed = await runAll({ output: cut(made, { choice: option }).output }, weights, [x]);
          for (const [r, value] of taken.entries())
            if (value === k) expect(rowDifference(want!.output!, fixed[0]!.output!, r)).toBeLessThan(1e-4);
        }
      }
    },
  );

  it.each(Object.entries(nets))('%s: the MACs that the trace tells are those executed', async (_, make) => {
    const made = make();
    const weights = restless(made);
    const x = randomInput(made, 4, 4);
    const sorted = (await scoresOf(made, weights, x)).sort((a, b) => a - b);
    const lowered = outputsOf(sparse(made, { choice: (sorted[1]! + sorted[2]!) / 2 }));
    const [ran] = await runAll(lowered, weights, [x], 'disabled');
    const total = decodeTrace(ran!.trace!, traceKey(made)).reduce((sum, t) => sum + t.macs, 0);
    expect(executedMacs(await executed(bytesOf(lowered, weights), x))).toBe(total);
  });
});

/** The score of each row: what a threshold is compared with. */
async function scoresOf(
  made: Net,
  weights: ReturnType<typeof randomWeights>,
  x: ReturnType<typeof randomInput>,
): Promise<number[]> {
  const join = selectOf(made);
  const [ran] = await runAll({ score: join }, weights, [x]);
  return Array.from(ran!.score!.data as Float32Array);
}

function selectOf({ output }: Net): Tensor {
  const walk = (t: Tensor): Tensor | undefined =>
    t.node.op.name === 'Select' ? t.node.inputs[0] : t.node.inputs.map((i) => i && walk(i)).find((found) => found);
  return walk(output)!;
}

it('one input may keep any number of its tokens: what is kept is what a mask would give', async () => {
  const made = net(image, (x) => answer(transformerLayer(embedded(x), { heads: 2, ratio: 2 })));
  const weights = randomWeights(made, 3);
  const kept = input('kept', [5], 'bool');
  const form = (fewer: boolean) =>
    fresh(() => {
      const tokens = embedded(input('input', [1, 3, 8, 8]));
      if (!fewer)
        return answer(transformerLayer(tokens, { heads: 2, ratio: 2, mask: reshape(cast(kept, 'float32'), [1, 5]) }));
      const few = apply(Compress, [tokens, kept], { axis: 1, rows: 'kept' });
      expect(few.shape).toEqual([1, 'kept', 8]);
      return answer(transformerLayer(few, { heads: 2, ratio: 2 }));
    });
  const sessions = [await open({ y: form(true) }, weights, 'all'), await open({ y: form(false) }, weights, 'all')];
  try {
    const seen: number[] = [];
    for (const keep of [
      [1, 1, 1, 1, 1],
      [1, 0, 1, 0, 0],
      [1, 0, 0, 0, 0],
    ]) {
      const feeds = { input: randomInput(made, 1, 5), kept: ndarray('bool', [5], keep) };
      const [few, all] = await Promise.all(sessions.map(async (s) => (await s.run(feeds)).y!));
      expect(rowDifference(all!, few!, 0)).toBeLessThan(1e-5);
      seen.push(Number(all!.data[0]));
    }
    expect(new Set(seen).size).toBe(3);
  } finally {
    for (const session of sessions) await session.close();
  }
});

describe('vit', () => {
  it('is a net for small images whose rows do not mix', async () => {
    const made = vit({ input: [3, 16, 16], classes: 5 }, { dim: 16, depth: 2, heads: 2 });
    expect(made.output.shape).toEqual(['N', 5]);
    const weights = randomWeights(made, 1);
    const x = randomInput(made, 3, 2);
    const [whole, alone] = await runAll({ output: made.output }, weights, [x, row(x, 1)]);
    expect(rowDifference(whole!.output!, alone!.output!, 1, 0)).toBeLessThan(1e-5);
    const [none] = await runAll({ output: made.output }, weights, [
      { ...x, dims: [0, 3, 16, 16], data: new Float32Array(0) },
    ]);
    expect(none!.output!.dims).toEqual([0, 5]);
  });

  it('refuses what does not divide', () => {
    const task = { input: [3, 32, 32], classes: 10 };
    expect(() => vit(task, { dim: 10, heads: 4 })).toThrow(/4 heads do not divide a width of 10/);
    expect(() => vit(task, { patch: 5 })).toThrow(/32 x 32 pixels do not divide into patches of 5 x 5/);
  });
});
