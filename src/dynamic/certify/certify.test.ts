import { describe, expect, test } from 'vitest';
import { seeded } from '../../../test/support/random.ts';
import { DynaError } from '../../errors.ts';
import { binomialPValue } from './binomial.ts';
import { certifyPoints } from './certify.ts';
import { exitsTaken } from './exits.ts';
import { drawInputs } from './fixtures/population.ts';
import { operatingPath } from './path.ts';
import { exitLosses, losses, type Risk } from './risks.ts';

const exits = 2;
const costs = [0.2, 0.5, 1];
const random = seeded(21);
const tune = drawInputs(2500, exits, random);
const heldBack = drawInputs(4000, exits, random);
const level = { epsilon: 0.005, delta: 0.1 };

const pathFor = (risk: Risk) =>
  operatingPath({ scores: tune.scores, losses: exitLosses(risk, tune.answers, exits, tune.labels), costs, ...level });
const paths = { harm: pathFor('harm'), loss: pathFor('loss'), disagreement: pathFor('disagreement') };
const certify = (risk: Risk) => certifyPoints({ risk, points: paths[risk], ...heldBack, costs, ...level });

describe('a certificate', () => {
  test('of harm covers a prefix of the path, with figures that can be counted again', () => {
    const certificate = certify('harm');
    expect(certificate).toMatchObject({ risk: 'harm', method: 'binomial', ...level, n: 4000, fullModelKept: false });
    expect(certificate.points.map((p) => p.index)).toEqual(certificate.points.map((_, i) => i));
    expect(certificate.chosen).toBe(certificate.points.at(-1));
    expect(certificate.chosen.cost).toBeLessThan(0.8);
    for (const point of [...certificate.points.slice(1), certificate.stoppedAt!]) {
      const taken = exitsTaken(heldBack.scores, point.thresholds);
      const answers = taken.map((e, i) => heldBack.answers[i * 3 + e]);
      const full = taken.map((_, i) => heldBack.answers[i * 3 + 2]);
      const harm = losses('harm', answers, full, heldBack.labels).reduce((a, b) => a + b, 0);
      expect(point.risk).toBe(harm / 4000);
      expect(point.pValue).toBe(binomialPValue(harm, 4000, 0.005));
      expect(point.pValue <= 0.1).toBe(point !== certificate.stoppedAt);
      expect(point.counts.reduce((a, b) => a + b, 0)).toBe(4000);
    }
    expect(certificate.message).toMatch(
      /harm <= 0\.5 % at delta 0\.1 certified with 4,000 inputs .* for inputs like these/,
    );
  });

  test('of the signed loss uses betting; of disagreement needs no labels', () => {
    expect(certify('loss')).toMatchObject({ risk: 'loss', method: 'betting', fullModelKept: false });
    const { labels: _, ...unlabelled } = heldBack;
    const options = { points: paths.disagreement, ...unlabelled, costs, ...level };
    expect(certifyPoints({ risk: 'disagreement', ...options })).toEqual(certify('disagreement'));
    expect(() => certifyPoints({ risk: 'harm', ...options })).toThrow(/labels .* "disagreement"/);
  });

  test('is refused with both figures when n is too small', () => {
    const few = drawInputs(459, exits, seeded(5));
    const act = () => certifyPoints({ risk: 'harm', points: paths.harm, ...few, costs, ...level });
    expect(act).toThrow(DynaError);
    expect(act).toThrow(
      /harm <= 0\.5 % at delta 0\.1 needs at least 460 inputs if none shows harm, and about \d,\d{3} to succeed in 80 % of cases at the observed rate of 0\.\d+ %; got 459; hold back more data/,
    );
    try {
      act();
    } catch (error) {
      expect((error as DynaError).code).toBe('certificate');
    }
  });

  test('keeps the full model when no faster point passes, and that is no error', () => {
    const hopeless = {
      ...heldBack,
      answers: heldBack.answers.map((a, i) => (i % 3 === 2 ? heldBack.labels[Math.floor(i / 3)] : (a + 1) % 10)),
    };
    const certificate = certifyPoints({ risk: 'harm', points: paths.harm, ...hopeless, costs, ...level });
    expect(certificate.fullModelKept).toBe(true);
    expect(certificate.points).toHaveLength(1);
    expect(certificate.chosen).toMatchObject({ thresholds: [Infinity, Infinity], risk: 0, pValue: 0, cost: 1 });
    expect(certificate.stoppedAt?.index).toBe(1);
    expect(certificate.message).toMatch(/^full model kept: .* 460 inputs/);
    const promised = (risk: number) => {
      const points = paths.harm.map((p) => ({ ...p, risk }));
      return certifyPoints({ risk: 'harm', points, ...hopeless, costs, ...level });
    };
    expect(promised(0.3).message).toMatch(
      / 460 inputs if none shows harm, and no number would do at the observed rate of 30 %$/,
    );
    const { message, stoppedAt } = promised(2 * level.epsilon);
    // They show more than the tune split promised: what it takes is told at that rate.
    expect(stoppedAt!.risk).toBeGreaterThan(0.01);
    expect(message).toContain(
      ` 460 inputs if none shows harm, and no number would do at the observed rate of ${Number((100 * stoppedAt!.risk).toPrecision(3))} %`,
    );
  });

  test('keeps the full model also where the path is empty or lacks it', () => {
    expect(certifyPoints({ risk: 'harm', points: [], ...heldBack, costs, ...level }).fullModelKept).toBe(true);
    const without = certifyPoints({ risk: 'harm', points: paths.harm.slice(1), ...heldBack, costs, ...level });
    expect(without.points[0]).toMatchObject({ index: -1, thresholds: [Infinity, Infinity] });
    expect(without.chosen.thresholds).toEqual(certify('harm').chosen.thresholds);
  });

  test('tells what does not fit together', () => {
    const good = { risk: 'harm' as const, points: paths.harm, ...heldBack, costs, ...level };
    expect(() => certifyPoints({ ...good, answers: good.answers.slice(1) })).toThrow(/\[4000, 3\]/);
    expect(() => certifyPoints({ ...good, points: [{ ...paths.harm[1], thresholds: [1] }] })).toThrow(
      /expected 2 thresholds/,
    );
    expect(() => certifyPoints({ ...good, epsilon: 0 })).toThrow(/epsilon between 0 and 1/);
    expect(() => certifyPoints({ ...good, scores: good.scores.slice(1) })).toThrow(/\[n, 2\]/);
    const broken = good.scores.map((s, i) => (i === 5 ? Number.NaN : s));
    expect(() => certifyPoints({ ...good, scores: broken })).toThrow(/a score on the certify split is not a number/);
  });
});
