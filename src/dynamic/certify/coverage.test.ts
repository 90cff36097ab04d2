import { describe, expect, test } from 'vitest';
import { seeded } from '../../../test/support/random.ts';
import { binomialTail } from './binomial.ts';
import { certifyPoints } from './certify.ts';
import { exitsTaken } from './exits.ts';
import { drawInputs, takeRows } from './fixtures/population.ts';
import { type OperatingPoint, operatingPath } from './path.ts';
import { exitLosses, type Risk } from './risks.ts';

/**
 * A certificate promises: over calibration sets, the chance that a certified point's true risk exceeds epsilon is <= delta. Here
 * the truth is known, a population of 60,000; sets are drawn from it with replacement and the failures are counted.
 */
const exits = 2;
const costs = [0.2, 0.5, 1];
const delta = 0.1;
const sets = 300;
const population = drawInputs(60_000, exits, seeded(77));
const tune = drawInputs(2000, exits, seeded(78));

/** Whether so many failures can be put down to chance if each set fails with probability delta. */
const withinBound = (failures: number) => binomialTail(failures, sets, delta) > 1e-3;

function lossesAt(atExit: Int8Array, point: OperatingPoint): Int8Array {
  return Int8Array.from(exitsTaken(population.scores, point.thresholds), (e, i) =>
    e < exits ? atExit[i * exits + e] : 0,
  );
}

const mean = (values: Int8Array) => values.reduce((a, b) => a + b, 0) / values.length;

/** As they come: at random, or as folders are read, one kind of input after the other. */
type Order = 'random' | 'easy first';

function countFailures(risk: Risk, epsilon: number, n: number, order: Order) {
  const points = operatingPath({
    scores: tune.scores,
    losses: exitLosses(risk, tune.answers, exits, tune.labels),
    costs,
    epsilon,
  });
  const atExit = exitLosses(risk, population.answers, exits, population.labels);
  const losses = points.map((p) => lossesAt(atExit, p));
  const truth = losses.map(mean);
  const hardness = Float64Array.from({ length: population.n }, (_, i) => Math.abs(atExit[i * exits]));
  const random = seeded(79);
  const count = { certified: 0, naive: 0, faster: 0 };
  for (let s = 0; s < sets; s++) {
    const rows = Int32Array.from({ length: n }, () => Math.floor(random() * population.n));
    if (order === 'easy first') rows.sort((a, b) => hardness[a] - hardness[b]);
    const sample = takeRows(population, exits, rows);
    const certificate = certifyPoints({ risk, epsilon, delta, points, ...sample, costs });
    if (!certificate.fullModelKept) count.faster++;
    if (certificate.points.some((p) => truth[p.index] > epsilon)) count.certified++;
    // the control: the boldest point whose risk on this very set is under epsilon
    const naive = losses.findLastIndex((l) => rows.reduce((sum, i) => sum + l[i], 0) / n < epsilon);
    if (truth[naive] > epsilon) count.naive++;
  }
  return { ...count, unsafe: truth.filter((t) => t > epsilon).length };
}

describe('coverage by resampling', () => {
  const cases: [Risk, number, number, Order][] = [
    ['harm', 0.01, 1500, 'random'],
    ['disagreement', 0.01, 1500, 'random'],
    ['loss', 0.01, 1500, 'random'],
    ['loss', 0.01, 1500, 'easy first'],
  ];
  test.each(cases)(
    '%s <= %f with n = %i, %s: failures stay within the bound of delta, the naive choice breaks it',
    (risk, epsilon, n, order) => {
      const { certified, naive, faster, unsafe } = countFailures(risk, epsilon, n, order);
      expect(unsafe).toBeGreaterThan(3); // there are points to fall for,
      expect(faster).toBeGreaterThan(0.9 * sets); // and certificates are not empty
      expect(certified).toBeGreaterThan(0); // nor timid:
      expect(withinBound(certified)).toBe(true);
      expect(withinBound(naive)).toBe(false);
    },
  );
});
