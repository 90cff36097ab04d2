import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { normal, seeded } from '../../../test/support/random.ts';
import { exitsTaken } from './exits.ts';
import { drawInputs } from './fixtures/population.ts';
import { ThresholdSearch } from './optimise.ts';
import { operatingPath } from './path.ts';
import { exitLosses } from './risks.ts';

const costs = (exits: number) => Array.from({ length: exits + 1 }, (_, e) => 0.15 + (0.85 * e) / exits);

/** The least mean cost over all cuts of two exits. */
function bruteForce(scores: ArrayLike<number>, losses: ArrayLike<number>, cost: number[], limit: number): number {
  const n = scores.length / 2;
  const cuts = [0, 1].map((e) => {
    const sorted = Array.from({ length: n }, (_, i) => scores[2 * i + e]).sort((a, b) => a - b);
    return [Number.NEGATIVE_INFINITY, ...sorted];
  });
  let best = Infinity;
  for (const a of cuts[0]) {
    for (const b of cuts[1]) {
      let [total, loss] = [0, 0];
      for (let i = 0; i < n; i++) {
        const e = scores[2 * i] > a ? 0 : scores[2 * i + 1] > b ? 1 : 2;
        total += cost[e];
        loss += e < 2 ? losses[2 * i + e] : 0;
      }
      if (loss <= limit && total < best) best = total;
    }
  }
  return best / n;
}

describe('the threshold search', () => {
  test('comes near the best that two thresholds can do, found by trying all', () => {
    let [sum, worst] = [0, 0];
    const cases = 30;
    for (let seed = 0; seed < cases; seed++) {
      const random = seeded(seed);
      const n = 90;
      const scores = Float32Array.from({ length: 2 * n }, () => normal(random));
      const signed = seed % 3 === 0;
      const losses = Int8Array.from(scores, (s) =>
        random() < 0.3 / (1 + Math.exp(2 * s)) ? 1 : signed && random() < 0.05 ? -1 : 0,
      );
      const search = new ThresholdSearch(scores, losses, costs(2));
      const limit = seed % 5;
      const found = search.evaluate(search.cheapest(limit, { from: search.never, to: search.all }));
      expect(found.loss).toBeLessThanOrEqual(limit);
      const gap = found.cost / n - bruteForce(scores, losses, costs(2), limit);
      expect(gap).toBeGreaterThan(-1e-12);
      sum += gap;
      worst = Math.max(worst, gap);
    }
    expect(sum / cases).toBeLessThan(0.002);
    expect(worst).toBeLessThan(0.02);
  });

  test('its ranks mean the same as its thresholds', () => {
    const split = drawInputs(300, 3, seeded(2));
    const losses = exitLosses('harm', split.answers, 3, split.labels);
    const search = new ThresholdSearch(split.scores, losses, costs(3));
    fc.assert(
      fc.property(fc.tuple(fc.nat(300), fc.nat(300), fc.nat(300)), (wanted) => {
        const ranks = wanted.map((r, e) => search.snap(e, r));
        const taken = exitsTaken(split.scores, search.thresholds(ranks));
        const counts = [0, 1, 2, 3].map((e) => taken.filter((t) => t === e).length);
        expect(search.evaluate(ranks).counts).toEqual(counts);
      }),
    );
  });

  test('equal and infinite scores, and neighbours that float32 cannot part, are never split', () => {
    const next = 1 + 2 ** -23; // the float32 after 1
    const scores = Float32Array.from([1, next, 1, -Infinity, Infinity, 0, 0]);
    const search = new ThresholdSearch(scores, new Int8Array(7), [0.1, 1]);
    for (const { rank, threshold } of search.cuts[0]) {
      expect(Math.fround(threshold)).toBe(threshold);
      expect(scores.filter((s) => s > threshold)).toHaveLength(rank);
    }
    const same = new ThresholdSearch([3, 3, 3], [0, 0, 0], [0.1, 1]);
    expect(same.cuts[0].map((c) => c.rank)).toEqual([0, 3]);
  });

  test('thresholds lie midway between neighbouring scores', () => {
    const search = new ThresholdSearch([8, 4, 1], [0, 0, 0], [0.1, 1]);
    expect(search.cuts[0].slice(0, 3).map((c) => c.threshold)).toEqual([Infinity, 6, 2.5]);
    expect(search.cuts[0][3].threshold).toBeLessThan(1);
    expect(search.cuts[0][3].threshold).toBeGreaterThan(0.9);
  });
});

describe('the path of operating points', () => {
  const exits = 3;
  const split = drawInputs(3000, exits, seeded(1));
  const path = (risk: 'harm' | 'loss' | 'disagreement') =>
    operatingPath({
      scores: split.scores,
      losses: exitLosses(risk, split.answers, exits, split.labels),
      costs: costs(exits),
      epsilon: 0.005,
    });
  const points = path('harm');

  test('goes from "never exit" to bold in some dozens of nested steps', () => {
    expect(points[0].thresholds).toEqual([Infinity, Infinity, Infinity]);
    expect(points[0].cost).toBeCloseTo(1, 12);
    expect(points[0].risk).toBe(0);
    expect(points.length).toBeGreaterThan(20);
    expect(points.length).toBeLessThan(60);
    for (const list of [points, path('loss'), path('disagreement')]) {
      for (let k = 1; k < list.length; k++) {
        const [before, after] = [list[k - 1], list[k]].map((p) => exitsTaken(split.scores, p.thresholds));
        expect(after.every((e, i) => e <= before[i])).toBe(true);
        expect(list[k].thresholds.every((t, e) => t <= list[k - 1].thresholds[e])).toBe(true);
        expect(list[k].cost).toBeLessThan(list[k - 1].cost);
      }
    }
  });

  test('has no step that saves much at once, and most of its points around epsilon', () => {
    for (let k = 1; k < points.length; k++) expect(points[k - 1].cost - points[k].cost).toBeLessThan(0.1);
    expect(points.filter((p) => p.risk > 0 && p.risk <= 0.0055).length).toBeGreaterThan(8);
  });

  test('its figures are those of its thresholds on tune', () => {
    const losses = exitLosses('harm', split.answers, exits, split.labels);
    for (const point of points) {
      const taken = exitsTaken(split.scores, point.thresholds);
      let [harm, cost] = [0, 0];
      taken.forEach((e, i) => {
        cost += costs(exits)[e];
        if (e < exits) harm += losses[i * exits + e];
      });
      expect(point.risk).toBeCloseTo(harm / split.n, 12);
      expect(point.changed).toBeCloseTo(harm / split.n, 12);
      expect(point.cost).toBeCloseTo(cost / split.n, 12);
      expect(point.shares.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
    }
  });

  test('at each tolerated risk it costs about as little as thresholds chosen for that risk alone', () => {
    const losses = exitLosses('harm', split.answers, exits, split.labels);
    const search = new ThresholdSearch(split.scores, losses, costs(exits));
    for (const target of [0.001, 0.0035, 0.005]) {
      const alone = search.cheapest(target * split.n, { from: search.never, to: search.all });
      const onPath = Math.min(...points.filter((p) => p.risk <= target + 1e-9).map((p) => p.cost));
      expect(onPath - search.evaluate(alone).cost / split.n).toBeLessThan(target === 0.0035 ? 1e-9 : 0.04);
    }
  });

  test('beats one threshold common to all exits', () => {
    const losses = exitLosses('harm', split.answers, exits, split.labels);
    let common = Infinity;
    for (const threshold of [...split.scores].filter((_, i) => i % 20 === 0)) {
      const taken = exitsTaken(split.scores, [threshold, threshold, threshold]);
      let [harm, cost] = [0, 0];
      taken.forEach((e, i) => {
        cost += costs(exits)[e];
        if (e < exits) harm += losses[i * exits + e];
      });
      if (harm <= 0.0035 * split.n) common = Math.min(common, cost / split.n);
    }
    const best = Math.min(...points.filter((p) => p.risk <= 0.0035 + 1e-9).map((p) => p.cost));
    expect(best).toBeLessThan(common);
  });

  test('works at the edges: one exit, one input, useless exits; refuses NaN and wrong sizes', () => {
    const harmless = operatingPath({ scores: [1], losses: [0], costs: [0.2, 1], epsilon: 0.01 });
    expect(harmless.map((p) => p.cost)).toEqual([1, 0.2]);
    const useless = operatingPath({ scores: [3, 2, 1], losses: [1, 1, 1], costs: [0.2, 1], epsilon: 0.01 });
    expect(useless[0].cost).toBe(1);
    expect(useless.every((p) => p.cost === 1 || p.risk > 0)).toBe(true);
    const bad = (scores: number[], losses: number[]) => () =>
      operatingPath({ scores, losses, costs: [0.2, 1], epsilon: 0.01 });
    expect(bad([1, Number.NaN], [0, 0])).toThrow(/input 1 at exit 0 is NaN/);
    expect(bad([1, 2], [0])).toThrow(/expected 2 losses/);
    expect(bad([], [])).toThrow(/tune inputs/);
  });
});
