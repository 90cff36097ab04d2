import { beforeAll, describe, expect, it } from 'vitest';
import { takeBatch } from '../../data/index.ts';
import {
  cut,
  decisionsOf,
  gateSettings,
  laptop,
  type Model,
  net,
  parametersOf,
  settingAnswers,
} from '../../dynamic/index.ts';
import { encodeModel, maxPool, type NDArray, type Tensor, toOnnx } from '../../graph/index.ts';
import { classify, conv, residual } from '../../nn/index.ts';
import { compile } from '../../runtime/index.ts';
import { train } from '../../train/index.ts';
import { vit } from '../../zoo/index.ts';
import { load } from '../load.ts';
import { toBytes } from '../save.ts';
import { adapt } from './adapt.ts';
import { assessGates } from './assess.ts';
import { type Claim, goalOf } from './claim.ts';
import { exported, images, shape } from './fixtures/classifier.ts';
import { type Foreign, readForeign } from './foreign.ts';
import { trainGates } from './gates.ts';
import { prove } from './prove.ts';
import { referenceAnswers } from './reference.ts';
import { skipPlaces, withSkips } from './skips.ts';

const session = { intraOpNumThreads: 1 };

/** Three blocks of 2.7 M MACs each: together enough for a gate. */
const body = (x: Tensor, blocks: readonly string[]): Tensor => {
  x = conv(x, 24, { norm: 'batch', activation: 'relu', name: 'stem' });
  for (const name of blocks) x = residual(x, 24, { name });
  return classify(maxPool(x, [4, 4], { stride: [4, 4] }), { name: 'answer' });
};
const made = (blocks: readonly string[]) => net({ input: shape, classes: 4 }, (x) => body(x, blocks));

let foreign: Foreign;
let original: Uint8Array;
let weights: ReadonlyMap<string, NDArray>;
beforeAll(async () => {
  const trained = await train(made(['a', 'b', 'c']), { data: images(320, 1), epochs: 3, lr: 0.05, session });
  weights = trained.weights;
  original = exported(trained);
  foreign = readForeign(original);
}, 120_000);

async function logits(output: Tensor, values: ReadonlyMap<string, NDArray>, x: NDArray): Promise<Float32Array> {
  const runner = await compile(encodeModel(toOnnx({ logits: output }, { weights: values })), session);
  try {
    return (await runner.run({ [runner.inputs[0]!.name]: x })).logits!.data as Float32Array;
  } finally {
    await runner.close();
  }
}

describe('skipPlaces', () => {
  it('finds residual blocks and puts neighbours behind one gate', () => {
    const places = skipPlaces(foreign);
    const block = 2 * 9 * 24 * 24 * 256;
    expect(places.map((p) => p.blocks)).toEqual([3]);
    const total = 9 * 24 * 256 + 3 * block + 16 * 24 * 4;
    expect(places[0]!.share).toBeCloseTo((3 * block) / total, 2);
    expect(places[0]!.ratio).toBeCloseTo((3 * block) / laptop.macsPerMicrosecond / laptop.gateMicroseconds, 0);
  });

  it('finds attention and perceptrons of a transformer, and nothing in a plain net', () => {
    const transformer = vit({ input: shape, classes: 4 }, { patch: 2, dim: 64, depth: 4, heads: 2 });
    const random = new Map(
      parametersOf(transformer).map((p): [string, NDArray] => [
        p.name,
        { dtype: 'float32', dims: [...p.shape], data: new Float32Array(p.shape.reduce((a, b) => a * b, 1)).fill(0.01) },
      ]),
    );
    const found = skipPlaces(readForeign(exported({ net: transformer, weights: random })));
    expect(found.reduce((sum, p) => sum + p.blocks, 0)).toBe(8);
    expect(found.length).toBe(1);

    const plain = net({ input: shape, classes: 4 }, (x) => classify(conv(conv(x, 32), 32)));
    const none = new Map(
      parametersOf(plain).map((p): [string, NDArray] => [
        p.name,
        { dtype: 'float32', dims: [...p.shape], data: new Float32Array(p.shape.reduce((a, b) => a * b, 1)) },
      ]),
    );
    expect(skipPlaces(readForeign(exported({ net: plain, weights: none })))).toEqual([]);
  });
});

describe('a model with gates', () => {
  it('is the original where nobody skips, and the model without the blocks where all do', async () => {
    const places = skipPlaces(foreign);
    const gated = withSkips(foreign, places, 'gated');
    const { x } = takeBatch(images(8, 3), [0, 1, 2, 3, 4, 5, 6, 7]);
    const want = await logits(foreign.logits, foreign.weights, x);
    const { name } = decisionsOf(gated)[0]!;
    const runs = await logits(cut(gated, { [name]: 'run' }).output, foreign.weights, x);
    for (const [i, v] of runs.entries()) expect(v).toBeCloseTo(want[i]!, 4);
    const short = await logits(cut(made([]), {}).output, weights, x);
    const skips = await logits(cut(gated, { [name]: 'skip' }).output, foreign.weights, x);
    for (const [i, v] of skips.entries()) expect(v).toBeCloseTo(short[i]!, 4);
  });

  it('is trained, assessed and certified against the original, and the file keeps what was certified', async () => {
    const places = skipPlaces(foreign);
    const gated = withSkips(foreign, places, 'gated');
    const typical = images(512, 5);
    const data = { ...typical, labels: await referenceAnswers(foreign, typical, { session }) };
    const { mean, std } = data;
    const common = { classes: foreign.classes, preprocessing: { shape, scale: 1 / 255, mean, std } };
    const whole: Model = {
      ...common,
      net: { ...gated, input: foreign.input, output: foreign.logits },
      weights: foreign.weights,
    };
    const seen: number[] = [];
    const values = await trainGates(
      { original: whole, start: { ...common, net: gated, weights: foreign.weights }, places, images: data },
      { epochs: 5, seed: 1, session, onProgress: (p) => seen.push(p.cost ?? Number.NaN) },
    );
    expect(seen.at(-1)!).toBeLessThan(0.9);
    const model: Model = {
      ...common,
      net: gated,
      weights: new Map(parametersOf(gated).map((p) => [p.name, values.get(p.name)!])),
    };
    const claim: Claim = { risk: 'disagreement', epsilon: 0.4, delta: 0.1 };
    const refer = async (n: number, seed: number) => {
      const held = images(n, seed);
      return { images: held, reference: await referenceAnswers(foreign, held, { session }) };
    };
    const macs = (await gateSettings(model, data, { session })).macs.at(-1)!;
    const tuning = await refer(200, 21);
    const found = await assessGates(model, tuning, goalOf(claim, 400), { session });
    const { risk, epsilon } = claim;
    const { reference } = tuning;
    const settings = await gateSettings(model, tuning.images, { session, risk, epsilon, reference });
    for (const [i, p] of found.path.entries()) {
      if (i > 0) expect(p.cost).toBeLessThan(found.path[i - 1]!.cost);
      const at = settings.macs.findIndex((m) => Math.abs(m - p.cost) < 1);
      const answers = settingAnswers(settings, at);
      expect(p.risk).toBeCloseTo(answers.filter((a, k) => a !== tuning.reference[k]).length / 200, 9);
    }
    const {
      model: certified,
      certificate,
      meanMacs,
    } = await prove(found, await refer(400, 22), claim, macs, { session });
    expect(certificate.fullModelKept).toBe(false);
    expect(meanMacs).toBeLessThan(macs);

    const fresh = await refer(400, 23);
    const net = await load(toBytes(certified!), { session });
    try {
      const { answers, trace } = await net.run(
        takeBatch(
          fresh.images,
          Int32Array.from({ length: 400 }, (_, i) => i),
        ).x,
      );
      const differ = answers.filter((a, i) => a.index !== fresh.reference[i]).length / 400;
      expect(differ).toBeLessThanOrEqual(0.45);
      const mean = trace.reduce((sum, t) => sum + t.macs, 0) / 400;
      expect(mean / meanMacs).toBeGreaterThan(0.8);
      expect(mean / meanMacs).toBeLessThan(1.2);
    } finally {
      await net.close();
    }
  }, 120_000);

  it('is one of the ways that adapt tries, where it is asked to and the model is tuned', async () => {
    const stages = new Set<string>();
    const macs = { selectBy: 'macs' } as const;
    const options = {
      data: images(240, 8),
      maxDisagreement: 0.3,
      epochs: 2,
      views: 1,
      session,
      seed: 1,
      ...macs,
    } as const;
    const { summary } = await adapt(original, {
      ...options,
      tune: { epochs: 1 },
      skips: true,
      onProgress: (stage) => stages.add(stage),
    });
    expect(Object.keys(summary.tried)).toEqual(['frozen', 'tuned', 'tuned, then original', 'skips']);
    expect(stages).toContain('gates');
    expect(summary.notes.join()).toContain('a gate was tried before 3 blocks');
    await expect(adapt(original, { ...options, skips: true })).rejects.toThrow('skips were asked for without tune');
  }, 120_000);
});
