import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DynaError } from '../errors.ts';
import { readCifar } from './cifar.ts';

/** Records whose label is `label(i)` and whose pixels all are i. */
const records = (n: number, label: (i: number) => number[]): Uint8Array =>
  Buffer.concat(Array.from({ length: n }, (_, i) => Buffer.concat([Buffer.from(label(i)), Buffer.alloc(3072, i)])));

describe('readCifar', () => {
  it('takes labels and planes apart', () => {
    const { inputs, labels } = readCifar(records(12, (i) => [i % 10]));
    expect(Array.from(labels)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    expect(inputs).toHaveLength(12 * 3072);
    for (let i = 0; i < 12; i++) expect(inputs.subarray(i * 3072, (i + 1) * 3072).every((v) => v === i)).toBe(true);
  });

  it('takes the fine label of CIFAR-100', () => {
    expect(
      Array.from(
        readCifar(
          records(2, (i) => [3, 98 + i]),
          { labelBytes: 2 },
        ).labels,
      ),
    ).toEqual([98, 99]);
  });

  it('refuses part of a record, nothing, and labels out of range', () => {
    const whole = records(3, () => [1]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: whole.length - 1 }), (cut) => {
        fc.pre(cut % 3073 !== 0);
        expect(() => readCifar(whole.subarray(0, cut), { name: 'b.bin' })).toThrow(
          /b\.bin is truncated .*records of 3073/,
        );
      }),
    );
    expect(() => readCifar(new Uint8Array(0))).toThrow(DynaError);
    expect(() => readCifar(records(3, (i) => [9 + i]))).toThrow(/label 10 of record 1 .*0 to 9/);
  });

  it('notices any altered label byte that is out of range, whatever else is altered', () => {
    fc.assert(
      fc.property(
        fc.nat(4),
        fc.integer({ min: 10, max: 255 }),
        fc.nat(5 * 3073 - 1),
        fc.nat(255),
        (at, bad, other, value) => {
          const bytes = records(5, () => [0]);
          bytes[other] = value;
          bytes[at * 3073] = bad;
          expect(() => readCifar(bytes)).toThrow(/out of range/);
        },
      ),
    );
  });
});
