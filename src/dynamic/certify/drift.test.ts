import { describe, expect, test } from 'vitest';
import { seeded } from '../../../test/support/random.ts';
import { binomialTail } from './binomial.ts';
import { driftCheck } from './drift.ts';

function draw(n: number, shares: number[], random: () => number): number[] {
  const counts = shares.map(() => 0);
  for (let i = 0; i < n; i++) {
    let u = random();
    let e = 0;
    while (e < shares.length - 1 && u >= shares[e]) u -= shares[e++];
    counts[e]++;
  }
  return counts;
}

describe('the drift check', () => {
  test('agrees with a chi-square test worked by hand', () => {
    // 2 x 2: (30, 70) against (45, 55): chi-square = 200 (30*55 - 45*70)^2 / (100 100 75 125) = 4.8
    const { pValue, distance } = driftCheck([30, 70], [45, 55]);
    expect(pValue).toBeCloseTo(0.028459736916, 9);
    expect(distance).toBeCloseTo(0.15, 12);
  });

  test('says with figures that exit shares differ', () => {
    const drift = driftCheck([700, 200, 100], [480, 260, 260]);
    expect(drift.drifted).toBe(true);
    expect(drift.message).toMatch(
      /^exit shares differ: \[48\.0, 26\.0, 26\.0\] % of 1000 live inputs against \[70\.0, 20\.0, 10\.0\] % at certification \(p = .*, 22\.0 %/,
    );
    expect(driftCheck([700, 200, 100], [690, 205, 105]).message).toMatch(/^exit shares are as expected/);
  });

  test.each([
    ['even shares', [0.5, 0.3, 0.2]],
    ['rare exits', [0.97, 0.02, 0.008, 0.002]],
  ] as [string, number[]][])('raises no more false alarms than alpha: %s', (_, shares) => {
    const random = seeded(6);
    const runs = 2000;
    let alarms = 0;
    for (let r = 0; r < runs; r++) {
      const check = driftCheck(draw(2000, shares, random), draw(300, shares, random), { alpha: 0.05, tolerance: 0 });
      if (check.drifted) alarms++;
    }
    expect(binomialTail(alarms, runs, 0.06)).toBeGreaterThan(1e-3); // chi-square is an approximation: a little slack
    expect(alarms).toBeGreaterThan(runs * 0.01);
  });

  test('sees a real shift, and calls a tiny one none however many inputs show it', () => {
    const random = seeded(7);
    let seen = 0;
    for (let r = 0; r < 200; r++) {
      if (driftCheck(draw(3000, [0.6, 0.3, 0.1], random), draw(1000, [0.5, 0.3, 0.2], random)).drifted) seen++;
    }
    expect(seen).toBeGreaterThan(195);
    const tiny = driftCheck([6_000_000, 4_000_000], [5_950_000, 4_050_000]);
    expect(tiny.pValue).toBeLessThan(1e-6);
    expect(tiny.drifted).toBe(false);
  });

  test('exits that nobody takes and few inputs give no alarm, and no division by zero', () => {
    expect(driftCheck([1000, 0, 0], [10, 0, 0])).toMatchObject({ drifted: false, pValue: 1, distance: 0 });
    expect(driftCheck([1000, 0], [0, 1]).drifted).toBe(false);
  });

  test('refuses what are not counts of the same exits', () => {
    expect(() => driftCheck([1, 2], [1, 2, 3])).toThrow(/2 exits .* got 3/);
    expect(() => driftCheck([0.5, 0.5], [1, 2])).toThrow(/counts of inputs, got 0.5/);
    expect(() => driftCheck([5, 5], [0, 0])).toThrow(/at least one input/);
  });
});
