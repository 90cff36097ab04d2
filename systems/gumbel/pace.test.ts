import type { EpochMetrics } from 'dynaneural/train';
import { expect, it } from 'vitest';
import { reached } from './pace.ts';

const history = (...epochs: readonly (readonly [accuracy: number, cost?: number])[]) => ({
  history: epochs.map(
    ([final, cost], i): EpochMetrics => ({
      ...{ epoch: i + 1, loss: 1, accuracy: {}, entropy: {}, seconds: 10 * (i + 1), imagesPerSecond: 1 },
      validation: { final },
      ...(cost === undefined ? {} : { cost }),
    }),
  ),
});

it('takes accuracy to grow evenly between epochs', () => {
  expect(reached(history([0.5], [0.7], [0.8]), 0.75)).toBeCloseTo(2.5);
  expect(reached(history([0.5], [0.75], [0.8]), 0.75)).toBe(2);
  expect(reached(history([0.8]), 0.4)).toBeCloseTo(0.5);
});

it('does not count an accuracy that takes nearly all MACs', () => {
  expect(reached(history([0.7, 0.95], [0.8, 0.9], [0.82, 0.6]), 0.75)).toBe(3);
  expect(reached(history([0.7, 0.95], [0.8, 0.9]), 0.75)).toBeNull();
  expect(reached(history([0.5, 0.6], [0.6, 0.6]), 0.75)).toBeNull();
});
