import { describe, expect, it } from 'vitest';
import { countsAt, differingOf, drawn, type Kept, mostKept, ratesOf, spreadOf } from './judge.ts';
import { gatedNet, QUICK } from './nets.ts';

const model = { net: gatedNet({ shape: [3, 32, 32], classes: ['a', 'b'] }, QUICK, 0.5), weights: new Map() };

describe('what is kept', () => {
  const kept: Kept[] = [{ a: [0, 1] }, { a: [0, 2] }, { a: [0, 1] }, { a: [0, 3] }];
  const rates = ratesOf({ a: 4 }, kept);

  it('is told as rates, and as the share that another input drops', () => {
    expect(rates).toEqual({ a: [1, 0.5, 0.25, 0.25] });
    expect(differingOf(rates)).toBeCloseTo(1 - (1 + 0.25 + 2 / 16) / 2, 12);
    expect(mostKept(rates, { a: 2 })).toEqual({ a: [0, 1] });
  });

  it('counts as dynamic only where inputs differ', () => {
    const moves = spreadOf('moves', rates, kept);
    expect(moves).toMatchObject({ paths: 3, bits: 1.5, dynamic: true });
    expect(moves.rates).toEqual({ 'a/kept by all': 0.25, 'a/by some': 0.75, 'a/by none': 0 });
    const same = Array.from({ length: 4 }, () => kept[0]!);
    const still = spreadOf('still', ratesOf({ a: 4 }, same), same);
    expect(still).toMatchObject({ paths: 1, bits: 0, dynamic: false });
    expect(still.rates).toEqual({ 'a/kept by all': 0.5, 'a/by some': 0, 'a/by none': 0.5 });
  });

  it('random channels differ as chance says', () => {
    const counts = countsAt(model, 0.5);
    expect(counts).toEqual({ conv3: 12, conv4: 12 });
    const many = Array.from({ length: 100 }, (_, seed) => drawn(model, counts, seed)).flat();
    for (const set of many) for (const units of Object.values(set)) expect(new Set(units).size).toBe(12);
    expect(differingOf(ratesOf({ conv3: 24, conv4: 24 }, many))).toBeCloseTo(0.5, 1);
    expect(drawn(model, counts, 7)).toEqual(drawn(model, counts, 7));
  });
});
