import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Batch } from './batch.ts';
import { type Dataset, dataset } from './dataset.ts';
import { loader } from './loader.ts';
import { Random } from './random.ts';
import { type IndexedSource, type SequentialSource, type StreamItem, streamLoader } from './stream.ts';

const random = new Random(8);
const ds = dataset({
  name: 'items',
  inputs: Uint8Array.from({ length: 50 * 12 }, () => random.int(256)),
  shape: [1, 3, 4],
  labels: Array.from({ length: 50 }, (_, i) => i % 5),
  mean: [0.5],
  std: [0.25],
});

const itemOf = (set: Dataset, i: number): StreamItem => ({
  inputs: set.inputs.subarray(i * 12, (i + 1) * 12),
  label: set.labels[i],
});
const { name, shape, classes, mean, std } = ds;
const base = { name, shape, classes, mean, std };

/** A source that counts what is being read, with answers in random order. */
function counted() {
  const count = { open: 0, most: 0, reads: 0 };
  const source: IndexedSource = {
    ...base,
    length: 50,
    async read(index) {
      count.reads++;
      count.most = Math.max(count.most, ++count.open);
      await sleep(index % 3);
      count.open--;
      return itemOf(ds, index);
    },
  };
  return { source, count };
}

/** A generator that tells whether it was ended, and how far it got. */
function generated(n = 50) {
  const state = { ended: false, given: 0 };
  const source: SequentialSource = {
    ...base,
    async *items() {
      try {
        for (let i = 0; i < n; i++) {
          state.given++;
          yield itemOf(ds, i % 50);
        }
      } finally {
        state.ended = true;
      }
    },
  };
  return { source, state };
}

async function all(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const out: Batch[] = [];
  for await (const batch of batches) out.push(batch);
  return out;
}

describe('streamLoader over an indexed source', () => {
  it('gives the very batches that the loader in memory gives', async () => {
    const options = { batch: 8, seed: 3, shuffle: true, augment: { crop: 1, flip: true } };
    for (const dropLast of [false, true]) {
      const expected = [...loader(ds, { ...options, dropLast }).epoch(2)];
      const stream = streamLoader(counted().source, { ...options, dropLast });
      expect(stream.batchesPerEpoch).toBe(expected.length);
      expect(await all(stream.epoch(2))).toEqual(expected);
      expect(await all(stream.epoch(2, 4))).toEqual(expected.slice(4));
    }
  });

  it('reads ahead, but never more than it may', async () => {
    const { source, count } = counted();
    const { source: skipped, count: few } = counted();
    await all(streamLoader(source, { batch: 8, ahead: 5 }).epoch(0));
    expect(count).toEqual({ open: 0, most: 5, reads: 50 });
    await all(streamLoader(skipped, { batch: 8, ahead: 5 }).epoch(0, 5));
    expect(few.reads).toBe(10);
  });

  it('stops reading when the loop is left', async () => {
    const { source, count } = counted();
    for await (const batch of streamLoader(source, { batch: 4, ahead: 6 }).epoch(0)) if (batch.n) break;
    expect(count.open).toBe(0);
    expect(count.reads).toBeLessThanOrEqual(10);
  });

  it('passes a reading error on, once', async () => {
    const { source } = counted();
    const failing = {
      ...source,
      read: async (i: number) => (i % 7 === 3 ? Promise.reject(new Error(`item ${i}`)) : source.read(i)),
    };
    await expect(all(streamLoader(failing, { batch: 8 }).epoch(0))).rejects.toThrow('item 3');
  });
});

describe('streamLoader over a generator', () => {
  it('keeps the order and the last, smaller batch', async () => {
    const batches = await all(streamLoader(generated().source, { batch: 8 }).epoch(0));
    expect(batches).toEqual([...loader(ds, { batch: 8 }).epoch(0)]);
  });

  it('shuffles by seed within its buffer, loses nothing, and goes on at any batch', async () => {
    const options = { batch: 8, seed: 5, shuffle: true, shuffleBuffer: 12, augment: { flip: true } };
    const unbroken = await all(streamLoader(generated().source, options).epoch(1));
    const order = unbroken.flatMap(({ indices }) => Array.from(indices));
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(order).not.toEqual([...order].sort((a, b) => a - b));
    order.forEach((item, place) => {
      expect(item).toBeLessThanOrEqual(place + 12); // none can come out before it came in
    });
    expect(await all(streamLoader(generated().source, options).epoch(1, 3))).toEqual(unbroken.slice(3));
    const other = await all(streamLoader(generated().source, { ...options, seed: 6 }).epoch(1));
    expect(other.flatMap(({ indices }) => Array.from(indices))).not.toEqual(order);
  });

  it('takes no more from the generator than its buffer and batch hold, and ends it', async () => {
    const { source, state } = generated(1e9);
    for await (const batch of streamLoader(source, { batch: 8, shuffle: true, shuffleBuffer: 20 }).epoch(0))
      if (batch.n) break;
    expect(state.ended).toBe(true);
    expect(state.given).toBeLessThanOrEqual(29);
  });

  it('takes plain arrays', async () => {
    const source: SequentialSource = { ...base, items: () => [itemOf(ds, 0), itemOf(ds, 1)] };
    expect((await all(streamLoader(source, { batch: 2 }).epoch(0)))[0].n).toBe(2);
  });
});

describe('bad streams', () => {
  const of = (items: StreamItem[]): SequentialSource => ({ ...base, items: () => items });
  it.each<[string, StreamItem[], RegExp]>([
    ['no items', [], /items has too few items/],
    [
      'another size',
      [itemOf(ds, 0), { inputs: new Uint8Array(11), label: 0 }],
      /item 1 of items has 11 values, shape \[1, 3, 4\] takes 12/,
    ],
    ['NaN', [{ inputs: new Float32Array(12).fill(Number.NaN), label: 0 }], /NaN at value 0 of item 0/],
    ['a label out of range', [itemOf(ds, 0), { ...itemOf(ds, 1), label: 5 }], /label 5 of item 1 .*0 to 4/],
    ['a label missing', [{ inputs: new Uint8Array(12) }], /label -1 of item 0/],
  ])('refuses %s', async (_, items, message) => {
    await expect(all(streamLoader(of(items), { batch: 4 }).epoch(0))).rejects.toThrow(message);
  });

  it('refuses an empty folder of items and means that do not fit', () => {
    expect(() => streamLoader({ ...counted().source, length: 0 }, { batch: 1 })).toThrow(/too few/);
    expect(() => streamLoader({ ...counted().source, std: [0] }, { batch: 1 })).toThrow(/stds above 0/);
    expect(() => streamLoader(counted().source, { batch: 0 })).toThrow(/at least 1/);
  });
});
