import { expect, test } from 'vitest';
import { halfBits, halfValue } from './half.ts';

test('every half keeps its bits', () => {
  const wrong: number[] = [];
  for (let bits = 0; bits < 0x10000; bits++) {
    const v = halfValue(bits);
    if (halfBits(v) !== (Number.isNaN(v) ? 0x7e00 : bits)) wrong.push(bits);
  }
  expect(wrong).toEqual([]);
});

test('numbers between two halves go to the nearer one, ties to the even one', () => {
  for (let bits = 0; bits < 0x7bff; bits += 37) {
    const [low, high] = [halfValue(bits), halfValue(bits + 1)];
    const middle = (low + high) / 2;
    expect(halfBits(middle)).toBe(bits % 2 === 0 ? bits : bits + 1);
    expect(halfBits(middle - (high - low) / 8)).toBe(bits);
    expect(halfBits(middle + (high - low) / 8)).toBe(bits + 1);
  }
  expect(halfBits(65519.9)).toBe(0x7bff);
  expect(halfBits(65520)).toBe(0x7c00);
  expect(halfBits(-1e9)).toBe(0xfc00);
  expect(halfBits(2 ** -26)).toBe(0);
  expect(halfValue(0x3c00)).toBe(1);
  expect(halfValue(0x0001)).toBe(2 ** -24);
});
