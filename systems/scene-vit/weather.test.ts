import { Random } from 'dynaneural/data';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inWeather, scenesOf } from './scenes.ts';
import { type Picture, render, WEATHERS } from './weather.ts';

const side = 32;
const plane = side * side;

/** A checkerboard of dark and light fields, in a colour. */
function board([red, green, blue]: readonly [number, number, number]): Picture {
  const bytes = Uint8Array.from({ length: 3 * plane }, (_, at) => {
    const [row, column] = [Math.floor((at % plane) / side), at % side];
    const light = (Math.floor(row / 4) + Math.floor(column / 4)) % 2 === 0 ? 1 : 0.3;
    return light * [red, green, blue][Math.floor(at / plane)]!;
  });
  return { bytes, side };
}

const grey = board([160, 160, 160]);
const mean = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0) / values.length;
const channel = ({ bytes }: Picture, c: number): Uint8Array => bytes.subarray(c * plane, (c + 1) * plane);
const equal = (a: Picture, b: Picture): boolean => Buffer.compare(a.bytes, b.bytes) === 0;
const deviation = (values: ArrayLike<number>): number => {
  const m = mean(values);
  return Math.sqrt(mean(Array.from(values, (v) => (v - m) ** 2)));
};
const at = (weather: (typeof WEATHERS)[number], severity: number, seed = 1, picture = grey): Picture =>
  render(picture, weather, severity, new Random(seed));

describe('weather', () => {
  it('comes of its random numbers alone, and leaves the picture as it is', () => {
    const before = { ...grey, bytes: grey.bytes.slice() };
    const settings = fc.record({
      weather: fc.constantFrom(...WEATHERS),
      severity: fc.double({ min: 0, max: 1, noNaN: true }),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(settings, ({ weather, severity, seed }) => {
        const [one, two] = [at(weather, severity, seed), at(weather, severity, seed)];
        expect(equal(one, two)).toBe(true);
        expect(one.bytes).toHaveLength(3 * plane);
        expect(equal(grey, before)).toBe(true);
        expect(equal(one, before)).toBe(weather === 'clear');
        expect(equal(one, at(weather, severity, seed + 1))).toBe(weather === 'clear');
      }),
      { numRuns: 40 },
    );
  });

  it('fog: light haze takes contrast away, the more the heavier it is', () => {
    const contrasts = [0, 0.5, 1].map((s) => deviation(channel(at('fog', s), 1)));
    expect(contrasts[0]!).toBeLessThan(0.9 * deviation(channel(grey, 1)));
    expect(contrasts[1]!).toBeLessThan(0.8 * contrasts[0]!);
    expect(contrasts[2]!).toBeLessThan(0.8 * contrasts[1]!);
    expect(mean(at('fog', 1).bytes)).toBeGreaterThan(mean(at('fog', 0.3).bytes));
    const white = at('fog', 1, 1, board([255, 255, 255]));
    expect(mean(white.bytes.filter((v) => v > 240))).not.toBeGreaterThan(255);
    // Farther up is thicker.
    const rows = (from: number): number => {
      const seeds = Array.from({ length: 30 }, (_, seed) => channel(at('fog', 0.7, seed), 0));
      return mean(seeds.map((c) => deviation(c.subarray(from * side, (from + 8) * side))));
    };
    expect(rows(0)).toBeLessThan(rows(24));
  });

  it('rain: darker, softer, with bright lines that fall rather than lie', () => {
    const black: Picture = { bytes: new Uint8Array(3 * plane), side };
    const wet = at('rain', 1, 3, black);
    const lines = channel(wet, 0);
    const bright = lines.reduce((n, v) => n + (v > 40 ? 1 : 0), 0) / plane;
    expect(bright).toBeGreaterThan(0.05);
    expect(bright).toBeLessThan(0.4);
    let [down, across] = [0, 0];
    for (let seed = 0; seed < 20; seed++) {
      const c = channel(at('rain', 1, seed, black), 0);
      for (let i = 0; i < plane - side; i++) {
        down += Math.abs(c[i]! - c[i + side]!);
        if (i % side < side - 1) across += Math.abs(c[i]! - c[i + 1]!);
      }
    }
    expect(down).toBeLessThan(0.8 * across);
    const count = (severity: number): number => channel(at('rain', severity, 3, black), 0).filter((v) => v > 40).length;
    expect(count(1)).toBeGreaterThan(count(0.1));
    // The median pixel has no drop on it.
    const median = (p: Picture): number => [...channel(p, 1)].sort((a, b) => a - b)[plane / 2]!;
    const flat: Picture = { bytes: new Uint8Array(3 * plane).fill(180), side };
    expect(median(at('rain', 1, 3, flat))).toBeLessThan(median(at('rain', 0.2, 3, flat)));
    expect(median(at('rain', 0.2, 3, flat))).toBeLessThan(180);
  });

  it('night: dark, bluish and noisy', () => {
    const flat: Picture = { bytes: new Uint8Array(3 * plane).fill(180), side };
    const [mild, deep] = [at('night', 0.2, 1, flat), at('night', 1, 1, flat)];
    expect(mean(mild.bytes)).toBeLessThan(150);
    expect(mean(deep.bytes)).toBeLessThan(0.6 * mean(mild.bytes));
    expect(mean(channel(deep, 2))).toBeGreaterThan(1.3 * mean(channel(deep, 0)));
    expect(deviation(channel(deep, 1))).toBeGreaterThan(4);
  });
});

describe('scenes', () => {
  const clear = (length: number) => ({
    ...{ name: 'board', inputs: new Uint8Array(length * 3 * plane), shape: [3, side, side] },
    ...{ labels: new Int32Array(length), classes: ['a', 'b'], length, mean: [0], std: [1] },
  });

  it('every image has one weather, the same for a seed, another for the next', () => {
    const made = clear(400);
    for (let i = 0; i < made.length; i++) made.inputs.set(grey.bytes, i * 3 * plane);
    const [one, again, other] = [inWeather(made, 1), inWeather(made, 1), inWeather(made, 2)];
    expect(Buffer.compare(again.data.inputs as Uint8Array, one.data.inputs as Uint8Array)).toBe(0);
    expect([...again.weather]).toEqual([...one.weather]);
    expect([...other.weather]).not.toEqual([...one.weather]);
    for (const w of WEATHERS.keys()) {
      const share = one.weather.filter((v) => v === w).length / made.length;
      expect(share).toBeGreaterThan(0.17);
      expect(share).toBeLessThan(0.33);
    }
    for (let i = 0; i < 40; i++) {
      const bytes = (one.data.inputs as Uint8Array).subarray(i * 3 * plane, (i + 1) * 3 * plane);
      expect(equal({ bytes, side }, grey)).toBe(WEATHERS[one.weather[i]!] === 'clear');
    }
  });

  it('splits are painted apart and normalised by the training images', () => {
    const [train, test] = [clear(40), clear(40)];
    train.inputs.fill(90);
    test.inputs.fill(90);
    const made = scenesOf({ train, test });
    expect(made.test.data.mean).toEqual(made.train.data.mean);
    expect(made.train.data.mean).toHaveLength(3);
    expect(made.test.weather).not.toEqual(made.train.weather);
  });
});
