import { describe, expect, it } from 'vitest';
import { DynaError } from '../errors.ts';
import { channelStatistics, classCounts, dataset, fingerprint, requireClasses, subset } from './dataset.ts';

const six = dataset({
  name: 'six',
  inputs: Uint8Array.from({ length: 24 }, (_, i) => i * 10),
  shape: [1, 2, 2],
  labels: [0, 1, 2, 0, 1, 0],
  classes: ['a', 'b', 'c'],
});

/** The code and message of the error that `act` throws. */
function errorOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof DynaError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('dataset', () => {
  it('counts items and names classes after their numbers', () => {
    const ds = dataset({ inputs: new Float32Array(8), shape: [2], labels: [0, 3, 1, 0] });
    expect([ds.length, ds.classes, ds.mean, ds.std]).toEqual([4, ['0', '1', '2', '3'], [0], [1]]);
  });

  it('marks items without labels', () => {
    const ds = dataset({ inputs: new Float32Array(4), shape: [2] });
    expect([Array.from(ds.labels), ds.classes]).toEqual([[-1, -1], []]);
  });

  it.each([
    ['empty data', () => dataset({ inputs: new Uint8Array(0), shape: [2], labels: [] }), /^data: data is empty/],
    ['half an item', () => dataset({ inputs: new Uint8Array(5), shape: [2] }), /^data: .*5 values.*\[2\]/],
    ['a shape of zero', () => dataset({ inputs: new Uint8Array(5), shape: [0] }), /^data: .*\[0\]/],
    ['too few labels', () => dataset({ inputs: new Uint8Array(4), shape: [2], labels: [1] }), /2 items but 1 labels/],
    [
      'a label too high',
      () => dataset({ ...six, labels: [0, 1, 3, 0, 1, 0] }),
      /^data: label 3 of item 2 in six.*0 to 2/,
    ],
    ['a negative label', () => dataset({ ...six, labels: [0, 1, -1, 0, 1, 0] }), /label -1 of item 2/],
    ['half a label', () => dataset({ ...six, labels: [0, 1, 0.5, 0, 1, 0] }), /label 0.5 of item 2/],
    [
      'a label of a billion',
      () => dataset({ inputs: new Uint8Array(2), shape: [1], labels: [0, 1e9] }),
      /label 1000000000/,
    ],
    [
      'NaN',
      () => dataset({ inputs: new Float32Array([0, 1, 2, Number.NaN]), shape: [2] }),
      /^data: data holds NaN at value 1 of item 1/,
    ],
    [
      'infinity',
      () => dataset({ inputs: new Float32Array([-Infinity, 1]), shape: [2] }),
      /-Infinity at value 0 of item 0/,
    ],
    ['std 0', () => dataset({ ...six, std: [0] }), /stds above 0/],
    ['three means for one channel', () => dataset({ ...six, mean: [0, 0, 0], std: [1, 1, 1] }), /1 or 1 values/],
  ])('refuses %s', (_, act, message) => {
    expect(errorOf(act)).toMatch(message);
  });

  it('refuses to train a classifier on one class or on none', () => {
    expect(errorOf(() => requireClasses(subset(six, [0, 3, 5])))).toMatch(
      /^data: six needs at least two classes, all 3 items are "a"/,
    );
    expect(errorOf(() => requireClasses(dataset({ inputs: new Uint8Array(4), shape: [2] })))).toMatch(
      /^data: .*no labels/,
    );
    expect(() => requireClasses(six)).not.toThrow();
  });
});

describe('subset', () => {
  it('takes the items in the order that is asked for', () => {
    const part = subset(six, [4, 0, 4]);
    expect(part.length).toBe(3);
    expect(Array.from(part.inputs)).toEqual([160, 170, 180, 190, 0, 10, 20, 30, 160, 170, 180, 190]);
    expect(Array.from(part.labels)).toEqual([1, 0, 1]);
    expect(classCounts(part)).toEqual([1, 2, 0]);
  });

  it('shares memory for neighbours and copies otherwise', () => {
    expect(subset(six, [1, 2, 3]).inputs.buffer).toBe(six.inputs.buffer);
    expect(Array.from(subset(six, [1, 2]).inputs)).toEqual([40, 50, 60, 70, 80, 90, 100, 110]);
    expect(subset(six, [1, 3]).inputs.buffer).not.toBe(six.inputs.buffer);
  });

  it('refuses nothing and items that are not there', () => {
    expect(errorOf(() => subset(six, []))).toMatch(/^data: .*at least one/);
    expect(errorOf(() => subset(six, [0, 6]))).toMatch(/^data: item 6 is not in six: expected 0 to 5/);
    expect(errorOf(() => subset(six, [-1]))).toMatch(/item -1/);
  });
});

describe('channelStatistics', () => {
  it('measures each channel of images on its own', () => {
    const inputs = new Uint8Array([0, 255, 51, 51, 255, 0, 51, 51]); // two items of [2, 1, 2]
    const { mean, std } = channelStatistics({ inputs, shape: [2, 1, 2], length: 2 });
    expect(mean[0]).toBeCloseTo(0.5, 12);
    expect(mean[1]).toBeCloseTo(0.2, 12);
    expect(std[0]).toBeCloseTo(0.5, 12);
    expect(std[1]).toBe(1); // constant: nothing to divide by
  });
});

describe('fingerprint', () => {
  it('tells any change of inputs, labels or shape', () => {
    const changed = dataset({ ...six, inputs: six.inputs.map((v, i) => (i === 23 ? v + 1 : v)) });
    const relabelled = dataset({ ...six, labels: [0, 1, 2, 0, 1, 1] });
    const reshaped = dataset({ ...six, shape: [1, 4, 1] });
    const prints = [six, changed, relabelled, reshaped].map(fingerprint);
    expect(new Set(prints).size).toBe(4);
    expect(fingerprint(subset(six, [0, 1, 2, 3, 4, 5]))).toBe(prints[0]);
  });
});
