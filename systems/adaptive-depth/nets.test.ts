import { dataset, sgd, train, waysOf } from 'dynaneural';
import { Random } from 'dynaneural/data';
import { type Net, parametersOf } from 'dynaneural/dynamic';
import { type NDArray, ndarray } from 'dynaneural/graph';
import { materialize, paramsOf } from 'dynaneural/nn';
import { describe, expect, it } from 'vitest';
import { logitsOf } from '../fixtures/answers.ts';
import { QUICK } from '../shared/backbone.ts';
import { gatesOnto, gateWays } from './learn.ts';
import { gatedNet, learningNet } from './nets.ts';

const data = { shape: [3, 32, 32], classes: [...'abcdefghij'] };
const depths = learningNet(data, QUICK);
const gated = gatedNet(data, QUICK);

/** Nothing at its usual start: normalisations differ from each other, blocks give something. */
function drawn(net: Net, seed: number): Map<string, NDArray> {
  const random = new Random(seed, 1);
  return new Map(
    [...materialize(paramsOf([net.output]), seed)].map(([name, value]) => {
      const near = /variance|scale/.test(name) ? 1 : 0;
      const off = /\/(mean|variance|scale|bias)$/.test(name);
      const values = Float32Array.from(value.data as Float32Array, (v) =>
        off ? near + 0.3 * random.normal() ** 2 : v,
      );
      return [name, ndarray('float32', value.dims, values)];
    }),
  );
}

const sample = (length: number) => {
  const random = new Random(3, 2);
  const inputs = Float32Array.from({ length: length * 3072 }, () => random.normal());
  const labels = Int32Array.from({ length }, (_, i) => i % 10);
  return dataset({ name: 'noise', inputs, ...data, labels, mean: [0, 0, 0], std: [1, 1, 1] });
};

describe('depths', () => {
  it('answer behind gates what they answered as exits', async () => {
    const weights = drawn(depths, 1);
    const moved = new Map([...drawn(gated, 2), ...gatesOnto(gated, { weights })]);
    const exits = ['end0', 'end1', ''].map((end) =>
      Object.fromEntries(['look0', 'end0', 'look1', 'end1'].map((e) => [e, e === end ? 'exit' : 'continue'])),
    );
    const ways = waysOf(gated).sort((a, b) => a.macs - b.macs);
    expect(ways).toHaveLength(exits.length);
    const seen: number[][] = [];
    for (const [i, way] of ways.entries()) {
      const expected = await logitsOf(depths, weights, exits[i]!);
      const got = await logitsOf(gated, moved, way.choices);
      for (const [k, v] of got.entries()) expect(v).toBeCloseTo(expected[k]!, 4);
      seen.push(got);
    }
    for (const other of [seen[1]!, seen[2]!]) expect(Math.abs(other[0]! - seen[0]![0]!)).toBeGreaterThan(1e-3);
  });

  it('share their convolutions and have normalisations of their own', () => {
    const names = (net: Net) => parametersOf(net).map((p) => p.name);
    for (const net of [depths, gated]) {
      expect(names(net).filter((n) => n.endsWith('down3/weight'))).toHaveLength(1);
      expect(names(net).filter((n) => n.endsWith('down3/norm/scale'))).toHaveLength(3);
    }
  });

  it('stay as they are while gates learn, whichever way', async () => {
    const weights = drawn(depths, 1);
    const start = new Map([...drawn(gated, 2), ...gatesOnto(gated, { weights })]);
    const learnt = parametersOf(gated).filter((p) => p.role !== 'statistic');
    const ofDepths = new Set(gatesOnto(gated, { weights }).keys());
    for (const { options } of Object.values(gateWays)) {
      const trained = await train(gated, {
        ...{ data: sample(32), batch: 16, epochs: 1, lr: 0.1, start, onWarning: () => {} },
        ...{ optimizer: sgd({ momentum: 0.9, weightDecay: 0 }), ...options(gated) },
      });
      const moved = learnt.filter(({ name }) => {
        const [before, after] = [start, trained.weights].map((w) => w.get(name)!.data as Float32Array);
        return before!.some((v, i) => v !== after![i]);
      });
      expect(moved.filter(({ name }) => ofDepths.has(name))).toEqual([]);
      expect(moved.map((p) => p.name)).toEqual(expect.arrayContaining(['gate1/unsure', 'gate1/run/gate2/unsure']));
    }
  });
});
