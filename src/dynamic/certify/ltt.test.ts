import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seeded } from '../../../test/support/random.ts';
import { binomialTail } from './binomial.ts';
import { checkLevel, fixedSequence, learnThenTest, riskPValue } from './ltt.ts';

const harms = (n: number, count: number) => Int8Array.from({ length: n }, (_, i) => (i < count ? 1 : 0));

test('fixedSequence stops at the first failure and asks for nothing beyond it', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true })), (pValues) => {
      const asked: number[] = [];
      const certified = fixedSequence(pValues.length, (i) => pValues[asked[asked.push(i) - 1]], 0.3);
      const firstFailure = pValues.findIndex((p) => p > 0.3);
      expect(certified).toBe(firstFailure < 0 ? pValues.length : firstFailure);
      expect(asked).toEqual([...pValues.keys()].slice(0, certified + 1));
    }),
  );
  expect(fixedSequence(3, () => Number.NaN, 0.1)).toBe(0);
});

test('certifies the prefix up to the first point that cannot be shown safe', () => {
  const losses = [harms(1000, 0), harms(1000, 1), harms(1000, 5), harms(1000, 0)];
  const { certified, pValues } = learnThenTest(losses, { epsilon: 0.005, delta: 0.1 });
  expect(certified).toBe(2);
  expect(pValues).toHaveLength(3);
  expect(pValues[1]).toBeCloseTo(0.995 ** 1000 + 1000 * 0.005 * 0.995 ** 999, 12);
});

test('signed losses go to the betting test: gains pay for harms', () => {
  const gains = Int8Array.from({ length: 5000 }, (_, i) => (i % 100 === 0 ? 1 : i % 100 === 50 ? -1 : 0));
  const harm = gains.map((x) => (x === 1 ? 1 : 0));
  const options = { epsilon: 0.005, delta: 0.1 };
  expect(learnThenTest([gains], { ...options, signed: true }).certified).toBe(1);
  expect(learnThenTest([harm], options).certified).toBe(0);
  expect(() => riskPValue(gains, false, options)).toThrow(/0\/1 losses, got -1 at 50/);
});

test('the chance that any certified point is unsafe is at most delta, and without the fixed order it is not', () => {
  const random = seeded(4);
  const [runs, n, delta, epsilon] = [400, 1200, 0.1, 0.02];
  let failures = 0;
  let naive = 0;
  for (let r = 0; r < runs; r++) {
    // twelve points whose true risks all lie just over epsilon, drawn independently: the worst for many tests at once
    const losses = Array.from({ length: 12 }, () =>
      Int8Array.from({ length: n }, () => (random() < epsilon + 1e-6 ? 1 : 0)),
    );
    if (learnThenTest(losses, { epsilon, delta }).certified > 0) failures++;
    if (losses.some((l) => riskPValue(l, false, { epsilon, delta }) <= delta)) naive++;
  }
  expect(binomialTail(failures, runs, delta)).toBeGreaterThan(1e-4);
  expect(failures).toBeGreaterThan(0);
  expect(binomialTail(naive, runs, delta)).toBeLessThan(1e-4);
});

test('a level must lie between 0 and 1', () => {
  for (const bad of [0, 1, -0.1, Number.NaN, 5]) {
    expect(() => checkLevel({ epsilon: bad, delta: 0.1 })).toThrow(/epsilon between 0 and 1/);
    expect(() => checkLevel({ epsilon: 0.1, delta: bad })).toThrow(/delta between 0 and 1/);
  }
});
