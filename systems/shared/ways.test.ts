import { classify, conv, exit, net, residual, skip, type Tensor } from 'dynaneural';
import { type Trace, type Way, waysOf } from 'dynaneural/dynamic';
import { describe, expect, it } from 'vitest';
import { baselinesOf, spreadOf, taken } from './ways.ts';

const spec = { input: [3, 8, 8], classes: 4, onWarning: () => {} };
const stem = (x: Tensor) => conv(x, 8, { activation: 'relu' });
const exits = net(spec, (x) => {
  x = exit(stem(x), { head: classify });
  x = exit(residual(x, 8), { head: classify });
  return classify(residual(x, 16));
});
describe('ways', () => {
  it('are found again in traces', () => {
    const trace = (values: readonly (number | null)[]): Trace => ({
      rows: values.map((value, i) => ({
        decision: ['exit1', 'exit2'][i]!,
        step: 0,
        kind: 'index',
        value,
        reached: value !== null,
      })),
      macs: 0,
      cost: { macs: 0, weightBytes: 0, activationBytes: 0, integerOps: 0 },
    });
    const traces = [trace([0, 0]), trace([1, null]), trace([0, 1])];
    expect([...taken(exits, waysOf(exits), traces)]).toEqual([2, 0, 1]);
    expect(() => taken(exits, waysOf(exits), [trace([1, 1])])).toThrow('the way "11"');
    const spread = spreadOf('exits', exits, traces);
    expect(spread).toMatchObject({ paths: 3, dynamic: true });
    expect(spread.bits).toBeCloseTo(Math.log2(3), 12);
    expect(spread.rates).toEqual({
      'exit1/continue': 2 / 3,
      'exit1/exit': 1 / 3,
      'exit2/continue': 1 / 2,
      'exit2/exit': 1 / 2,
    });
  });
});

describe('baselines', () => {
  const ways: Way[] = [
    { name: 'cheap', choices: {}, macs: 1 },
    { name: 'middle', choices: {}, macs: 4 },
    { name: 'full', choices: {}, macs: 10 },
  ];
  // Four inputs: the first is easy, the second needs the middle, the third the full way, nothing helps the last.
  const right = [
    [true, false, false, false],
    [true, true, false, false],
    [false, true, true, false],
  ];

  it('by hand', () => {
    const { random, constant, oracle } = baselinesOf(ways, right, [0, 1, 2, 0]);
    expect(random).toMatchObject({ accuracy: 0.5 * 0.25 + 0.25 * 0.5 + 0.25 * 0.5, macs: 4 });
    expect(constant).toMatchObject({ accuracy: 0.5, macs: 4, note: 'everybody goes middle' });
    expect(oracle).toMatchObject({ accuracy: 0.75, macs: (1 + 4 + 10 + 1) / 4 });
  });

  it('a constant that costs more than the dynamic net is no baseline for it', () => {
    expect(baselinesOf(ways, right, [0, 0, 0, 1]).constant).toMatchObject({ accuracy: 0.25, macs: 1 });
  });

  it('a net whose choices never differ is static, whatever it is called', () => {
    const one = (value: number): Trace => ({
      rows: [{ decision: 'a', step: 0, kind: 'index', value, reached: true }],
      macs: 0,
      cost: { macs: 0, weightBytes: 0, activationBytes: 0, integerOps: 0 },
    });
    const made = net(spec, (x) => classify(skip(stem(x), (y) => residual(y, 8), { name: 'a' })));
    const most = Array.from({ length: 999 }, () => one(0));
    expect(spreadOf('still', made, [...most, one(1)]).dynamic).toBe(false);
    expect(spreadOf('moves', made, [...most.slice(0, 900), ...Array.from({ length: 100 }, () => one(1))]).dynamic).toBe(
      true,
    );
  });
});
