import { describe, expect, it } from 'vitest';
import { flatten, globalAveragePool, reshape, type Tensor } from '../graph/index.ts';
import { classify, conv, linear } from '../nn/index.ts';
import { addCosts, costTable, noCost, pathCost } from './cost.ts';
import { exit, net, select } from './net.ts';

const gate = (x: Tensor): Tensor => reshape(linear(flatten(globalAveragePool(x)), 1), [0]);
/** 3x3 convolution with bias on 4x4 positions. */
const convMacs = (inputs: number, outputs: number) => 16 * 9 * inputs * outputs;
const convBytes = (inputs: number, outputs: number) => 4 * (9 * inputs * outputs + outputs);

const made = net({ input: [2, 4, 4], classes: 5 }, (x) => {
  x = conv(x, 3);
  x = exit(x, { head: classify });
  const y = x;
  x = select({ score: gate(y), options: { skip: () => y, run: () => conv(conv(y, 4), 3) } });
  return classify(x);
});
const table = costTable(made);

describe('the cost table', () => {
  it('has a row for each region, the outer ones first, each cost once', () => {
    const head = 3 * 5;
    expect(table.map(({ guard, macs, weightBytes }) => ({ guard, macs, weightBytes }))).toEqual([
      // the temperature is one more number
      { guard: [], macs: convMacs(2, 3) + head, weightBytes: convBytes(2, 3) + 4 * (head + 5) + 4 },
      {
        guard: [{ decision: 'exit1', option: 0 }],
        macs: 3 + head,
        weightBytes: 4 * (3 + 1) + 4 * (head + 5),
      },
      {
        guard: [
          { decision: 'exit1', option: 0 },
          { decision: 'select1', option: 1 },
        ],
        macs: convMacs(3, 4) + convMacs(4, 3),
        weightBytes: convBytes(3, 4) + convBytes(4, 3),
      },
    ]);
    for (const row of table) expect(row.integerOps).toBe(0);
  });

  it('counts what is written as activations, weights and inputs not among them', () => {
    const region = table.at(-1)!;
    expect(region.activationBytes).toBe(4 * 16 * (4 + 3));
  });

  it('gives the cost of a path as the sum of the regions on it', () => {
    const path = (choices: Record<string, number>) => pathCost(table, (name) => choices[name]).macs;
    const [root, rest, run] = table.map((r) => r.macs) as [number, number, number];
    expect(path({ exit1: 1 })).toBe(root);
    expect(path({ exit1: 0, select1: 0 })).toBe(root + rest);
    expect(path({ exit1: 0, select1: 1 })).toBe(root + rest + run);
    // A region needs all of its guards: what the inner decision would have done does not matter outside.
    expect(path({ exit1: 1, select1: 1 })).toBe(root);
    expect(pathCost([], () => 0)).toEqual(noCost);
  });
});

it('is the same in both forms of file where no decision is about units', () => {
  const macs = (form: 'rows' | 'branch') => costTable(made, form).map((r) => [r.guard, r.macs]);
  expect(macs('branch')).toEqual(macs('rows'));
});

it('costs add up part by part', () => {
  const a = { macs: 1, weightBytes: 2, activationBytes: 3, integerOps: 4 };
  expect(addCosts(a, addCosts(a, noCost))).toEqual({ macs: 2, weightBytes: 4, activationBytes: 6, integerOps: 8 });
});
