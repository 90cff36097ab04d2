import { expect, test } from 'vitest';
import { settingsBetween } from './aim.ts';

test('between two settings lie others, in order, as float32; what both share stays', () => {
  const found = settingsBetween(
    { a: 1, b: [0, 2], c: Number.POSITIVE_INFINITY },
    { a: 0, b: [1, 2], c: Number.POSITIVE_INFINITY },
  );
  expect(found.length).toBeGreaterThan(3);
  for (const [k, { a, b, c }] of found.entries()) {
    const share = (k + 1) / (found.length + 1);
    expect(a).toBe(Math.fround(1 - share));
    expect(b).toEqual([Math.fround(share), 2]);
    expect(c).toBe(Number.POSITIVE_INFINITY);
  }
});

test('nothing lies between a setting and never', () => {
  expect(settingsBetween({ a: 0, b: 1 }, { a: 0, b: Number.POSITIVE_INFINITY })).toEqual([]);
});
