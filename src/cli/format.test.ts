import { expect, test } from 'vitest';
import { bytes, count, duration, milliseconds, percent, threshold } from './format.ts';

test.each([
  [bytes(0), '0 B'],
  [bytes(1023), '1023 B'],
  [bytes(1536), '1.50 KiB'],
  [bytes(1023 * 1024), '1023 KiB'],
  [bytes(2 ** 20 - 1), '1.00 MiB'],
  [bytes(5e15), '4656613 GiB'],
  [count(950), '950'],
  [count(999_700), '1.00 M'],
  [count(12_501_632), '12.5 M'],
  [count(undefined), '–'],
  [percent(0.1234), '12.3 %'],
  [percent(Number.NaN), '–'],
  [milliseconds(0.14153), '0.142 ms'],
  [milliseconds(12.34), '12.3 ms'],
  [duration(75), '1:15'],
  [duration(3675), '1:01:15'],
  [duration(Number.POSITIVE_INFINITY), '–'],
  [threshold(Number.POSITIVE_INFINITY), 'never'],
  [threshold(-0.25), '-0.2500'],
])('%s', (shown, expected) => expect(shown).toBe(expected));
