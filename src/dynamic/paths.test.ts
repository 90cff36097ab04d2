import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { flatten, globalAveragePool, reshape } from '../graph/index.ts';
import { classify, conv, linear } from '../nn/index.ts';
import { costTable, pathCost } from './cost.ts';
import { isExit } from './decision.ts';
import { exitCosts } from './exit-costs.ts';
import { exit, net, select } from './net.ts';
import { extremeMacs } from './paths.ts';
import { decisionsOf, type Net } from './traced.ts';

const paths = (made: Net) => ({ decisions: decisionsOf(made), regions: costTable(made) });

/** All combinations of choices, whether they can be reached or not. */
function everyCost(made: Net, fixed: Record<string, number>): number[] {
  const { decisions, regions } = paths(made);
  const ways = decisions.reduce<Record<string, number>[]>(
    (list, { name, options }) =>
      list.flatMap((way) =>
        (name in fixed ? [fixed[name]!] : options.map((_, k) => k)).map((k) => ({ ...way, [name]: k })),
      ),
    [{}],
  );
  return ways.map((way) => pathCost(regions, (name) => way[name]).macs);
}

/** Exits between blocks that a gate may skip or replace. */
const mixed = (widths: readonly number[], gates: readonly boolean[]): Net =>
  net({ input: [2, 4, 4], classes: 3 }, (x) => {
    x = conv(x, 4);
    for (const [i, width] of widths.entries()) {
      if (gates[i % gates.length]) {
        const here = x;
        const score = reshape(linear(flatten(globalAveragePool(x)), 1), [-1]);
        x = select({ score, options: { skip: () => here, run: () => conv(conv(here, width), 4) } });
      }
      x = exit(x, { head: classify });
      x = conv(x, 4);
    }
    return classify(x);
  });

describe('the dearest and cheapest way', () => {
  test('is that of all ways, one by one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 }),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 3 }),
        fc.nat(3),
        (widths, gates, at) => {
          const made = mixed(widths, gates);
          const stop = decisionsOf(made).filter(isExit)[at];
          const fixed: Record<string, number> = stop ? { [stop.name]: 1 } : {};
          expect(extremeMacs(paths(made), Math.max, fixed)).toBe(Math.max(...everyCost(made, fixed)));
          expect(extremeMacs(paths(made), Math.min, fixed)).toBe(Math.min(...everyCost(made, fixed)));
        },
      ),
      { numRuns: 40 },
    );
  });

  test('of a chain of exits: the full path and the first exit', () => {
    const made = mixed([3, 3], [false]);
    const costs = exitCosts(made);
    expect(extremeMacs(paths(made), Math.max)).toBe(costs.at(-1));
    expect(extremeMacs(paths(made), Math.min)).toBe(costs[0]);
    expect(extremeMacs(paths(made), Math.max, { exit2: 1 })).toBe(costs[1]);
  });
});
