import { DynaError } from 'dynaneural';
import { decisionsOf, type Net, type Trace, type Way, wordsOf } from 'dynaneural/dynamic';
import type { Spread } from './system.ts';

/** Which of the ways each input took. */
export function taken(net: Net, ways: readonly Way[], traces: readonly Trace[]): Int32Array {
  const index = new Map(ways.map((w, i) => [w.name, i]));
  const wordOf = wordsOf(net);
  return Int32Array.from(traces, ({ rows }) => {
    const values = new Map(rows.map((r) => [r.decision, r.value]));
    const word = wordOf((d) => values.get(d) as number | null | undefined);
    const way = index.get(word);
    if (way === undefined)
      throw new DynaError('model', `a trace tells of the way "${word}", which this net does not have`);
    return way;
  });
}

export interface Baseline {
  readonly accuracy: number;
  readonly macs: number;
  readonly note: string;
}

/**
 * What the same net does when choices are not made by looking: the ways that were taken, dealt out at random (in expectation);
 * the best single way for all that costs no more; and the cheapest way that is right, for each input.
 *
 * @param right for each way, whether it answers input i rightly
 * @param used which way each input took
 */
export function baselinesOf(
  ways: readonly Way[],
  right: readonly ArrayLike<boolean>[],
  used: ArrayLike<number>,
): { readonly random: Baseline; readonly constant: Baseline; readonly oracle: Baseline } {
  const n = used.length;
  const shares = ways.map(() => 0);
  for (let i = 0; i < n; i++) shares[used[i]!]! += 1 / n;
  const accuracies = right.map((r) => {
    let count = 0;
    for (let i = 0; i < n; i++) if (r[i]) count++;
    return count / n;
  });
  const weigh = (values: readonly number[]) => shares.reduce((sum, s, w) => sum + s * values[w]!, 0);
  const macs = weigh(ways.map((w) => w.macs));
  const cheapest = ways.reduce((a, w, i) => (w.macs < ways[a]!.macs ? i : a), 0);
  const affordable = [...ways.keys()].filter((w) => ways[w]!.macs <= macs * (1 + 1e-9));
  const best = affordable.reduce((a, w) => (accuracies[w]! > accuracies[a]! ? w : a), cheapest);
  const rising = [...ways.keys()].sort((a, b) => ways[a]!.macs - ways[b]!.macs);
  let found = 0;
  let spent = 0;
  for (let i = 0; i < n; i++) {
    const way = rising.find((w) => right[w]![i]);
    if (way !== undefined) found++;
    spent += ways[way ?? cheapest]!.macs;
  }
  return {
    random: { accuracy: weigh(accuracies), macs, note: 'the same ways, dealt out without looking; in expectation' },
    constant: { accuracy: accuracies[best]!, macs: ways[best]!.macs, note: `everybody goes ${ways[best]!.name}` },
    oracle: { accuracy: found / n, macs: spent / n, note: 'the cheapest way that is right, else the cheapest' },
  };
}

/** How choices differ across inputs. A net counts as dynamic where at least two ways are each taken by 1 % of inputs. */
export function spreadOf(name: string, net: Net, traces: readonly Trace[]): Spread {
  const n = traces.length;
  const rates: Record<string, number> = {};
  const words = new Map<string, number>();
  for (const d of decisionsOf(net)) {
    const values = traces.flatMap((t) => t.rows.filter((r) => r.decision === d.name && r.reached).map((r) => r.value));
    for (const [k, option] of d.options.entries())
      rates[`${d.name}/${option.name}`] = values.filter((v) => v === k).length / Math.max(1, values.length);
  }
  for (const { rows } of traces) {
    const word = rows.map((r) => r.value ?? '-').join();
    words.set(word, (words.get(word) ?? 0) + 1);
  }
  const shares = [...words.values()].map((c) => c / n);
  const frequent = shares.filter((s) => s >= 0.01).length;
  const bits = shares.reduce((sum, s) => sum - s * Math.log2(s), 0);
  return { name, rates, paths: frequent, bits: Math.max(0, bits), dynamic: frequent >= 2 };
}
