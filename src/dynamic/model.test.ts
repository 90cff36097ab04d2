import { expect, it } from 'vitest';
import { ndarray } from '../graph/index.ts';
import { bindingHash, type Preprocessing } from './model.ts';

const a = ndarray('float32', [2], [1, 2]);
const b = ndarray('float32', [1, 2], [3, 4]);
const weights = [
  ['a', a],
  ['b', b],
] as const;
const preprocessing: Preprocessing = { shape: [1, 2, 2], scale: 1 / 255, mean: [0.5], std: [0.25] };
const points = [
  { thresholds: { exit1: 0.5, exit2: Number.POSITIVE_INFINITY } },
  { thresholds: { exit1: 0, exit2: -1 } },
];
const usual = bindingHash(weights, preprocessing, points);

it('does not depend on the order of weights or of names, nor on digits that float32 does not hold', () => {
  expect(usual).toMatch(/^[0-9a-f]{64}$/);
  expect(bindingHash([...weights].reverse(), preprocessing, points)).toBe(usual);
  const turned = [{ thresholds: { exit2: Number.POSITIVE_INFINITY, exit1: 0.5 } }, points[1]!];
  expect(bindingHash(weights, preprocessing, turned)).toBe(usual);
  expect(bindingHash(weights, { ...preprocessing, scale: Math.fround(1 / 255) }, points)).toBe(usual);
});

it.each<[string, string]>([
  [
    'a weight',
    bindingHash(
      [
        ['a', a],
        ['b', ndarray('float32', [1, 2], [3, 4.0001])],
      ],
      preprocessing,
      points,
    ),
  ],
  [
    'the shape of a weight',
    bindingHash(
      [
        ['a', a],
        ['b', ndarray('float32', [2], [3, 4])],
      ],
      preprocessing,
      points,
    ),
  ],
  [
    'the name of a weight',
    bindingHash(
      [
        ['a', a],
        ['c', b],
      ],
      preprocessing,
      points,
    ),
  ],
  ['a missing weight', bindingHash([['a', a]], preprocessing, points)],
  ['the scale', bindingHash(weights, { ...preprocessing, scale: 1 }, points)],
  ['the mean', bindingHash(weights, { ...preprocessing, mean: [0.4] }, points)],
  ['the deviation', bindingHash(weights, { ...preprocessing, std: [0.2] }, points)],
  ['the shape of an input', bindingHash(weights, { ...preprocessing, shape: [1, 4, 1] }, points)],
  ['a threshold', bindingHash(weights, preprocessing, [{ thresholds: { exit1: 0.5, exit2: 3 } }, points[1]!])],
  [
    'the name of a decision',
    bindingHash(weights, preprocessing, [{ thresholds: { exit1: 0.5, exit3: Number.POSITIVE_INFINITY } }, points[1]!]),
  ],
  ['a missing point', bindingHash(weights, preprocessing, points.slice(1))],
  ['the order of the points', bindingHash(weights, preprocessing, [...points].reverse())],
  [
    'values that moved from mean to deviation',
    bindingHash(weights, { ...preprocessing, mean: [0.5, 0.25], std: [] }, points),
  ],
])('%s changes the hash', (_, hash) => {
  expect(hash).not.toBe(usual);
});

it('points do not run into each other', () => {
  const hash = (list: readonly { thresholds: Record<string, number> }[]) => bindingHash(weights, preprocessing, list);
  expect(hash([{ thresholds: { a: 1 } }, { thresholds: { b: 2 } }])).not.toBe(hash([{ thresholds: { a: 1, b: 2 } }]));
  expect(hash([{ thresholds: { a: 1 } }, { thresholds: { a: 1 } }])).not.toBe(hash([{ thresholds: { a: 1 } }]));
  expect(hash([{ thresholds: { a: 1 } }, { thresholds: { b: 2 } }])).not.toBe(hash([{ thresholds: { 'a=1b': 2 } }]));
});
