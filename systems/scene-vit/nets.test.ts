import { cut, masked, sparse } from 'dynaneural';
import { Random } from 'dynaneural/data';
import { decisionsOf, decodeTrace, ownThresholds, parametersOf, type Trace, traceKey } from 'dynaneural/dynamic';
import { encodeModel, type NDArray, ndarray, sizeOf, toOnnx } from 'dynaneural/graph';
import { materialize } from 'dynaneural/nn';
import { compile } from 'dynaneural/runtime';
import { describe, expect, it } from 'vitest';
import { macsOf, startOf } from '../shared/static.ts';
import { everything, movedBy, tokensMovedBy } from './answers.ts';
import { bitsOfWeather, sceneSpread, usesOf } from './choices.ts';
import { constantBytes, settingsOf } from './constants.ts';
import { FULL, QUICK, type Reads, sceneNet, staticNet, weatherNet } from './nets.ts';
import { dealt, dealtWithin, told, toldBytes } from './told.ts';

const COUNT = 12;
const random = new Random(3);
/** Noise, of another colour in each image: gates should have something to tell apart. */
const inputs = new Uint8Array(COUNT * 3072);
for (let at = 0; at < inputs.length; at += 1024) {
  const light = random.float();
  for (let i = at; i < at + 1024; i++) inputs[i] = light * random.int(256);
}
const images = {
  ...{ name: 'noise', shape: [3, 32, 32], labels: new Int32Array(COUNT), classes: ['a', 'b'], length: COUNT },
  ...{ inputs, mean: [0, 0, 0], std: [1, 1, 1] },
};
const input = (bytes: Uint8Array, channels: number): NDArray =>
  ndarray(
    'float32',
    [COUNT, channels, 32, 32],
    Float32Array.from(bytes, (v) => v / 255),
  );

/** Weights under which gates differ from image to image. */
function lively(reads: Reads): Map<string, NDArray> {
  const own = new Random(5);
  const made = materialize(parametersOf(sceneNet(QUICK, reads).training), 1);
  for (const [name, { dims }] of made)
    if (/policy\/weight|worth\/weight|weather\/weight/.test(name))
      made.set(
        name,
        floats(dims, () => 2 * own.normal()),
      );
    else if (name === 'policy/bias')
      made.set(
        name,
        floats(dims, () => 0.3),
      );
  return made;
}

/** Float32 numbers of a shape. */
const floats = (shape: readonly number[], of: () => number): NDArray =>
  ndarray('float32', [...shape], Array.from({ length: sizeOf(shape) }, of));

async function run(bytes: Uint8Array, x: NDArray): Promise<Record<string, NDArray>> {
  const runner = await compile(bytes);
  try {
    return await runner.run({ input: x });
  } finally {
    await runner.close();
  }
}
const apart = (a: NDArray, b: NDArray): number =>
  Math.max(...Array.from(a.data as Float32Array, (v, i) => Math.abs(v - Number(b.data[i]))));

/** The masked reference of a net, with its traces. */
async function reference(reads: Reads) {
  const net = sceneNet(QUICK, reads).deployed;
  const weights = lively(reads);
  const { output, trace } = masked(net, ownThresholds(decisionsOf(net)));
  const out = await run(encodeModel(toOnnx({ logits: output, trace: trace! }, { weights })), input(images.inputs, 3));
  return { net, weights, logits: out.logits!, traces: decodeTrace(out.trace!, traceKey(net, 'branch')) };
}

describe('the scene-adaptive transformer', () => {
  it('has layers, heads and tokens to decide about, and costs what the static one does, but for gates', () => {
    const { deployed, training } = sceneNet(FULL, 'weather');
    expect(
      decisionsOf(deployed)
        .map((d) => d.family)
        .sort(),
    ).toEqual([
      'heads',
      'heads',
      'heads',
      'heads',
      'heads',
      'skip',
      'skip',
      'skip',
      'skip',
      'skip',
      'tokens',
      'tokens',
    ]);
    const plain = macsOf(staticNet(FULL));
    expect(macsOf(deployed)).toBeGreaterThan(plain);
    expect(macsOf(deployed)).toBeLessThan(1.01 * plain);
    expect(macsOf(cut(deployed))).toBe(plain);
    expect(training.output.shape[1]).toBe(14);
    expect(deployed.output.shape[1]).toBe(10);
    expect(macsOf(weatherNet(FULL))).toBeLessThan(0.1 * plain);
  });

  it.each(['weather', 'image'] as const)('%s: starts as the static net, gates aside', (reads) => {
    const { deployed, training } = sceneNet(QUICK, reads);
    const known = new Set(parametersOf(training).map((p) => p.name));
    for (const { name } of parametersOf(deployed)) expect(known).toContain(name);
    const start = startOf(training, materialize(parametersOf(staticNet(QUICK)), 1));
    const own = [...known].filter((n) => !start.has(n));
    expect(own.every((n) => /^(weather|policy|tokens\d)\//.test(n))).toBe(true);
    expect(start.size).toBe(parametersOf(staticNet(QUICK)).length);
  });

  it.each(['weather', 'image'] as const)('%s: does in both files what the reference does', async (reads) => {
    const { net, weights, logits, traces } = await reference(reads);
    const own = ownThresholds(decisionsOf(net));
    const x = input(images.inputs, 3);
    const rows = sparse(net, own);
    const batch = await run(encodeModel(toOnnx({ logits: rows.output, trace: rows.trace! }, { weights })), x);
    expect(apart(batch.logits!, logits)).toBeLessThan(1e-4);
    const alone = sparse(net, own, { form: 'branch' });
    const single = await compile(encodeModel(toOnnx({ logits: alone.output, trace: alone.trace! }, { weights })));
    try {
      for (let i = 0; i < COUNT; i++) {
        const one = ndarray('float32', [1, 3, 32, 32], (x.data as Float32Array).slice(i * 3072, (i + 1) * 3072));
        const out = await single.run({ input: one });
        expect(decodeTrace(out.trace!, traceKey(net, 'branch'))[0]!.rows).toEqual(traces[i]!.rows);
        const want = (logits.data as Float32Array).subarray(i * 10, (i + 1) * 10);
        for (const [k, v] of want.entries()) expect(Number(out.logits!.data[k])).toBeCloseTo(v, 4);
      }
    } finally {
      await single.close();
    }
    expect(new Set(traces.map((t) => t.macs)).size).toBeGreaterThan(1);
  });

  it('one offset moves all: to everything, or to the least', async () => {
    const { net, weights } = await reference('weather');
    const x = input(images.inputs, 3);
    const traced = async (thresholds: ReturnType<typeof movedBy>): Promise<Trace[]> => {
      const { output, trace } = sparse(net, thresholds);
      const out = await run(encodeModel(toOnnx({ logits: output, trace: trace! }, { weights })), x);
      return decodeTrace(out.trace!, traceKey(net, 'branch'));
    };
    const all = usesOf(net, await traced(everything({ net })));
    expect(all).toEqual({ macs: macsOf(net), layers: 2, heads: 1, tokens: [65, 65] });
    const least = usesOf(net, await traced(movedBy(-100, decisionsOf(net))));
    expect(least).toMatchObject({ layers: 0, tokens: [1, 1] });
    expect(movedBy(0, decisionsOf(net))).toEqual(ownThresholds(decisionsOf(net)));
    const own = usesOf(net, await traced(ownThresholds(decisionsOf(net))));
    const fewer = usesOf(net, await traced(tokensMovedBy(-100, { net })));
    expect(fewer).toMatchObject({ layers: own.layers, heads: own.heads, tokens: [1, 1] });
    expect(fewer.macs).toBeLessThan(own.macs);
  });
});

describe('choices that are given', () => {
  it('an image that is told its own choices answers as it did; told others it does not', async () => {
    const { net, weights, logits, traces } = await reference('image');
    const itself = Array.from({ length: COUNT }, (_, i) => i);
    const file = toldBytes(QUICK, { weights });
    const by = async (from: ArrayLike<number>): Promise<NDArray> => {
      const made = told(images, QUICK, net, traces, from);
      return (await run(file, input(made.inputs as Uint8Array, 4))).logits!;
    };
    expect(apart(await by(itself), logits)).toBeLessThan(1e-4);
    expect(apart(await by([...itself.slice(1), 0]), logits)).toBeGreaterThan(1e-3);
  });

  it('are dealt out whole, and within a weather where that is asked', () => {
    const weather = Array.from({ length: 200 }, (_, i) => (i * 7) % 4);
    const from = Array.from(dealtWithin(weather, 1));
    expect([...from].sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect(from.map((f) => weather[f])).toEqual(weather);
    expect(from).not.toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect([...Array.from(dealt(200, 1))].sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  it('a single setting costs what it says, and no more than it may', async () => {
    const { net, weights, traces } = await reference('image');
    const weather = traces.map((_, i) => i % 4);
    const most = traces.reduce((sum, t) => sum + t.macs, 0) / COUNT;
    const settings = settingsOf(net, traces, weather, most);
    expect(settings.length).toBeGreaterThan(0);
    for (const s of settings) expect(s.macs).toBeLessThanOrEqual(most);
    for (const [k, s] of settings.slice(1).entries()) expect(s.macs).toBeLessThanOrEqual(settings[k]!.macs);
    const [first] = settings;
    const { logits } = await run(constantBytes({ net, weights }, first!), input(images.inputs, 3));
    expect((logits!.data as Float32Array).every(Number.isFinite)).toBe(true);
    expect(settingsOf(net, traces, weather, 1)).toHaveLength(1);
  });
});

describe('ways', () => {
  it('tell of the weather only where they depend on it', async () => {
    const { net, traces } = await reference('image');
    const [one, two] = [traces[0]!, traces.find((t) => t.macs !== traces[0]!.macs)!];
    const weather = Array.from({ length: 400 }, (_, i) => i % 4);
    const matched = weather.map((w) => (w < 2 ? one : two));
    expect(bitsOfWeather(matched, weather)).toBeCloseTo(1, 1);
    const blind = weather.map((_, i) => (Math.floor(i / 4) % 2 === 0 ? one : two));
    expect(bitsOfWeather(blind, weather)).toBeLessThan(0.05);
    expect(sceneSpread('blind', net, blind)).toMatchObject({ paths: 2, dynamic: true });
    expect(
      sceneSpread(
        'still',
        net,
        weather.map(() => one),
      ),
    ).toMatchObject({ paths: 1, bits: 0, dynamic: false });
  });
});
