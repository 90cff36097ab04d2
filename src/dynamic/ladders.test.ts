import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Decision,
  type KeepDecision,
  ownThresholds,
  type SelectDecision,
  type WeighDecision,
} from './decision.ts';
import { settingsOnPath } from './ladders.ts';
import { leastKept } from './lower/kept.ts';
import type { Observations } from './observations.ts';

const option = (name: string) => ({ name, exactness: 'exact' as const });
const gate = (name: string, count: number): SelectDecision => ({
  ...{ name, family: 'skip', kind: 'select', rule: count === 2 ? 'threshold' : 'argmax' },
  options: Array.from({ length: count }, (_, k) => option(`o${k}`)),
});
const units = (name: string, d: Pick<KeepDecision, 'rule' | 'units' | 'always' | 'own'>): KeepDecision => ({
  ...{ name, family: 'tokens', kind: 'keep', options: [option('keep'), option('drop')] },
  ...d,
});
const weights: WeighDecision = {
  ...{ name: 'w', family: 'weigh', kind: 'weigh', rule: 'threshold', units: 2, own: 0.25 },
  options: [option('unit1'), option('unit2')],
};

const score = fc.oneof(fc.float({ noNaN: true }), fc.constantFrom(0, 1, Number.NaN));
const n = 7;
const drawn = (width: number) => fc.array(score, { minLength: n * width, maxLength: n * width });
const gates = fc.integer({ min: 2, max: 4 }).chain((k) => fc.tuple(fc.constant(k), drawn(k === 2 ? 1 : k)));
const keeps = fc
  .record({ units: fc.integer({ min: 1, max: 30 }), always: fc.nat(1), top: fc.boolean(), at: fc.nat(1000) })
  .chain(({ units: count, always, top, at }) => {
    const least = Math.max(1, always);
    const own = top ? fc.constant(least + (at % (count - least + 1))) : fc.oneof(score, fc.constant(-Infinity));
    const rule = top ? ('top' as const) : ('threshold' as const);
    return fc.tuple(
      fc.record({ rule: fc.constant(rule), units: fc.constant(count), always: fc.constant(always), own }),
      drawn(count),
    );
  })
  .filter(([{ own }]) => !Number.isNaN(own));

/** How much saving a threshold asks for, in a number that grows. */
function boldness(d: Decision, value: number | readonly number[]): number {
  const [t] = [value].flat() as [number];
  if (d.kind === 'select') return d.rule === 'argmax' ? t : -t;
  return d.rule === 'top' ? -t : t;
}

describe('settings on the path', () => {
  it('get bolder in every decision, pass the traced setting once, and are what float32 holds', () => {
    fc.assert(
      fc.property(fc.array(gates, { maxLength: 2 }), fc.array(keeps, { maxLength: 3 }), (selects, kept) => {
        const decisions = [
          ...selects.map(([k], i) => gate(`gate${i}`, k)),
          ...kept.map(([d], i) => units(`keep${i}`, d)),
          weights,
        ];
        const seen = {
          n,
          gates: new Map(selects.map(([, s], i) => [`gate${i}`, Float32Array.from(s)])),
          units: new Map(kept.map(([, s], i) => [`keep${i}`, Float32Array.from(s)])),
        } as unknown as Observations;
        const path = settingsOnPath(decisions, seen);
        const own = ownThresholds(decisions);
        const same = (a: number | readonly number[], b: number | readonly number[]) =>
          [a].flat().every((v, i) => Math.fround(v) === Math.fround(([b].flat() as number[])[i]!));
        const traced = path.filter((p) => decisions.every((d) => same(p[d.name]!, own[d.name]!)));
        expect(traced.length).toBeGreaterThan(0);
        for (const [i, p] of path.entries())
          for (const d of decisions) {
            const value = p[d.name]!;
            for (const v of [value].flat() as number[]) expect(Math.fround(v)).toBe(v);
            if (i > 0) expect(boldness(d, value)).toBeGreaterThanOrEqual(boldness(d, path[i - 1]![d.name]!));
            if (d.kind !== 'keep' || d.rule !== 'top') continue;
            expect(value).toBeGreaterThanOrEqual(leastKept(d));
            expect(value).toBeLessThanOrEqual(d.units);
          }
        for (const d of decisions)
          if (d.kind === 'keep' && d.rule === 'top') expect(path.at(-1)![d.name]).toBe(leastKept(d));
        for (const p of path) expect(p.w).toBe(0.25);
      }),
      { numRuns: 100 },
    );
  });

  it('of one decision are its whole ladder: counts from nearly all to one', () => {
    const d = units('k', { rule: 'top', units: 5, always: 1, own: 3 });
    const path = settingsOnPath([d], { n: 0, gates: new Map(), units: new Map() } as unknown as Observations);
    expect(path).toEqual([{ k: 5 }, { k: 4 }, { k: 3 }, { k: 2 }, { k: 1 }]);
  });

  it('lie between neighbouring scores, those of units that are always kept left aside', () => {
    const d = units('k', { rule: 'threshold', units: 3, always: 1, own: 2.5 });
    const scores = Float32Array.from([100, 1, 2, -100, 3, 4]);
    const path = settingsOnPath([d], {
      n: 2,
      gates: new Map(),
      units: new Map([['k', scores]]),
    } as unknown as Observations);
    expect(path).toEqual([{ k: 1.5 }, { k: 2.5 }, { k: 3.5 }]);
  });

  it('of several decisions meet where they were traced, and move in step before and after', () => {
    const a = units('a', { rule: 'top', units: 5, always: 0, own: 5 });
    const b = units('b', { rule: 'top', units: 5, always: 0, own: 1 });
    const seen = { n: 0, gates: new Map(), units: new Map() } as unknown as Observations;
    expect(settingsOnPath([a, b], seen).map((p) => [p.a, p.b])).toEqual([
      [5, 5],
      [5, 4],
      [5, 3],
      [5, 2],
      [5, 1],
      [4, 1],
      [3, 1],
      [2, 1],
      [1, 1],
    ]);
  });
});
