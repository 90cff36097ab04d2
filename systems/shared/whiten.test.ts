import type { Dataset } from 'dynaneural';
import { takeBatch } from 'dynaneural/data';
import { expect, it } from 'vitest';
import { whitened } from './whiten.ts';

// Neighbouring pixels and colours have much in common, as in photographs.
const wave = (i: number) => 120 + 50 * Math.sin(i / 40) + 20 * Math.sin(1.3 * i * i);
const data: Dataset = {
  name: 'waves',
  shape: [3, 8, 8],
  classes: ['a'],
  length: 60,
  inputs: Uint8Array.from({ length: 60 * 192 }, (_, i) => wave(i)),
  labels: new Int32Array(60),
  mean: [0.5, 0.5, 0.5],
  std: [0.25, 0.25, 0.25],
};

it('gives filters whose answers have variance 1 and nothing in common, each with its negative', () => {
  const { dims, data: w } = whitened(data, 24, 2);
  expect(dims).toEqual([24, 3, 2, 2]);
  const { x } = takeBatch(
    data,
    Int32Array.from({ length: 60 }, (_, i) => i),
  );
  const answers: number[][] = [];
  for (let n = 0; n < 60; n++)
    for (let top = 0; top < 7; top += 3)
      for (let left = 0; left < 7; left += 3)
        answers.push(
          Array.from({ length: 24 }, (_, k) => {
            let sum = 0;
            for (let c = 0; c < 3; c++)
              for (let i = 0; i < 2; i++)
                for (let j = 0; j < 2; j++)
                  sum +=
                    Number(w[((k * 3 + c) * 2 + i) * 2 + j]) *
                    Number(x.data[((n * 3 + c) * 8 + top + i) * 8 + left + j]);
            return sum;
          }),
        );
  for (let a = 0; a < 12; a++) {
    for (let b = 0; b < 12; b++) {
      const shared = answers.reduce((sum, r) => sum + r[a]! * r[b]!, 0) / answers.length;
      if (a !== b) expect(Math.abs(shared)).toBeLessThan(0.01);
      // A direction without variance stays small instead of becoming noise.
      else expect(shared).toBeLessThan(1.001);
    }
    for (const r of answers.slice(0, 5)) expect(r[a + 12]).toBeCloseTo(-r[a]!, 5);
  }
  const strongest = answers.reduce((sum, r) => sum + r[0]! * r[0]!, 0) / answers.length;
  expect(strongest).toBeCloseTo(1, 2);
});
