import type { Dataset } from 'dynaneural';
import { Random, takeBatch } from 'dynaneural/data';
import { type Choices, cut, decisionsOf, ownThresholds, sparse, type Thresholds, type Trace } from 'dynaneural/dynamic';
import { encodeModel, toOnnx } from 'dynaneural/graph';
import { compile } from 'dynaneural/runtime';
import { type Context, phase } from '../shared/context.ts';
import { accuracyOf, mean, plainBytes, runFile, runSparse, sparseBytes } from '../shared/evaluate.ts';
import { weightsDigest } from '../shared/fit.ts';
import type { Spread } from '../shared/system.ts';
import type { Weighted } from '../shared/trial.ts';
import { gatedMacs } from './nets.ts';

/** The units that one input kept, by decision. */
export type Kept = Readonly<Record<string, readonly number[]>>;

/** How often each unit of each decision is kept. */
export type Rates = Readonly<Record<string, readonly number[]>>;

/** A gated net over a data set, at one setting of how many channels it keeps. */
export interface Gated {
  readonly accuracy: number;
  /** Mean of an input, as the file for one input computes. */
  readonly macs: number;
  readonly rates: Rates;
  readonly spread: Spread;
  /** Of the channels that an input keeps, the share that another input drops, in the mean; 0: all keep the same. */
  readonly differing: number;
  /** What some inputs kept. */
  readonly some: readonly Kept[];
}

const keptOf = ({ rows }: Trace): Kept =>
  Object.fromEntries(rows.map((r) => [r.decision, r.value as readonly number[]]));

export function ratesOf(units: Readonly<Record<string, number>>, kept: readonly Kept[]): Rates {
  return Object.fromEntries(
    Object.entries(units).map(([name, count]) => {
      const sums = new Array<number>(count).fill(0);
      for (const k of kept) for (const unit of k[name]!) sums[unit]! += 1 / kept.length;
      return [name, sums];
    }),
  );
}

/** Two inputs keep channel c both with chance rate^2. */
export function differingOf(rates: Rates): number {
  const all = Object.values(rates).flat();
  const kept = all.reduce((a, r) => a + r, 0);
  return Math.max(0, 1 - all.reduce((a, r) => a + r * r, 0) / kept);
}

/** A channel moves where at least 1 % of inputs keep it and 1 % drop it. */
const EDGE = 0.01;

/** Of each layer the shares of channels that (almost) all inputs keep, none keeps, and that some do. */
export function spreadOf(name: string, rates: Rates, kept: readonly Kept[]): Spread {
  const ways = new Map<string, number>();
  for (const k of kept) {
    const word = JSON.stringify(k);
    ways.set(word, (ways.get(word) ?? 0) + 1);
  }
  const shares = [...ways.values()].map((c) => c / kept.length);
  const of = (list: readonly number[], test: (r: number) => boolean) => list.filter(test).length / list.length;
  return {
    name: `${name} (ways are sets of channels, counted where one input takes them)`,
    rates: Object.fromEntries(
      Object.entries(rates).flatMap(([d, list]) => [
        [`${d}/kept by all`, of(list, (r) => r > 1 - EDGE)],
        [`${d}/by some`, of(list, (r) => r >= EDGE && r <= 1 - EDGE)],
        [`${d}/by none`, of(list, (r) => r < EDGE)],
      ]),
    ),
    paths: ways.size,
    bits: Math.max(
      0,
      shares.reduce((sum, s) => sum - s * Math.log2(s), 0),
    ),
    dynamic: differingOf(rates) >= EDGE,
  };
}

const unitsOf = ({ net }: Weighted): Record<string, number> =>
  Object.fromEntries(decisionsOf(net).flatMap((d) => (d.kind === 'keep' ? [[d.name, d.units]] : [])));

/** How many of its channels each decision keeps at a share. */
export const countsAt = (model: Weighted, share: number): Record<string, number> =>
  Object.fromEntries(Object.entries(unitsOf(model)).map(([d, n]) => [d, Math.ceil(share * n - 1e-9)]));

const SOME = 3;

/** Runs a gated net as it is shipped for batches, where dropped channels are zeros; MACs are those of one input alone. */
export async function judgeGated(
  cx: Context,
  name: string,
  model: Weighted,
  data: Dataset,
  thresholds: Thresholds = ownThresholds(decisionsOf(model.net)),
): Promise<Gated> {
  const what = { own: weightsDigest(model.weights), thresholds, data: data.name, n: data.length };
  return phase(cx, `${name}-gated`, what, async () => {
    const { answers, traces } = await runSparse(cx, name, model, data, thresholds);
    const kept = traces.map(keptOf);
    const rates = ratesOf(unitsOf(model), kept);
    const costs = new Map<string, number>();
    const macs = kept.map((k) => {
      const counts = Object.values(k).map((units) => units.length);
      const word = counts.join();
      const known = costs.get(word) ?? gatedMacs(model.net, (d) => k[d]?.length);
      costs.set(word, known);
      return known;
    });
    return {
      accuracy: accuracyOf(answers, data),
      macs: mean(macs),
      rates,
      spread: spreadOf(name, rates, kept),
      differing: differingOf(rates),
      some: Array.from({ length: SOME }, (_, i) => kept[Math.floor(((i + 0.5) * kept.length) / SOME)]!),
    };
  });
}

/** The channels that are kept most often: one set for all inputs. */
export const mostKept = (rates: Rates, counts: Readonly<Record<string, number>>): Kept =>
  Object.fromEntries(
    Object.entries(rates).map(([d, list]) => {
      const falling = [...list.keys()].sort((a, b) => list[b]! - list[a]!);
      return [d, falling.slice(0, counts[d]).sort((a, b) => a - b)];
    }),
  );

/** Sets drawn at random. */
export function drawn(model: Weighted, counts: Readonly<Record<string, number>>, seed: number): Kept[] {
  const random = new Random(seed, 71);
  const set = (n: number, k: number): number[] => {
    const order = Array.from({ length: n }, (_, i) => i);
    for (let i = 0; i < k; i++) {
      const j = i + random.int(n - i);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    return order.slice(0, k).sort((a, b) => a - b);
  };
  return Array.from({ length: SOME }, () =>
    Object.fromEntries(Object.entries(unitsOf(model)).map(([d, n]) => [d, set(n, counts[d]!)])),
  );
}

/** Accuracy where all inputs keep the same channels, whatever they are; the mean over several sets. */
export async function accuracyOfSets(
  cx: Context,
  name: string,
  { net, weights }: Weighted,
  sets: readonly Kept[],
  data: Dataset,
): Promise<number> {
  const what = { own: weightsDigest(weights), sets, data: data.name, n: data.length };
  return phase(cx, `${name}-sets`, what, async () => {
    const found: number[] = [];
    for (const set of sets) {
      const { answers } = await runFile(cx, name, plainBytes(cut(net, set as Choices), weights), data);
      found.push(accuracyOf(answers, data));
    }
    return mean(found);
  });
}

/** The file for one input, which computes kept channels only. */
export function aloneBytes({ net, weights }: Weighted, thresholds: Thresholds): Uint8Array {
  const { output, trace } = sparse(net, thresholds, { form: 'branch' });
  return encodeModel(toOnnx({ logits: output, ...(trace ? { trace } : {}) }, { weights }));
}

/** Compares the file for one input with that for batches, on some inputs: the largest difference of a logit. */
export async function difference(cx: Context, name: string, model: Weighted, data: Dataset): Promise<number> {
  const thresholds = ownThresholds(decisionsOf(model.net));
  const n = Math.min(data.length, cx.quick ? 32 : 500);
  return phase(cx, `${name}-forms`, { own: weightsDigest(model.weights), thresholds, n }, async () => {
    const alone = await compile(aloneBytes(model, thresholds));
    const rows = await compile(sparseBytes(model.net, model.weights, thresholds));
    let largest = 0;
    try {
      for (let i = 0; i < n; i++) {
        const { x } = takeBatch(data, Int32Array.of(i));
        const [a, b] = [await alone.run({ input: x }), await rows.run({ input: x })];
        for (const [k, v] of (a.logits!.data as Float32Array).entries())
          largest = Math.max(largest, Math.abs(v - Number(b.logits!.data[k])));
      }
    } finally {
      await alone.close();
      await rows.close();
    }
    return largest;
  });
}
