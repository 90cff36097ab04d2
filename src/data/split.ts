import { DynaError } from '../errors.ts';
import { type Dataset, subset } from './dataset.ts';
import { Random } from './random.ts';

/** The size of a part: below 1 a share of the whole, otherwise a count; one part may take the 'rest'. */
export type PartSize = number | 'rest';

export interface SplitOptions<K extends string> {
  parts: Record<K, PartSize>;
  seed: number;
  /**
   * Keeps the class shares in every part. Off by default: certificates rest on plain random samples.
   */
  stratify?: boolean;
}

/**
 * Cuts a data set into disjoint random parts; the same seed gives the same parts everywhere.
 *
 * @returns a data set for each part, its items in their old order, named "name/part"
 * @throws DynaError 'data' when the parts need more items than there are or a part would be empty
 * @example
 * const { train, tune, certify } = splitDataset(all, { parts: { train: 'rest', tune: 0.05, certify: 5000 }, seed: 1 })
 */
export function splitDataset<K extends string>(ds: Dataset, options: SplitOptions<K>): Record<K, Dataset> {
  const indices = splitIndices(ds, options);
  const names = Object.keys(indices) as K[];
  return Object.fromEntries(names.map((name) => [name, subset(ds, indices[name], `${ds.name}/${name}`)])) as Record<
    K,
    Dataset
  >;
}

/** The item numbers of each part of `splitDataset`, ascending. */
export function splitIndices<K extends string>(
  ds: Pick<Dataset, 'name' | 'length' | 'labels'>,
  { parts, seed, stratify = false }: SplitOptions<K>,
): Record<K, Int32Array> {
  const counts = partCounts(ds.name, ds.length, parts);
  const order = new Random(seed, ds.length).permutation(ds.length);
  if (stratify) spreadClasses(order, ds.labels);
  let from = 0;
  const entries = counts.map(([name, count]) => {
    from += count;
    return [name, order.slice(from - count, from).sort()];
  });
  return Object.fromEntries(entries) as Record<K, Int32Array>;
}

function partCounts<K extends string>(set: string, length: number, parts: Record<K, PartSize>): [K, number][] {
  const sizes = Object.entries(parts) as [K, PartSize][];
  const numbers = sizes.flatMap(([, size]) => (size === 'rest' ? [] : [size]));
  if (sizes.length - numbers.length > 1) throw new DynaError('data', `only one part of ${set} can take the rest`);
  for (const size of numbers)
    if (!(size > 0) || (size >= 1 && !Number.isInteger(size)))
      throw new DynaError('data', `a part of ${set} is a share between 0 and 1 or a whole count, got ${size}`);
  // Shares are cut at rounded running sums, so that shares that add up to 1 use every item.
  let share = 0;
  const counts = sizes.map(([name, size]): [K, number] => {
    if (size === 'rest') return [name, Number.NaN];
    if (size >= 1) return [name, size];
    const before = Math.round(share * length);
    share += size;
    return [name, Math.round(share * length) - before];
  });
  const used = counts.reduce((sum, [, count]) => sum + (count || 0), 0);
  const filled = counts.map(([name, count]): [K, number] => [name, Number.isNaN(count) ? length - used : count]);
  for (const [name, count] of filled)
    if (count < 1)
      throw new DynaError(
        'data',
        `part "${name}" of ${set} would be empty: ${length} items, ${used} in the other parts`,
      );
  if (used > length) throw new DynaError('data', `the parts of ${set} need ${used} items, it has ${length}`);
  return filled;
}

/** Reorders in place so that every run of items holds the classes in nearly the same shares. */
function spreadClasses(order: Int32Array, labels: Int32Array): void {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const seen = new Map<number, number>();
  const keyed = Array.from(order, (item, position) => {
    const label = labels[item];
    const rank = seen.get(label) ?? 0;
    seen.set(label, rank + 1);
    return { item, position, key: (rank + 0.5) / counts.get(label)! };
  });
  keyed.sort((x, y) => x.key - y.key || x.position - y.position);
  keyed.forEach(({ item }, i) => {
    order[i] = item;
  });
}
