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

  it('of the best two experts: the full path runs the first two, the dearest way the dearest two', () => {
    const sizes = [1, 2, 4, 8];
    const made = net(spec, (x) =>
      classify(
        experts(
          stem(x),
          sizes.map((width) => (t: Tensor) => conv(conv(t, width), 8)),
          { top: 2 },
        ),
      ),
    );
    const of = (width: number): number => 2 * 64 * 9 * 8 * width;
    const paths = { decisions: decisionsOf(made), regions: costTable(made) };
    const [one, two, three, four] = paths.decisions.map((d) => d.name) as [string, string, string, string];
    const rest = exitCosts(made).at(-1)! - of(1) - of(2);
    const dearest = (fixed = {}) => extremeMacs(paths, Math.max, fixed) - rest;
    const cheapest = (fixed = {}) => extremeMacs(paths, Math.min, fixed) - rest;
    expect([dearest(), cheapest()]).toEqual([of(4) + of(8), of(1) + of(2)]);
    expect([dearest({ [one]: 0 }), cheapest({ [four]: 0 })]).toEqual([of(1) + of(8), of(1) + of(8)]);
    expect([dearest({ [four]: 1 }), cheapest({ [one]: 1, [two]: 1 })]).toEqual([of(2) + of(4), of(4) + of(8)]);
    expect(dearest({ [two]: 0, [three]: 0 })).toBe(of(2) + of(4));
    expect(plan(made).map((p) => p.guardedMacs)).toEqual(sizes.map(of));
    expect(Math.max(...waysOf(made).map((w) => w.macs))).toBe(extremeMacs(paths, Math.max));
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
