import { costTable, decisionsOf, extremeMacs, laptop, type OperatingPoint } from '../../dynamic/index.ts';
import { type Assessed, promising } from './assess.ts';
import type { Goal } from './claim.ts';
import { BATCHES, type Times } from './times.ts';

/** Mean time of an image as a share of the original's, by batch size. */
export type TimeShares = Readonly<Record<number, number>>;

/** What a model is expected to take for a mean image. */
export interface Expected {
  /** Multiply-accumulates, heads included. */
  readonly macs: number;
  /** Absent where MACs alone were asked for. */
  readonly times?: TimeShares;
}

/** For each batch size, the time of each way through a model (column of its operating points), as a share of the original's. */
export type WayTimes = Readonly<Record<number, readonly number[]>>;

const byBatch = <T>(of: (batch: number) => T): Readonly<Record<number, T>> =>
  Object.fromEntries(BATCHES.map((batch) => [batch, of(batch)]));

const at = (times: readonly Times[], batch: number): Times => times.find((t) => t.batch === batch)!;

/**
 * Times of leaving at each of some exits, and of leaving nowhere: whoever passes an exit pays for being asked there.
 *
 * @param exits times of a model with one exit, for each exit alone, earliest first
 * @param again behind the last exit the model begins anew
 */
export const exitTimes = (exits: readonly (readonly Times[])[], again = false): WayTimes =>
  byBatch((batch) => {
    const own = exits.map((times) => at(times, batch));
    // On a busy machine a model with an exit may look faster than the same without.
    const asking = own.map(({ staying }) => Math.max(0, staying - 1));
    const asked = (k: number): number => asking.slice(0, k).reduce((a, b) => a + b, 0);
    const begin = again && own.length > 0 ? Math.max(0, own.at(-1)!.leaving - asking.at(-1)!) : 0;
    return [...own.map(({ leaving }, k) => leaving + asked(k)), 1 + begin + asked(own.length)];
  });

/** Times of each setting of a model's gates, by the MACs that it saves; in the order of the columns, which is not that of the path. */
export function gateTimes({ path, model: { net } }: Assessed, times: readonly Times[]): WayTimes {
  const paths = { decisions: decisionsOf(net), regions: costTable(net) };
  const [least, most] = [extremeMacs(paths, Math.min), extremeMacs(paths, Math.max)];
  return byBatch((batch) => {
    const { leaving, staying } = at(times, batch);
    const list: number[] = [];
    for (const { cost, shares } of path)
      list[shares.indexOf(1)] = leaving + ((staying - leaving) * (cost - least)) / (most - least);
    return list;
  });
}

/** Mean times where such a share of images takes each way. */
export const meanTimes = (ways: WayTimes, shares: readonly number[]): TimeShares =>
  byBatch((batch) => shares.reduce((sum, s, k) => (s === 0 ? sum : sum + s * ways[batch]![k]!), 0));

/** One number for what single images and batches take: the mean of the two shares. */
export const overall = (times: TimeShares): number => {
  const shares = Object.values(times);
  return shares.reduce((a, b) => a + b, 0) / shares.length;
};

/** Times of two models that are alike differ by a hundredth or two on a busy machine. */
const NOISE = 0.03;

/** Whether time is saved in the mean of batch sizes, by more than noise may show. */
export const gains = (times: TimeShares): boolean => overall(times) < 1 - NOISE;

/** Whether it clearly takes more. */
export const loses = (times: TimeShares): boolean => overall(times) > 1 + NOISE;

/** What asking takes beside arithmetic where no time is known: the MACs of that time on a laptop. */
const ASKING = laptop.gateMicroseconds * laptop.macsPerMicrosecond;

/** One number to choose by: the time that is expected, or the MACs with what asking takes. */
export const priceOf = (found: Pick<Assessed, 'model'>, { macs, times }: Expected): number =>
  times ? overall(times) : macs + decisionsOf(found.model.net).length * ASKING;

/**
 * The best of a model's points that can be certified in all likelihood: the least time, or without `ways` the fewest MACs.
 * Where no point is better, that is the original.
 *
 * @param macs the original's
 */
export function expected({ path }: Assessed, goal: Goal, macs: number, ways?: WayTimes): Expected {
  const points = promising(path, goal);
  if (!ways) return { macs: Math.min(macs, ...points.map((p) => p.cost)) };
  const original = { macs, times: byBatch(() => 1) };
  return points
    .map(({ cost, shares }: OperatingPoint) => ({ macs: cost, times: meanTimes(ways, shares) }))
    .reduce((a, b) => (overall(b.times) < overall(a.times) ? b : a), original);
}
