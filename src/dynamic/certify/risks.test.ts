import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DynaError } from '../../errors.ts';
import { exitLosses, losses, lossOf, type Risk } from './risks.ts';

test('the table of all cases', () => {
  const cases: [number, number, number][] = [
    [1, 1, 1], // both right
    [2, 1, 1], // harmed
    [1, 2, 1], // gained
    [2, 2, 1], // the same mistake
    [2, 3, 1], // another mistake
  ];
  const row = (risk: Risk) => cases.map(([dynamic, full, label]) => lossOf(risk, dynamic, full, label));
  expect(row('harm')).toEqual([0, 1, 0, 0, 0]);
  expect(row('loss')).toEqual([0, 1, -1, 0, 0]);
  expect(row('disagreement')).toEqual([0, 1, 1, 0, 1]);
});

test('loss is the difference of two error counts, and lies under harm, which lies under disagreement', () => {
  const answer = fc.nat(3);
  fc.assert(
    fc.property(fc.array(fc.tuple(answer, answer, answer), { minLength: 1 }), (rows) => {
      const [dynamic, full, labels] = [0, 1, 2].map((k) => rows.map((r) => r[k]));
      const sum = (xs: ArrayLike<number>) => Array.from(xs).reduce((a, b) => a + b, 0);
      const wrong = (answers: number[]) => answers.filter((a, i) => a !== labels[i]).length;
      const loss = sum(losses('loss', dynamic, full, labels));
      const harm = sum(losses('harm', dynamic, full, labels));
      expect(loss).toBe(wrong(dynamic) - wrong(full));
      expect(loss).toBeLessThanOrEqual(harm);
      expect(harm).toBeLessThanOrEqual(sum(losses('disagreement', dynamic, full)));
    }),
  );
});

test('exitLosses compares every exit with the last column', () => {
  const answers = [1, 1, 1, /**/ 2, 1, 1, /**/ 0, 2, 3];
  expect([...exitLosses('harm', answers, 2, [1, 1, 0])]).toEqual([0, 0, 1, 0, 0, 0]);
  expect([...exitLosses('loss', answers, 2, [1, 1, 0])]).toEqual([0, 0, 1, 0, -1, 0]);
  expect([...exitLosses('disagreement', answers, 2)]).toEqual([0, 0, 1, 0, 1, 1]);
});

test('missing labels and wrong sizes are told', () => {
  expect(() => losses('harm', [1], [1])).toThrow(DynaError);
  expect(() => losses('harm', [1], [1])).toThrow(/needs labels|counted on labels/);
  expect(() => losses('harm', [1], [1], [1, 2])).toThrow(/expected 1 labels, one an input, got 2/);
  expect(() => losses('harm', [1, 2], [1], [1])).toThrow(/expected 1 dynamic answers, got 2/);
  expect(() => exitLosses('disagreement', [1, 2, 3, 4], 2)).toThrow(/\[n, 3\], got 4 values/);
});
