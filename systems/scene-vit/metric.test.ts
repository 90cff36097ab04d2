import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Answers, above, accuracyOf, gradesOf, thresholdAt } from './metric.ts';

describe('a threshold for a precision', () => {
  it('by hand', () => {
    const scores = [0.9, 0.8, 0.7, 0.6, 0.5];
    const right = [true, true, false, true, false];
    // 1/1, 2/2, 2/3, 3/4, 3/5
    expect(thresholdAt(1, scores, right)).toBeCloseTo(0.75, 12);
    expect(thresholdAt(0.75, scores, right)).toBeCloseTo(0.55, 12);
    expect(thresholdAt(0.6, scores, right)).toBe(Number.NEGATIVE_INFINITY);
    expect(thresholdAt(0.5, [0.4, 0.3], [false, false])).toBe(Number.POSITIVE_INFINITY);
  });

  it('is the lowest that keeps the precision, ties and all', () => {
    const items = fc.array(fc.record({ score: fc.integer({ min: 0, max: 6 }), right: fc.boolean() }), {
      minLength: 1,
      maxLength: 30,
    });
    fc.assert(
      fc.property(items, fc.constantFrom(0.5, 0.8, 1), (list, precision) => {
        const [scores, right] = [list.map((i) => i.score), list.map((i) => i.right)];
        const met = (t: number) => above(t, scores, right).precision;
        const claimed = (t: number) => scores.filter((v) => v > t).length;
        const found = thresholdAt(precision, scores, right);
        const own = met(found);
        if (own !== null) expect(own).toBeGreaterThanOrEqual(precision);
        // Thresholds between whole scores are all there are.
        for (const t of [-0.5, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5])
          if (claimed(t) > claimed(found)) expect(met(t)!).toBeLessThan(precision);
        if (found === Number.POSITIVE_INFINITY) expect(own).toBeNull();
      }),
    );
  });

  it('nothing above it: no precision, no recall', () => {
    expect(above(Number.POSITIVE_INFINITY, [1, 2], [true, false])).toEqual({ recall: 0, precision: null });
    expect(above(1.5, [1, 2], [true, true])).toEqual({ recall: 0.5, precision: 1 });
  });
});

/** Logits that are sure of `said`, a little or very. */
function answers(rows: readonly { said: number; label: number; weather: number; sure: number }[]): Answers {
  const logits = new Float32Array(rows.length * 10);
  for (const [i, { said, sure }] of rows.entries()) logits[i * 10 + said] = sure;
  return { logits, labels: rows.map((r) => r.label), weather: rows.map((r) => r.weather) };
}

describe('grades', () => {
  const all = (weather: number, wrong: number) =>
    Array.from({ length: 100 }, (_, i) => {
      const label = i % 10;
      // The first `wrong` of each ten tens are taken for the next class, without conviction.
      const off = Math.floor(i / 10) < wrong;
      return { said: off ? (label + 1) % 10 : label, label, weather, sure: off ? 1 : 5 };
    });

  it('each weather is graded by its own scores', () => {
    const made = answers([...all(0, 0), ...all(1, 4), ...all(2, 0), ...all(3, 0)]);
    const [clear, fog] = gradesOf(0.8, made, made);
    expect(clear).toEqual({ accuracy: 1, recall: 1, precision: 1 });
    expect(fog!.accuracy).toBeCloseTo(0.6, 12);
    // Six of ten are surely right; below them come wrong claims, of which one in seven is allowed at 0.8.
    expect(fog!.recall).toBeCloseTo(0.6, 12);
    expect(fog!.precision!).toBeGreaterThanOrEqual(0.8);
    expect(accuracyOf(made)).toBeCloseTo(0.9, 12);
  });

  it('scores are chosen on tune and only applied on test', () => {
    const weathers = [0, 1, 2, 3];
    const tune = answers(weathers.flatMap((w) => all(w, 0)));
    const test = answers(weathers.flatMap((w) => all(w, 5)).map((r) => ({ ...r, sure: 5 })));
    for (const g of gradesOf(0.8, tune, test)) {
      expect(g.recall).toBeCloseTo(0.5, 12);
      expect(g.precision).toBeCloseTo(0.5, 12);
    }
  });
});
