import { describe, expect, it } from 'vitest';
import { pathByClass } from './path-by-class.ts';

const trace = (...values: readonly (number | null)[]) => ({
  rows: values.map((value, d) => ({
    decision: `exit${d + 1}`,
    step: 0,
    kind: 'index' as const,
    value,
    reached: value !== null,
  })),
});

describe('path by class', () => {
  // Class 0 leaves at once but for one, class 1 goes on; class 2 has no inputs.
  const traces = [trace(1, null), trace(1, null), trace(0, 1), trace(0, 0), trace(0, 0), trace(0, 1)];
  const labels = [0, 0, 0, 1, 1, 1];

  it('by hand', () => {
    const { counts, options, paths } = pathByClass(traces, labels, 3);
    expect(counts).toEqual([3, 3, 0]);
    expect(options).toEqual([
      { decision: 'exit1', option: 0, shares: [1 / 3, 1, 0], all: 4 / 6 },
      { decision: 'exit1', option: 1, shares: [2 / 3, 0, 0], all: 2 / 6 },
      { decision: 'exit2', option: 0, shares: [0, 2 / 3, 0], all: 2 / 6 },
      { decision: 'exit2', option: 1, shares: [1 / 3, 1 / 3, 0], all: 2 / 6 },
      { decision: 'exit2', option: null, shares: [2 / 3, 0, 0], all: 2 / 6 },
    ]);
    expect(paths.map((p) => p.taken)).toEqual([
      [1, null],
      [0, 1],
      [0, 0],
    ]);
    expect(paths.map((p) => p.shares)).toEqual([
      [2 / 3, 0, 0],
      [1 / 3, 1 / 3, 0],
      [0, 2 / 3, 0],
    ]);
  });

  it('takes as many classes as the labels name', () => {
    expect(pathByClass(traces, labels).counts).toEqual([3, 3]);
    expect(pathByClass([], [])).toEqual({ counts: [], options: [], paths: [] });
  });

  it('refuses what does not fit', () => {
    expect(() => pathByClass(traces, [0])).toThrow(/6 traces and 1 labels/);
    expect(() => pathByClass(traces, labels, 1)).toThrow(/label 1 is not one of 1 classes/);
    expect(() => pathByClass([trace(1, 0), trace(1)], [0, 0])).toThrow(/trace 1 is of another model/);
    const tokens = { rows: [{ ...trace(1).rows[0]!, kind: 'bitset' as const, value: [1, 0, 1] }] };
    expect(() => pathByClass([tokens], [0])).toThrow(/"exit1" gives bitset/);
  });
});
