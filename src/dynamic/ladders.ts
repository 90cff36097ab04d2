import { amongPeers, type Decision, type KeepDecision, ownThresholds, type SelectDecision } from './decision.ts';
import type { Thresholds } from './lower/choice.ts';
import { leastKept } from './lower/kept.ts';
import type { Observations } from './observations.ts';

/** Steps between "the plain path" and "as bold as it goes", besides the traced setting. */
const STEPS = 12;

/** Thresholds that move together: one value sets them all. */
interface Ladder {
  /** From cautious to bold. */
  readonly values: readonly number[];
  /** Which of them is the traced setting. */
  readonly own: number;
  set(value: number): Thresholds;
}

/** Float32, as the graph compares: what is certified is to the bit what a file then holds. */
function ladder(values: readonly number[], own: number, falling: boolean, set: Ladder['set']): Ladder {
  const traced = Math.fround(own);
  const all = [...new Set([...values.map(Math.fround).filter(Number.isFinite), traced])];
  const sorted = Float64Array.from(all).sort();
  if (falling) sorted.reverse();
  return { values: [...sorted], own: sorted.indexOf(traced), set };
}

/** Midway between neighbouring scores, at even quantiles. */
function midpoints(scores: Float32Array): number[] {
  const sorted = scores.filter(Number.isFinite).sort();
  if (sorted.length < 2) return [];
  return Array.from({ length: STEPS }, (_, k) => {
    const i = Math.min(sorted.length - 2, Math.floor(((k + 1) / (STEPS + 1)) * (sorted.length - 1)));
    return (sorted[i]! + sorted[i + 1]!) / 2;
  });
}

/** How far each gate is from its first option, for each input: what one offset has to overcome. */
function margins(decisions: readonly SelectDecision[], { gates, n }: Observations): Float32Array {
  const all: number[] = [];
  for (const { name } of decisions) {
    const scores = gates.get(name)!;
    const k = scores.length / n;
    for (let i = 0; i < n; i++) {
      const own = scores.subarray(i * k, (i + 1) * k);
      all.push(k === 1 ? own[0]! : Math.max(...own.subarray(1)) - own[0]!);
    }
  }
  return Float32Array.from(all);
}

/** All gates: those that leave their first option are more by more than an offset for it; they part by themselves at 0. */
const gatesLadder = (gates: readonly SelectDecision[], seen: Observations): Ladder =>
  ladder(midpoints(margins(gates, seen)), 0, true, (offset) =>
    Object.fromEntries(
      gates.map(({ name, rule, options }) => [
        name,
        rule === 'threshold' ? offset : [-offset, ...new Array<number>(options.length - 1).fill(0)],
      ]),
    ),
  );

/** One decision about units: by counts from all to the fewest, or by thresholds between the scores that were seen. */
function unitsLadder(d: KeepDecision, seen: Observations): Ladder {
  const set = (value: number): Thresholds => ({ [d.name]: value });
  if (d.rule === 'top') {
    const spare = d.units - leastKept(d);
    const counts = Array.from({ length: STEPS }, (_, k) => d.units - Math.round(((k + 1) / STEPS) * spare));
    return ladder(counts, d.own, true, set);
  }
  const scores = seen.units.get(d.name)!.filter((_, i) => i % d.units >= d.always);
  return ladder(midpoints(scores), d.own, false, set);
}

/**
 * Settings of a net without exits from cautious to bold, through the traced one: each next one asks every decision for at
 * least as much saving as the one before. All gates share one offset; each decision about units climbs a ladder of its own, in
 * step with the others: all stand at their traced setting together, and elsewhere at the same share of the way from there.
 * Weights that are dropped save nothing that is counted, so decisions that weigh stay as they were traced; so do those between
 * peers, where no option is the bold one.
 *
 * @param seen on the split that settings may be fitted to
 */
export function settingsOnPath(decisions: readonly Decision[], seen: Observations): Thresholds[] {
  const gates = decisions.filter((d): d is SelectDecision => d.kind === 'select' && !amongPeers(d));
  const ladders = [
    ...(gates.length > 0 ? [gatesLadder(gates, seen)] : []),
    ...decisions.filter((d) => d.kind === 'keep').map((d) => unitsLadder(d, seen)),
  ];
  const before = Math.max(0, ...ladders.map(({ own }) => own));
  const after = Math.max(0, ...ladders.map(({ own, values }) => values.length - 1 - own));
  const rung = ({ values, own }: Ladder, step: number): number =>
    step < before
      ? Math.round((own * step) / before)
      : own + (step > before ? Math.round(((values.length - 1 - own) * (step - before)) / after) : 0);
  return Array.from({ length: before + 1 + after }, (_, step) => ({
    ...ownThresholds(decisions),
    ...Object.assign({}, ...ladders.map((l) => l.set(l.values[rung(l, step)]!))),
  }));
}
