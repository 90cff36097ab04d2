import { describe, expect, it } from 'vitest';
import type { Tensor } from '../graph/index.ts';
import { classify, conv, residual } from '../nn/index.ts';
import { costTable } from './cost.ts';
import {
  cut,
  decisionsOf,
  everyWay,
  exit,
  exitCosts,
  experts,
  extremeMacs,
  type Net,
  net,
  plan,
  skip,
  traceWay,
  waysOf,
  widths,
} from './index.ts';

const spec = { input: [3, 8, 8], classes: 4, onWarning: () => {} };
const stem = (x: Tensor) => conv(x, 8, { activation: 'relu' });
const exits = net(spec, (x) => {
  x = exit(stem(x), { head: classify });
  x = exit(residual(x, 8), { head: classify });
  return classify(residual(x, 16));
});
const nested = net(spec, (x) =>
  classify(
    skip(
      skip(stem(x), (y) => residual(y, 8), { name: 'a' }),
      (y) => widths(y, [1, 0.5], (z, share) => conv(conv(z, 8 * share), 8), { name: 'b' }),
      { name: 'c' },
    ),
  ),
);
const three = net(spec, (x) =>
  classify(
    experts(
      stem(x),
      [1, 2, 3].map(() => (t: Tensor) => residual(t, 8)),
    ),
  ),
);

const two = net(spec, (x) =>
  classify(
    experts(
      stem(x),
      [1, 2, 3, 4].map(() => (t: Tensor) => residual(t, 8)),
      { top: 2 },
    ),
  ),
);

const names = (of: Net) => waysOf(of).map((w) => w.name);
const macs = (of: Net) => costTable(of).reduce((sum, r) => sum + r.macs, 0);

describe('ways', () => {
  it('are all that can be chosen, the full way last; what is not reached is not chosen', () => {
    expect(names(exits)).toEqual(['1-', '01', '00']);
    expect(names(nested)).toEqual(['11-', '101', '100', '01-', '001', '000']);
    expect(names(three)).toEqual(['2', '1', '0']);
    // Of four experts every two.
    expect(names(two)).toEqual(['1100', '1010', '1001', '0110', '0101', '0011']);
  });

  it('are trained with the full way first', () => {
    expect(everyWay(nested)[0]).toEqual({ a: 'run', c: 'run', 'c/run/b': 'x1' });
    expect(new Set(everyWay(nested).map((c) => JSON.stringify(c))).size).toBe(6);
  });

  it.each([exits, nested, three, two])('cost what the net costs that is cut to them, but for gates', (made) => {
    for (const way of waysOf(made)) {
      const plain = macs(cut(made, way.choices));
      expect(way.macs).toBeGreaterThanOrEqual(plain);
      expect(way.macs).toBeLessThan(plain * 1.1 + 1000);
    }
  });

  it('of the best two experts: the full path and the dearest way run two of them', () => {
    const one = waysOf(two)[0]!.macs;
    expect(exitCosts(two).at(-1)).toBe(one);
    const paths = { decisions: decisionsOf(two), regions: costTable(two) };
    expect([extremeMacs(paths, Math.max), extremeMacs(paths, Math.min)]).toEqual([one, one]);
    const [first] = paths.decisions;
    expect(extremeMacs(paths, Math.max, { [first!.name]: 1 })).toBe(one);
    expect(plan(two).map((p) => p.guardedMacs)).toEqual(new Array(4).fill(8 * 8 * 8 * 8 * 9 * 2));
  });

  it('are traced with the decisions that lead there, and no others', () => {
    const ways = waysOf(nested);
    const most = ways.at(-1)!.macs;
    for (const way of ways) {
      const traced = traceWay(nested, way.choices);
      const met = traced.met.map((m) => [m.decision.name, m.decision.options[m.option]!.name]);
      expect(Object.fromEntries(met)).toEqual(way.choices);
      expect(traced.macs).toBeCloseTo(way.macs / most, 12);
    }
  });
});
