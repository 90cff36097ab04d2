import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DynaError } from '../errors.ts';
import { fraction, imageSize, macs, numbers, oneOf, partSize, positive, share, wholeNumber } from './parse.ts';

describe('option values', () => {
  it('reads shares with and without a percent sign as the same number', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9999 }), (n) => {
        expect(share('--x')(`${n / 100}%`)).toBeCloseTo(n / 10_000, 12);
        expect(share('--x')(String(n / 10_000))).toBeCloseTo(n / 10_000, 12);
      }),
    );
    expect(share('--x')('0.5 %')).toBe(0.005);
    expect(share('--x', { most: 'at most 1' })('100%')).toBe(1);
  });

  it('reads sizes, MACs and words', () => {
    expect(partSize('--tune')('5000')).toBe(5000);
    expect(partSize('--tune')('20%')).toBe(0.2);
    expect(partSize('--tune')('1')).toBe(1);
    expect(imageSize('--size')('32')).toEqual([32, 32]);
    expect(imageSize('--size')('24x32')).toEqual([24, 32]);
    expect([macs('--m')('30M'), macs('--m')('1.5g'), macs('--m')('200')]).toEqual([30e6, 1.5e9, 200]);
    expect(oneOf('--form', ['rows', 'branch'])('rows')).toBe('rows');
    expect(wholeNumber('--seed', 0)('0')).toBe(0);
    expect(positive('--lr')('1e-3')).toBe(0.001);
  });

  it('reads factors and lists of numbers', () => {
    expect([fraction('--scale')('1/255'), fraction('--scale')('0.5')]).toEqual([1 / 255, 0.5]);
    for (const wrong of ['', '1/0', '-1', '1/', 'a/2', '1/2/3'])
      expect(() => fraction('--scale')(wrong)).toThrow('--scale');
    expect(numbers('--mean')('0.485, -0.4,0')).toEqual([0.485, -0.4, 0]);
    for (const wrong of ['', '1,', 'x']) expect(() => numbers('--mean')(wrong)).toThrow('--mean expects numbers');
  });

  it.each([
    ['--harm', share('--harm'), ['2', '0', '-1%', '100%', '', '%', 'half', 'NaN']],
    ['--budget', share('--budget', { most: 'at most 1' }), ['1.01', '0%', 'Infinity']],
    ['--epochs', wholeNumber('--epochs'), ['0', '1.5', '-3', '', 'four', '1e3', '99999999999999999999']],
    ['--lr', positive('--lr'), ['0', '-1', '', 'NaN', 'Infinity']],
    ['--tune', partSize('--tune'), ['0', '1.5', '-2', '120%', 'all']],
    ['--max-macs', macs('--max-macs'), ['0', '-3M', '3X', '1.2.3', '', 'M']],
    ['--size', imageSize('--size'), ['0', '32x', 'x32', '3.5', '99999', '32x32x3']],
    ['--form', oneOf('--form', ['rows', 'branch']), ['row', '']],
  ] as const)('%s refuses what it cannot use, with what came', (option, read, texts) => {
    for (const text of texts) {
      const error = (() => {
        try {
          return read(text);
        } catch (e) {
          return e;
        }
      })();
      expect(error, text).toBeInstanceOf(DynaError);
      expect((error as DynaError).code).toBe('usage');
      expect((error as DynaError).message).toContain(`${option} expects`);
      expect((error as DynaError).message).toContain(`got "${text}"`);
    }
  });
});
