import { dataset } from 'dynaneural';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { transformOf, warped, warpPlane } from './warp.ts';

const plane = (height: number, width: number) =>
  Float32Array.from({ length: height * width }, (_, i) => 1 + ((i * 37) % 101));
const close = (got: ArrayLike<number>, want: ArrayLike<number>, digits = 3) => {
  expect(got).toHaveLength(want.length);
  for (let i = 0; i < want.length; i++) expect(got[i]).toBeCloseTo(want[i]!, digits);
};

describe('warpPlane', () => {
  it('keeps an image that is neither turned nor scaled', () => {
    const image = plane(5, 7);
    close(warpPlane(image, [5, 7], { degrees: 0, scale: 1 }), image);
  });

  it('turns by quarters as a matrix is turned, counter-clockwise', () => {
    for (const n of [4, 5]) {
      const image = plane(n, n);
      const quarter = Array.from({ length: n * n }, (_, i) => image[(i % n) * n + (n - 1 - Math.floor(i / n))]!);
      close(warpPlane(image, [n, n], { degrees: 90, scale: 1 }), quarter);
      close(warpPlane(image, [n, n], { degrees: 180, scale: 1 }), [...image].reverse());
    }
  });

  it('reads a slope where each pixel came from, for any angle and scale', () => {
    // Bilinear reading of a plane y -> a + b y + c x is exact, so geometry alone is left.
    fc.assert(
      fc.property(
        fc.double({ min: -180, max: 180, noNaN: true }),
        fc.double({ min: 1, max: 3, noNaN: true }),
        (d, s) => {
          const n = 9;
          const image = Float32Array.from({ length: n * n }, (_, i) => 10 + 2 * Math.floor(i / n) - 3 * (i % n));
          const turned = warpPlane(image, [n, n], { degrees: d, scale: s });
          const a = (d * Math.PI) / 180;
          for (const [row, column] of [
            [4, 4],
            [3, 4],
            [4, 5],
            [2, 3],
          ] as const) {
            // A turn by a about the centre (4, 4), with y pointing down, then the scale, undone.
            const [dy, dx] = [(row - 4) / s, (column - 4) / s];
            const y = 4 + Math.cos(a) * dy + Math.sin(a) * dx;
            const x = 4 + Math.cos(a) * dx - Math.sin(a) * dy;
            expect(turned[row * n + column]).toBeCloseTo(10 + 2 * y - 3 * x, 3);
          }
        },
      ),
    );
  });

  it('shrinks towards the centre and leaves black around it', () => {
    const white = new Float32Array(64).fill(200);
    const small = warpPlane(white, [8, 8], { degrees: 0, scale: 0.5 });
    expect(small[0]).toBe(0);
    expect(small[3 * 8 + 3]).toBeCloseTo(200, 3);
    expect(small.filter((v) => v > 0)).toHaveLength(16);
  });
});

describe('warped', () => {
  const options = { degrees: 45, scale: [0.7, 1.2], seed: 5 } as const;
  const images = (n: number) =>
    dataset({
      name: 'set',
      inputs: Uint8Array.from({ length: n * 2 * 36 }, (_, i) => (i * 53) % 256),
      shape: [2, 6, 6],
      labels: Array.from({ length: n }, (_, i) => i % 2),
      classes: ['a', 'b'],
    });

  it('warps each image by its own transform, all channels alike, in rounded bytes', () => {
    const ds = images(3);
    const out = warped(ds, options);
    expect(out).toMatchObject({ name: 'set, warped', length: 3, classes: ['a', 'b'] });
    expect(out.inputs).toBeInstanceOf(Uint8Array);
    expect([...out.labels]).toEqual([0, 1, 0]);
    for (let i = 0; i < 3; i++)
      for (let c = 0; c < 2; c++) {
        const at = (2 * i + c) * 36;
        const want = warpPlane(ds.inputs.subarray(at, at + 36), [6, 6], transformOf(options, i));
        close(
          out.inputs.subarray(at, at + 36),
          want.map((v) => Math.round(v)),
        );
      }
    expect(warped(images(2), options).inputs).toEqual(out.inputs.subarray(0, 2 * 72));
    expect(warped(ds, { ...options, seed: 6 }).inputs).not.toEqual(out.inputs);
  });

  it('draws angles and scales from the whole of their ranges, evenly', () => {
    const all = Array.from({ length: 4000 }, (_, i) => transformOf(options, i));
    const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    for (const [values, low, high] of [
      [all.map((t) => t.degrees), -45, 45],
      [all.map((t) => t.scale), 0.7, 1.2],
    ] as const) {
      expect(Math.min(...values)).toBeGreaterThanOrEqual(low);
      expect(Math.max(...values)).toBeLessThanOrEqual(high);
      expect(Math.abs(mean(values) - (low + high) / 2)).toBeLessThan(0.03 * (high - low));
      const quarter = values.filter((v) => v < low + (high - low) / 4).length / values.length;
      expect(quarter).toBeGreaterThan(0.22);
      expect(quarter).toBeLessThan(0.28);
    }
  });

  it('refuses what are no images', () => {
    const rows = dataset({ inputs: new Float32Array(4), shape: [2], labels: [0, 1] });
    expect(() => warped(rows, options)).toThrow(/images \[C, H, W\] can be warped, the items of data are \[2\]/);
  });
});
