import { classify, conv, net, skip, widths } from 'dynaneural';
import { cut, type Net } from 'dynaneural/dynamic';
import { encodeModel, type NDArray, ndarray, toOnnx } from 'dynaneural/graph';
import { materialize, paramsOf } from 'dynaneural/nn';
import { compile } from 'dynaneural/runtime';
import { describe, expect, it } from 'vitest';
import { backbone, FULL, inTurn, QUICK } from './backbone.ts';
import { netDigest } from './fit.ts';
import { macsOf, plainNet, shapeAt, startOf } from './static.ts';

const data = { shape: [3, 32, 32], classes: [...'abcdefghij'] };
const spec = { input: data.shape, classes: 10, onWarning: () => {} };
const images = ndarray(
  'float32',
  [2, ...data.shape],
  Float32Array.from({ length: 2 * 3072 }, (_, i) => Math.sin(i)),
);

/** Random weights with voices for norms that would start at zero. */
function weightsOf(made: Net): Map<string, NDArray> {
  const weights = new Map(materialize(paramsOf([made.output]), 3));
  for (const [name, { dims }] of weights)
    if (name.endsWith('scale'))
      weights.set(
        name,
        ndarray(
          'float32',
          dims,
          Float32Array.from({ length: dims[0]! }, (_, i) => 0.5 + (i % 3) / 4),
        ),
      );
  return weights;
}

async function logits(made: Net, weights: ReadonlyMap<string, NDArray>): Promise<number[]> {
  const runner = await compile(encodeModel(toOnnx({ logits: made.output }, { weights })));
  try {
    return [...((await runner.run({ input: images })).logits!.data as Float32Array)];
  } finally {
    await runner.close();
  }
}

it('a net is known by what it computes, not by its parameters alone', () => {
  const made = (activation: 'relu' | 'gelu', width = 4) =>
    netDigest(net(spec, (x) => classify(conv(x, width, { activation }))));
  expect(made('relu')).toBe(made('relu'));
  expect(made('relu')).not.toBe(made('gelu'));
  expect(made('relu')).not.toBe(made('relu', 5));
});

describe('the backbone', () => {
  const plain = plainNet(data, QUICK);
  const weights = weightsOf(plain);

  it('costs what its docstring says, about a quarter of it outside of the groups', () => {
    expect(macsOf(plainNet(data, FULL)) / 1e6).toBeCloseTo(100, 1);
    expect(macsOf(plainNet(data, { ...FULL, groups: [0, 0, 0] })) / macsOf(plainNet(data, FULL))).toBeLessThan(0.25);
  });

  it('starts a net with gates around its groups: cut to its full way, it answers alike', async () => {
    const gated = net(spec, backbone(QUICK, { group: (x, all) => skip(x, (y) => inTurn(y, all)) }));
    const start = new Map([...materialize(paramsOf([gated.output]), 1), ...startOf(gated, weights)]);
    const [a, b] = [await logits(plain, weights), await logits(cut(gated), start)];
    for (const [i, v] of a.entries()) expect(b[i]).toBeCloseTo(v, 4);
    const own = [...startOf(gated, weights).keys()].filter((n) => !n.includes('/gate1/'));
    expect(own).toHaveLength(weights.size);
  });

  it('starts narrower blocks with the first channels', () => {
    const slim = net(
      spec,
      backbone(QUICK, { group: (x, all) => widths(x, [1, 0.5], (y, share) => inTurn(y, all, share)) }),
    );
    const start = startOf(slim, weights);
    const [name, narrow] = [...start].find(([n]) => n.includes('x0.5/group2-1/conv1/norm/scale'))!;
    const wide = weights.get('group2-1/conv1/norm/scale')!;
    expect(name).toContain('width');
    expect(narrow.dims).toEqual([wide.dims[0]! / 2]);
    expect([...(narrow.data as Float32Array)]).toEqual([...(wide.data as Float32Array)].slice(0, narrow.dims[0]!));
  });

  it('has smaller forms that never cost less than they are compared with', () => {
    const most = macsOf(plainNet(data, FULL));
    for (const share of [0.1, 0.3, 0.45, 0.7, 1]) {
      const shape = shapeAt(data, FULL, share * most);
      const macs = macsOf(plainNet(data, shape));
      expect(macs).toBeGreaterThanOrEqual(Math.min(share * most, most) * (1 - 1e-9));
      expect(macs - share * most).toBeLessThan(share < 0.24 ? 0.2 * most : 0.06 * most);
    }
    expect(shapeAt(data, FULL, 2 * most)).toBe(FULL);
  });
});
