import { classify, dataset, mixture, type Net, net } from 'dynaneural';
import { encodeModel, type NDArray, ndarray, sizeOf, toOnnx } from 'dynaneural/graph';
import { deformableConv, materialize, paramsOf, routing } from 'dynaneural/nn';
import { compile } from 'dynaneural/runtime';
import { beforeAll, describe, expect, it } from 'vitest';
import { silent } from '../../src/progress.ts';
import type { Context } from '../shared/context.ts';
import { type Chosen, chosenOn, constantChoices, dealt } from './choices.ts';

const spec = (side: number) => ({ input: [3, side, side], classes: 4, onWarning: () => {} });
const mixing = net(spec(4), (x) =>
  classify(
    mixture(x, 8, {
      kernels: 3,
      weights: (t) => routing(t, 3, { activation: 'sigmoid', hidden: 0, name: 'routing' }),
      name: 'mix',
    }),
  ),
);
/** One pixel: what is chosen at all of its positions is one choice. */
const looking = net(spec(1), (x) => classify(deformableConv(x, 8, { name: 'look' })));

function weightsOf(made: Net): Map<string, NDArray> {
  const weights = new Map(materialize(paramsOf([made.output]), 3));
  // Offsets and modulations that differ from input to input.
  for (const [name, { dims, data }] of weights)
    if (name.includes('offset'))
      weights.set(
        name,
        ndarray(
          'float32',
          dims,
          Float32Array.from(data as Float32Array, (_, i) => 0.4 * Math.sin(7 * i + 1)),
        ),
      );
  return weights;
}

const cx: Context = { quick: true, seeds: [1], cache: '', progress: silent, note: () => {} };
const imagesOf = ({ spec: { input } }: Net, n: number) =>
  dataset({
    inputs: Float32Array.from(
      { length: n * sizeOf(input) },
      (_, i) => 2 * Math.sin(1.7 * i) + Math.cos(5 * Math.floor(i / sizeOf(input))),
    ),
    shape: [...input],
    labels: Array.from({ length: n }, (_, i) => i % 4),
    classes: [...'abcd'],
  });

async function logits(made: Net, weights: ReadonlyMap<string, NDArray>, images: ReturnType<typeof imagesOf>) {
  const runner = await compile(encodeModel(toOnnx({ logits: made.output }, { weights })));
  try {
    const x = ndarray('float32', [images.length, ...images.shape], images.inputs as Float32Array);
    const { data } = (await runner.run({ input: x })).logits!;
    return Array.from({ length: images.length }, (_, i) => [...(data as Float32Array).subarray(4 * i, 4 * i + 4)]);
  } finally {
    await runner.close();
  }
}

describe.each([
  ['weights', mixing],
  ['places', looking],
] as const)('choices: %s', (kind, made) => {
  const weights = weightsOf(made);
  const three = imagesOf(made, 3);
  const only = (i: number) => {
    const size = three.inputs.length / 3;
    return { ...imagesOf(made, 1), inputs: three.inputs.slice(i * size, (i + 1) * size) };
  };

  const chosen = new Map<string, readonly Chosen[]>();
  beforeAll(async () => {
    for (const [name, data] of [
      ['all', three],
      ['second', only(1)],
      ['third', only(2)],
    ] as const)
      chosen.set(name, await chosenOn(cx, 'choices', { net: made, weights }, data));
  }, 60_000);

  it('are gathered over a set, and can be held at their mean', async () => {
    const [all, second] = [chosen.get('all')!, chosen.get('second')!];
    expect(all).toMatchObject([{ kind }]);
    expect(Math.max(...all[0]!.moments.sd)).toBeGreaterThan(0.02);
    // The mean of one image's choices is its own choice.
    const own = await logits(made, weights, only(1));
    const held = await logits(made, constantChoices(weights, second), only(1));
    for (const [i, v] of own[0]!.entries()) expect(held[0]![i]).toBeCloseTo(v, 4);
  });

  it('of the mirror image are dealt to each', async () => {
    const own = await logits(made, weights, three);
    const others = await logits(dealt(made), weights, three);
    const [first] = await logits(made, constantChoices(weights, chosen.get('third')!), only(0));
    for (const [k, v] of first!.entries()) expect(others[0]![k]).toBeCloseTo(v, 4);
    for (const [k, v] of own[1]!.entries()) expect(others[1]![k]).toBeCloseTo(v, 4);
    expect(Math.abs(own[0]![0]! - others[0]![0]!)).toBeGreaterThan(1e-3);
  });
});

it('mixtures have entropies and a strongest kernel', async () => {
  const weights = weightsOf(mixing);
  const images = imagesOf(mixing, 5);
  const [{ entropy, strongest, moments, positions }] = (await chosenOn(
    cx,
    'choices',
    { net: mixing, weights },
    images,
  )) as [Chosen];
  expect(positions).toBe(1);
  expect(moments.mean).toHaveLength(3);
  expect(strongest).toHaveLength(5);
  // Entropy is concave: mixing the mixtures can only add to it.
  expect(entropy!.ofMean).toBeGreaterThan(entropy!.mean);
  expect(entropy!.ofMean).toBeLessThanOrEqual(Math.log2(3));
});
