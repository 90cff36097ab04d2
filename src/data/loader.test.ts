import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toNumbers } from '../graph/array.ts';
import { type Augment, type Batch, normalise, takeBatch } from './batch.ts';
import { type Dataset, dataset } from './dataset.ts';
import { loader } from './loader.ts';
import { Random } from './random.ts';

/** n random images [2, 4, 5] with their own mean and std for each channel. */
function images(n: number, floats = false): Dataset {
  const random = new Random(n);
  const values = Array.from({ length: n * 40 }, () => random.int(256));
  return dataset({
    name: 'images',
    inputs: floats ? Float32Array.from(values, (v) => v / 100) : Uint8Array.from(values),
    shape: [2, 4, 5],
    labels: Array.from({ length: n }, (_, i) => i % 3),
    classes: ['a', 'b', 'c'],
    mean: [0.4, 0.1],
    std: [0.2, 0.5],
  });
}

/** One item, written the plain way: pad with zeros, cut the window, mirror, normalise. */
function reference(ds: Dataset, item: number, dy = 0, dx = 0, mirrored = false): number[] {
  const [channels, height, width] = ds.shape;
  const unit = ds.inputs instanceof Uint8Array ? 255 : 1;
  const out: number[] = [];
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const sy = y + dy;
        const sx = (mirrored ? width - 1 - x : x) + dx;
        const inside = sy >= 0 && sy < height && sx >= 0 && sx < width;
        const raw = inside ? ds.inputs[((item * channels + c) * height + sy) * width + sx] : 0;
        out.push(Math.fround((raw / unit - ds.mean[c]) / ds.std[c]));
      }
  return out;
}

const rows = (batch: Batch): number[][] => {
  const size = batch.x.data.length / batch.n;
  return Array.from({ length: batch.n }, (_, i) => toNumbers(batch.x).slice(i * size, (i + 1) * size));
};

const closeTo = (a: number[], b: number[]): boolean =>
  a.every((v, i) => Math.abs(v - b[i]) <= 1e-6 * Math.max(1, Math.abs(b[i])));

describe('loader', () => {
  it.each([false, true])('normalises each channel and carries labels (floats: %s)', (floats) => {
    const ds = images(7, floats);
    const batches = [...loader(ds, { batch: 3 }).epoch(0)];
    expect(batches.map(({ n, x, y }) => [n, x.dtype, x.dims, y.dtype, y.dims])).toEqual([
      [3, 'float32', [3, 2, 4, 5], 'int64', [3]],
      [3, 'float32', [3, 2, 4, 5], 'int64', [3]],
      [1, 'float32', [1, 2, 4, 5], 'int64', [1]],
    ]);
    expect(batches.flatMap(({ y }) => toNumbers(y))).toEqual([0, 1, 2, 0, 1, 2, 0]);
    batches.flatMap(rows).forEach((row, i) => {
      expect(closeTo(row, reference(ds, i))).toBe(true);
    });
  });

  it('normalises rows of features with one mean and std', () => {
    const ds = dataset({
      inputs: new Float32Array([1, 2, 3, 4, 5, 6]),
      shape: [3],
      labels: [0, 1],
      mean: [2],
      std: [0.5],
    });
    const [batch] = loader(ds, { batch: 2 }).epoch(0);
    expect(toNumbers(batch.x)).toEqual([-2, 0, 2, 4, 6, 8]);
  });

  it('yields every item once an epoch, in another order each time', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 60 }), fc.integer(), (n, batch, seed) => {
        const batches = loader(images(n), { batch, seed, shuffle: true });
        const seen = [...batches.epoch(2)];
        expect(seen).toHaveLength(batches.batchesPerEpoch);
        const order = seen.flatMap(({ indices }) => Array.from(indices));
        expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
        expect(seen.flatMap(({ y }) => toNumbers(y))).toEqual(order.map((i) => i % 3));
      }),
      { numRuns: 40 },
    );
    const orders = [0, 1].map((epoch) => [...loader(images(50), { batch: 50, shuffle: true }).epoch(epoch)][0].indices);
    expect(orders[0]).not.toEqual(orders[1]);
  });

  it('goes on at any batch, bit for bit as an unbroken epoch', () => {
    const options = { batch: 4, seed: 11, shuffle: true, augment: { crop: 1, flip: true } };
    fc.assert(
      fc.property(fc.nat(5), fc.nat(8), (epoch, from) => {
        const unbroken = [...loader(images(30), options).epoch(epoch)];
        expect([...loader(images(30), options).epoch(epoch, from)]).toEqual(unbroken.slice(from));
      }),
      { numRuns: 20 },
    );
  });

  it('leaves out the last batch when asked to', () => {
    const batches = loader(images(10), { batch: 4, dropLast: true });
    expect([batches.batchesPerEpoch, batches.itemsPerEpoch, [...batches.epoch(0)].map(({ n }) => n)]).toEqual([
      2,
      8,
      [4, 4],
    ]);
    expect(() => loader(images(3), { batch: 4, dropLast: true })).toThrow(
      /images has 3 items, too few for one batch of 4/,
    );
  });

  it.each([0, -1, 2.5, Number.NaN])('refuses a batch of %s', (batch) => {
    expect(() => loader(images(3), { batch })).toThrow(/at least 1/);
  });

  it('refuses an epoch before the first', () => {
    expect(() => loader(images(3), { batch: 1 }).epoch(-1)).toThrow(/whole numbers from 0/);
  });
});

describe('augmentation', () => {
  /** Every window and mirror image that `augment` may give. */
  function possible(ds: Dataset, item: number, pad: number, mirrors: boolean[]): number[][] {
    const offsets = Array.from({ length: 2 * pad + 1 }, (_, i) => i - pad);
    return offsets.flatMap((dy) => offsets.flatMap((dx) => mirrors.map((m) => reference(ds, item, dy, dx, m))));
  }

  it.each<[string, Augment, number, boolean[], boolean]>([
    ['crops', { crop: 2 }, 2, [false], false],
    ['crops far beyond the edge', { crop: 6 }, 6, [false], false],
    ['flips', { flip: true }, 0, [false, true], false],
    ['crops and flips', { crop: 1, flip: true }, 1, [false, true], false],
    ['crops and flips floats', { crop: 1, flip: true }, 1, [false, true], true],
  ])('%s as the plain reference does, and reaches every window', (_, augment, pad, mirrors, floats) => {
    const ds = images(1, floats);
    const windows = possible(ds, 0, pad, mirrors);
    const batches = loader(ds, { batch: 1, seed: 4, augment });
    const reached = new Set<number>();
    for (let epoch = 0; epoch < 14 * windows.length; epoch++) {
      const [row] = [...batches.epoch(epoch)].flatMap(rows);
      const at = windows.findIndex((window) => closeTo(row, window));
      expect(at).toBeGreaterThanOrEqual(0);
      reached.add(at);
    }
    // Windows that lie outside altogether look alike, so only the first of them is found.
    const different = new Set(windows.map((w) => w.map((v) => v.toFixed(4)).join()));
    expect(reached.size).toBe(different.size);
  });

  it('flips the share that is asked for', () => {
    const ds = images(1);
    const mirrored = reference(ds, 0, 0, 0, true);
    const count = (flip: number | boolean): number => {
      const batches = loader(ds, { batch: 1, augment: { flip } });
      let flipped = 0;
      for (let epoch = 0; epoch < 2000; epoch++)
        if (closeTo([...batches.epoch(epoch)].flatMap(rows)[0], mirrored)) flipped++;
      return flipped;
    };
    expect(Math.abs(count(true) - 1000)).toBeLessThan(5 * Math.sqrt(500));
    expect(Math.abs(count(0.1) - 200)).toBeLessThan(5 * Math.sqrt(180));
    expect(count(1)).toBe(2000);
    expect(count(false)).toBe(0);
  });

  it('depends on seed, epoch and item alone, not on batch size or order', () => {
    const augment = { crop: 2, flip: true };
    const byItem = (batch: number, shuffle: boolean, seed: number, epoch: number): number[][] => {
      const out: number[][] = [];
      for (const b of loader(images(20), { batch, shuffle, seed, augment }).epoch(epoch))
        rows(b).forEach((row, i) => {
          out[b.indices[i]] = row;
        });
      return out;
    };
    const base = byItem(7, false, 1, 3);
    expect(byItem(20, true, 1, 3)).toEqual(base);
    expect(byItem(7, false, 2, 3)).not.toEqual(base);
    expect(byItem(7, false, 1, 4)).not.toEqual(base);
  });

  it('refuses what it cannot do', () => {
    const flat = dataset({ inputs: new Uint8Array(8), shape: [4] });
    expect(() => loader(flat, { batch: 1, augment: { flip: true } })).toThrow(
      /expects images \[C, H, W\], got items of shape \[4\]/,
    );
    expect(() => loader(images(2), { batch: 1, augment: { crop: -1 } })).toThrow(/number of pixels, got -1/);
    expect(() => loader(images(2), { batch: 1, augment: { flip: 2 } })).toThrow(/share from 0 to 1, got 2/);
  });
});

describe('takeBatch and normalise', () => {
  it('take the same values as the loader', () => {
    const ds = images(6);
    const batch = takeBatch(ds, [5, 0, 5]);
    expect(toNumbers(batch.y)).toEqual([2, 0, 2]);
    [5, 0, 5].forEach((item, i) => {
      expect(closeTo(rows(batch)[i], reference(ds, item))).toBe(true);
    });
    const one = normalise(ds.inputs.subarray(0, 40), ds);
    expect([one.dims, toNumbers(one)]).toEqual([[1, 2, 4, 5], rows(batch)[1]]);
    expect(() => takeBatch(ds, [6])).toThrow(/item 6 is not in images/);
    expect(() => normalise(new Uint8Array(39), ds)).toThrow(/\[2, 4, 5\] holds 40 values, got 39/);
  });
});
