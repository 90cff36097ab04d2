import { describe, expect, it } from 'vitest';
import { randomInput } from '../../test/support/build-net.ts';
import { exit, net, parametersOf } from '../dynamic/index.ts';
import { classify, conv, materialize, residual } from '../nn/index.ts';
import { cascade } from './cascade.ts';
import { edges } from './maps.ts';
import { layersBefore, randomisationCheck, randomised } from './randomise.ts';

const made = net({ input: [1, 10, 10], classes: 3 }, (x) => {
  x = conv(x, 8, { norm: 'batch', activation: 'relu' });
  x = exit(residual(x, 8), { head: classify });
  return classify(residual(x, 12, { stride: 2 }));
});
const model = { net: made, weights: materialize(parametersOf(made), 1) };
const inputs = randomInput(made, 6, 3);
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

describe('layers before a target', () => {
  it('are those that its score depends on, last first, norms with their convolution', () => {
    const layers = layersBefore(model, 'decision/exit1');
    expect(layers.map((l) => l.name)).toEqual(['exit1/classify1', 'residual1/conv2', 'residual1/conv1', 'conv1']);
    expect(layers.at(-1)!.params.map((p) => p.name)).toEqual(['conv1/weight', 'conv1/norm/scale', 'conv1/norm/bias']);
    expect(layersBefore(model, 'answer/final').map((l) => l.name)).not.toContain('exit1/classify1');
    expect(() => layersBefore(model, 'exit1')).toThrow(/no "exit1" to explain/);
  });

  it('are drawn anew, and nothing else is', () => {
    const layers = layersBefore(model, 'decision/exit1').slice(0, 1);
    const other = randomised(model.weights, layers, 2);
    const changed = [...other].filter(([name, value]) => value !== model.weights.get(name)).map(([name]) => name);
    expect(changed).toEqual(['exit1/classify1/weight', 'exit1/classify1/bias']);
    expect(other.get('exit1/classify1/weight')).not.toEqual(model.weights.get('exit1/classify1/weight'));
  });
});

describe('the randomisation check', () => {
  it('falls for the gradient of a decision, and stays at 1 with the same weights', async () => {
    const stages = await randomisationCheck(model, inputs, { target: 'decision/exit1', seed: 2 });
    expect(stages.map((s) => s.layer)).toEqual(layersBefore(model, 'decision/exit1').map((l) => l.name));
    expect(stages.every((s) => s.signed.length === 6 && s.magnitude.length === 6)).toBe(true);
    expect(Math.abs(mean(stages.at(-1)!.signed))).toBeLessThan(0.25);
    // Drawn by the seed of the model's own weights, nothing changes.
    const same = await randomisationCheck(model, inputs, { target: 'decision/exit1', seed: 1 });
    for (const { signed, magnitude } of same) {
      expect(mean(signed)).toBeCloseTo(1, 9);
      expect(mean(magnitude)).toBeCloseTo(1, 9);
    }
  });

  it('stays at 1 for a map of the input alone', async () => {
    const data = inputs.data as Float32Array;
    const asked: string[][] = [];
    const maps = async (names: readonly string[]) => {
      asked.push([...names]);
      return Array.from({ length: 6 }, (_, i) => edges(data.subarray(i * 100, (i + 1) * 100), [1, 10, 10]));
    };
    const stages = await cascade({ layers: ['c', 'b', 'a'], maps });
    expect(asked).toEqual([[], ['c'], ['c', 'b'], ['c', 'b', 'a']]);
    for (const { signed } of stages) expect(mean(signed)).toBeCloseTo(1, 12);
  });

  it('tells the size of a map from its sign, and refuses maps that are not as many', async () => {
    const map = [1, -2, 3, -4];
    const [stage] = await cascade({
      layers: ['a'],
      maps: async (names) => [names.length === 0 ? map : map.map((v) => -v)],
    });
    expect(stage).toEqual({ layer: 'a', signed: [expect.closeTo(-1)], magnitude: [expect.closeTo(1)] });
    await expect(cascade({ layers: ['a'], maps: async (names) => (names.length === 0 ? [map] : []) })).rejects.toThrow(
      /1 maps were expected after randomising "a", got 0/,
    );
    await expect(cascade({ layers: ['a'], maps: async () => [] })).rejects.toThrow(/at least one input/);
  });
});
