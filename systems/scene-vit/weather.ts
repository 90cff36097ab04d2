import type { Random } from 'dynaneural/data';

/** Simulated: painted onto photographs, not photographed. */
export const WEATHERS = ['clear', 'fog', 'rain', 'night'] as const;
export type Weather = (typeof WEATHERS)[number];

/** Red, green and blue, each side x side bytes. */
export interface Picture {
  readonly bytes: Uint8Array;
  readonly side: number;
}

/** Every byte of a picture through `of`; what comes out is rounded and stops at 0 and 255. */
function painted({ bytes, side }: Picture, of: (value: number, channel: number, pixel: number) => number): Picture {
  const plane = side * side;
  const out = new Uint8ClampedArray(bytes.length);
  for (let at = 0; at < out.length; at++) out[at] = of(bytes[at]!, Math.floor(at / plane), at % plane);
  return { bytes: new Uint8Array(out.buffer), side };
}

const ease = (t: number): number => t * t * (3 - 2 * t);
const blend = (a: number, b: number, t: number): number => a + (b - a) * t;

/** Values 0 to 1 for each pixel that change slowly: a random lattice of `cells` x `cells`, blended between its points. */
function smoothNoise(random: Random, side: number, cells: number): Float32Array {
  const points = cells + 1;
  const lattice = Float32Array.from({ length: points * points }, () => random.float());
  const out = new Float32Array(side * side);
  for (let row = 0; row < side; row++) {
    const y = (row / side) * cells;
    const top = Math.floor(y) * points;
    for (let column = 0; column < side; column++) {
      const x = (column / side) * cells;
      const left = Math.floor(x);
      const right = ease(x - left);
      const above = blend(lattice[top + left]!, lattice[top + left + 1]!, right);
      const below = blend(lattice[top + points + left]!, lattice[top + points + left + 1]!, right);
      out[row * side + column] = blend(above, below, ease(y - Math.floor(y)));
    }
  }
  return out;
}

const HAZE = [214, 219, 224];

/**
 * I t + A (1 - t): light from the scene fades with its distance, and the haze's own light takes its place (Koschmieder's law, as
 * rendered by Sakaridis et al. 2018, arXiv:1708.07819). Without a depth map, what is higher in the picture counts as
 * farther, and banks of fog drift through it.
 */
function fog(picture: Picture, severity: number, random: Random): Picture {
  const { side } = picture;
  const banks = smoothNoise(random, side, 2);
  const wisps = smoothNoise(random, side, 5);
  const through = banks.map((bank, at) => {
    const far = 1.15 - 0.3 * (Math.floor(at / side) / side);
    const density = (0.35 + 1.15 * severity) * far * (0.55 + 0.6 * bank + 0.3 * wisps[at]!);
    return Math.exp(-density);
  });
  return painted(picture, (v, c, at) => v * through[at]! + HAZE[c]! * (1 - through[at]!));
}

/** Each pixel in part the mean of its neighbourhood, 1 2 1 in both directions. */
function softened(picture: Picture, share: number): Picture {
  const { bytes, side } = picture;
  const inside = (p: number): number => Math.min(side - 1, Math.max(0, p));
  return painted(picture, (v, channel, at) => {
    const row = Math.floor(at / side);
    const column = at % side;
    let sum = 0;
    for (let r = -1; r <= 1; r++) {
      const line = channel * side * side + inside(row + r) * side;
      for (let c = -1; c <= 1; c++) sum += (2 - Math.abs(r)) * (2 - Math.abs(c)) * bytes[line + inside(column + c)]!;
    }
    return blend(v, sum / 16, share);
  });
}

/** How much of each pixel falling drops cover, 0 to 1: bright lines of one slant, as long as the shutter is open. */
function streaks(random: Random, side: number, severity: number): Float32Array {
  const cover = new Float32Array(side * side);
  const slant = (random.float() - 0.5) * 0.9;
  const count = Math.round(((0.6 + severity) * side * side) / 56);
  for (let drop = 0; drop < count; drop++) {
    const length = side * (0.14 + 0.2 * random.float());
    const strength = 0.3 + 0.45 * random.float();
    const lean = Math.tan(slant + (random.float() - 0.5) * 0.1);
    let row = random.float() * (side + length) - length;
    let column = (random.float() * 1.4 - 0.2) * side;
    for (let step = 0; step < 2 * length; step++, row += 0.5, column += 0.5 * lean) {
      const r = Math.floor(row);
      const c = Math.floor(column);
      if (r < 0 || r >= side) continue;
      for (const to of [c, c + 1])
        if (to >= 0 && to < side) {
          const share = strength * (1 - Math.abs(column - to));
          cover[r * side + to] = Math.max(cover[r * side + to]!, share);
        }
    }
  }
  return cover;
}

const DROPS = [205, 212, 222];

/** Less light and contrast, wet air that blurs, and streaks of drops, brighter than what they hide (Garg & Nayar 2006). */
function rain(picture: Picture, severity: number, random: Random): Picture {
  const cover = streaks(random, picture.side, severity);
  const light = 0.88 - 0.28 * severity;
  const wet = softened(picture, 0.25 + 0.5 * severity);
  return painted(wet, (v, c, at) => blend(v * light + 14, DROPS[c]!, cover[at]!));
}

/** Red fades first where there is little light. */
const MOONLIGHT = [0.72, 0.86, 1.12];

/** Little light, what is left of it bluish, and the noise of a sensor that strains: of photons, and of reading them. */
function night(picture: Picture, severity: number, random: Random): Picture {
  const gamma = 1.2 + 0.6 * severity;
  const light = 0.75 - 0.35 * severity;
  const reading = 2 + 4 * severity;
  const photons = 0.4 + 0.6 * severity;
  return painted(picture, (v, c) => {
    const lit = 255 * light * MOONLIGHT[c]! * (v / 255) ** gamma;
    return lit + random.normal() * (reading + photons * Math.sqrt(lit));
  });
}

const painters = { fog, rain, night } as const;

/**
 * One picture in simulated weather; the same random numbers give the same bytes. The given picture stays as it is.
 *
 * @param severity 0 (hardly to be seen) to 1 (heavy)
 * @example render({ bytes, side: 32 }, 'rain', 0.7, new Random(1, 42))
 */
export const render = (picture: Picture, weather: Weather, severity: number, random: Random): Picture =>
  weather === 'clear' ? picture : painters[weather](picture, severity, random);
