import { Random } from 'dynaneural/data';
import { type Decision, decisionsOf, type Net, type Trace } from 'dynaneural/dynamic';
import type { Spread } from '../shared/system.ts';
import { WEATHERS } from './weather.ts';

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);

/** What one image took: of a layer whether it ran (1 or 0 flag), of units which were kept. Undefined: not reached. */
export function flagsOf({ units }: { readonly units: number }, value: number | readonly number[] | null): number[] {
  const flags = new Array<number>(units).fill(0);
  if (typeof value === 'number') flags[0] = value === 0 ? 1 : 0;
  else for (const unit of value ?? []) flags[unit] = 1;
  return flags;
}

/** Flags of a decision: one for a layer, one for each unit otherwise. */
export const unitsOf = (d: Decision): number => (d.kind === 'select' ? 1 : d.units);

/** How often each flag of a decision was set, among the images that reached it; NaN where none did. */
export function ratesOf(decision: Decision, traces: readonly Trace[]): number[] {
  const units = unitsOf(decision);
  const sums = new Array<number>(units).fill(0);
  let reached = 0;
  for (const { rows } of traces) {
    const row = rows.find((r) => r.decision === decision.name)!;
    if (!row.reached) continue;
    reached++;
    for (const [k, flag] of flagsOf({ units }, row.value).entries()) sums[k]! += flag;
  }
  return sums.map((s) => s / reached);
}

/** What images use on average. */
export interface Uses {
  readonly macs: number;
  /** Layers that run, of those that may be skipped. */
  readonly layers: number;
  /** Share of heads kept in the layers that run. */
  readonly heads: number;
  /** Tokens kept from each stage on, the class token among them. */
  readonly tokens: readonly number[];
}

/** What the images with these traces use. */
export function usesOf(net: Net, traces: readonly Trace[]): Uses {
  const decisions = decisionsOf(net);
  const of = (family: string): Decision[] => decisions.filter((d) => d.family === family);
  const rates = (d: Decision): number[] => ratesOf(d, traces);
  const heads = of('heads').flatMap((d) => rates(d).filter((r) => !Number.isNaN(r)));
  return {
    macs: mean(traces.map((t) => t.macs)),
    layers: of('skip').reduce((sum, d) => sum + rates(d)[0]!, 0),
    heads: mean(heads),
    tokens: of('tokens')
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((d) => rates(d).reduce((a, b) => a + b, 0)),
  };
}

/** Tokens are counted in steps: which ones are kept differs in almost every image. */
const STEP = 8;

/** The way that an image took, as a word: its layers, its heads, and about how many tokens. */
const wordOf = ({ rows }: Trace): string =>
  rows
    .map(({ decision, value }) => {
      if (value === null) return '-';
      if (typeof value === 'number') return value;
      return /tokens\d+$/.test(decision) ? `~${Math.round(value.length / STEP)}` : value.join('.');
    })
    .join('|');

function entropyOf(words: readonly string[]): number {
  const counts = new Map<string, number>();
  for (const w of words) counts.set(w, (counts.get(w) ?? 0) + 1);
  return [...counts.values()].reduce((sum, c) => sum - (c / words.length) * Math.log2(c / words.length), 0);
}

/** How choices differ across images; dynamic where at least two ways are each taken by 1 % of them. */
export function sceneSpread(name: string, net: Net, traces: readonly Trace[]): Spread {
  const words = traces.map(wordOf);
  const counts = new Map<string, number>();
  for (const w of words) counts.set(w, (counts.get(w) ?? 0) + 1);
  const paths = [...counts.values()].filter((c) => c >= 0.01 * words.length).length;
  const kept = (d: Decision): number => mean(ratesOf(d, traces).filter((r) => !Number.isNaN(r)));
  const rates = decisionsOf(net).map((d) => [`${d.name.split('/').at(-1)}/${d.options[0]!.name}`, kept(d)] as const);
  return { name, rates: Object.fromEntries(rates), paths, bits: Math.abs(entropyOf(words)), dynamic: paths >= 2 };
}

/** Entropy of ways less that within each weather. */
function information(words: readonly string[], weather: ArrayLike<number>): number {
  const within = WEATHERS.map((_, w) => words.filter((_, i) => weather[i] === w));
  const left = within.map((own) => (own.length > 0 ? (own.length / words.length) * entropyOf(own) : 0));
  return entropyOf(words) - left.reduce((a, b) => a + b, 0);
}

/**
 * Bits that an image's way tells of its weather: 0 where ways do not depend on it, 2 where each of the four has its own. Less what
 * as many ways tell of weathers that are dealt out at random: with many ways and few images that is not 0.
 */
export function bitsOfWeather(traces: readonly Trace[], weather: ArrayLike<number>): number {
  const words = traces.map(wordOf);
  const order = new Random(1).permutation(words.length);
  const blind = Array.from(order, (i) => weather[i]!);
  return Math.max(0, information(words, weather) - information(words, blind));
}
