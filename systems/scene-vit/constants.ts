import {
  type Choices,
  costTable,
  cut,
  type Decision,
  decisionsOf,
  type Net,
  pathCost,
  type Trace,
} from 'dynaneural/dynamic';
import { encodeModel, toOnnx } from 'dynaneural/graph';
import type { Weighted } from '../shared/trial.ts';
import { ratesOf } from './choices.ts';
import { WEATHERS } from './weather.ts';

/** One setting for all images. */
export interface Setting {
  readonly choices: Choices;
  readonly macs: number;
}

/** What is used in at least so many of the images that a setting is made of. */
const SHARES = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];

/** What most of some images do: each layer, head and place that at least this share of them uses. */
function common(net: Net, traces: readonly Trace[], share: number): Setting {
  const decisions = decisionsOf(net);
  const kept = new Map<string, readonly number[]>();
  const runs = new Map<string, boolean>();
  // Later stages keep what the earlier ones kept, at most.
  const stages = decisions.filter((d) => d.family === 'tokens').sort((a, b) => (a.name < b.name ? -1 : 1));
  let left: readonly number[] | undefined;
  for (const d of [...stages, ...decisions.filter((o) => o.family !== 'tokens')]) {
    const rates = ratesOf(d, traces).map((r) => (Number.isNaN(r) ? 0 : r));
    if (d.kind === 'select') {
      runs.set(d.name, rates[0]! >= share);
      continue;
    }
    const best = rates.indexOf(Math.max(...rates));
    const units = rates.flatMap((r, k) => (r >= share || k === best ? [k] : []));
    const own = d.family === 'tokens' && left ? units.filter((k) => left!.includes(k)) : units;
    if (d.family === 'tokens') left = own;
    kept.set(d.name, own);
  }
  const option = (d: Decision): string => d.options[runs.get(d.name) ? 0 : 1]!.name;
  return {
    choices: Object.fromEntries(decisions.map((d) => [d.name, kept.get(d.name) ?? option(d)])),
    macs: pathCost(costTable(net, 'branch'), (name) => kept.get(name)?.length ?? (runs.get(name) ? 0 : 1)).macs,
  };
}

/**
 * Single settings that could stand for all images, made of what the images of each weather, and all of them, mostly do: those
 * that cost at most `macs`, the dearest first; the cheapest alone where all cost more.
 */
export function settingsOf(net: Net, traces: readonly Trace[], weather: ArrayLike<number>, macs: number): Setting[] {
  const groups = [traces, ...WEATHERS.map((_, w) => traces.filter((_, i) => weather[i] === w))];
  const found = new Map<string, Setting>();
  for (const group of groups.filter((g) => g.length > 0))
    for (const share of SHARES) {
      const setting = common(net, group, share);
      found.set(JSON.stringify(setting.choices), setting);
    }
  const rising = [...found.values()].sort((a, b) => a.macs - b.macs);
  const affordable = rising.filter((s) => s.macs <= macs * (1 + 1e-9)).reverse();
  return affordable.length > 0 ? affordable : rising.slice(0, 1);
}

/** A net cut to one setting, without gates. */
export const constantBytes = ({ net, weights }: Weighted, { choices }: Setting): Uint8Array =>
  encodeModel(toOnnx({ logits: cut(net, choices).output }, { weights }));
