import { describe, expect, it } from 'vitest';
import type { Chosen } from './choices.ts';
import { movementOf, strongestOf } from './movement.ts';

const kernels = (maker: string, sd: number, strongest: readonly number[]): Chosen => ({
  kind: 'weights',
  maker: `${maker}/kernels/routing/weigh`,
  moments: { mean: [0.5, 0.5], sd: [sd, sd], size: [0.5, 0.5] },
  positions: 1,
  entropy: { ofMean: 1, mean: 0.8 },
  strongest,
});
/** One place of a kernel at two positions: y, x, modulation. */
const places = (sd: number, logit = 0): Chosen => ({
  kind: 'places',
  maker: 'late/conv2/offset',
  moments: { mean: [0, 0, 0, 0, logit, logit], sd: [sd, sd, sd, 3 * sd, 1, 1], size: [1, 1, 2, 2, 9, 9] },
  positions: 2,
});

describe('movement', () => {
  it('is the mean deviation of weights and of offsets; modulations are told as they multiply', () => {
    const {
      moves,
      kernels: k,
      places: p,
    } = movementOf([kernels('down2/conv1', 0.1, [0]), kernels('b', 0.3, [0]), places(0.2)]);
    expect(moves).toBe(true);
    expect(k).toEqual({ sd: 0.2, ofMean: 1, mean: 0.8 });
    expect(p!.size).toBeCloseTo(1.5, 12);
    expect(p!.sd).toBeCloseTo(0.3, 12);
    // d/dv of 2 sigmoid(v) at 0.
    expect(p!.modulation).toBeCloseTo(0.5, 12);
    const v = 1.3;
    const step = 1e-5;
    const m = (x: number) => 2 / (1 + Math.exp(-x));
    expect(movementOf([places(0.2, v)]).places!.modulation).toBeCloseTo((m(v + step) - m(v - step)) / (2 * step), 6);
  });

  it('of what hardly changes is none', () => {
    expect(movementOf([kernels('a/b', 0.01, [0]), places(0.01)]).moves).toBe(false);
    expect(movementOf([kernels('a/b', 0.03, [0]), places(0.01)]).moves).toBe(true);
    expect(movementOf([places(0.01)])).toMatchObject({ moves: false });
    expect(movementOf([places(0.01)]).kernels).toBeUndefined();
  });
});

it('ways are the strongest kernels, layer by layer', () => {
  const { rates, paths, bits } = strongestOf([
    kernels('down2/conv1', 0.1, [0, 0, 1, 1]),
    kernels('late/conv1', 0.1, [0, 0, 0, 1]),
    places(1),
  ]);
  expect(rates).toEqual({
    'down2/conv1/kernel1': 0.5,
    'down2/conv1/kernel2': 0.5,
    'late/conv1/kernel1': 0.75,
    'late/conv1/kernel2': 0.25,
  });
  expect(paths).toBe(3);
  expect(bits).toBe(1.5);
});
