import type { Dataset } from 'dynaneural';
import { gateSettings, type Model, runSettings, type Thresholds } from 'dynaneural/dynamic';
import { type Context, phase } from './context.ts';
import { netDigest, weightsDigest } from './fit.ts';

/** How many settings are tried between two neighbours of the path. */
const FINER = 9;

type Value = Thresholds[string];

const mix = (a: Value, b: Value, share: number): Value => {
  const one = (x: number, y: number): number => Math.fround(x === y ? x : (1 - share) * x + share * y);
  if (typeof a === 'number' && typeof b === 'number') return one(a, b);
  const [from, to] = [[a].flat(), [b].flat()];
  return from.map((x, k) => one(x, to[k]!));
};

/** Evenly between two settings; none where one of them says "never". */
export function settingsBetween(a: Thresholds, b: Thresholds): Thresholds[] {
  const names = Object.keys(a);
  const far = names.some((n) =>
    [a[n]!, b[n]!].flat().some((v, _, all) => !Number.isFinite(v) && new Set(all).size > 1),
  );
  if (far) return [];
  return Array.from({ length: FINER }, (_, k) =>
    Object.fromEntries(names.map((n) => [n, mix(a[n]!, b[n]!, (k + 1) / (FINER + 1))])),
  );
}

/**
 * Gates are drawn or weighed in training, and cut when they run: a share of the MACs that training was held to is another one
 * then. This moves them to the setting of their path (see `gateSettings`) whose mean MACs come nearest to the wanted share.
 *
 * @param aim mean MACs as a share of the full path's
 */
export const aimedAt = (cx: Context, name: string, model: Model, tune: Dataset, aim: number): Promise<Thresholds> =>
  phase(cx, `${name}-aimed`, { own: [netDigest(model.net), weightsDigest(model.weights)], aim, FINER }, async () => {
    cx.progress.start(`${name}: aim`, 1);
    const { settings, macs } = await gateSettings(model, tune);
    const full = macs.at(-1)!;
    // Dearest first: the last one dearer than the aim, and the first one that is not. The full path itself stands last.
    const steps = settings.slice(0, -1);
    const at = steps.findIndex((_, k) => macs[k]! <= aim * full);
    const finer = at > 0 ? settingsBetween(steps[at - 1]!, steps[at]!) : [];
    const more = finer.length > 0 ? await runSettings(model, tune, finer) : { macs: [] };
    cx.progress.stop();
    const all = [...settings, ...finer];
    const away = [...macs, ...more.macs].map((m) => Math.abs(m / full - aim));
    return all[away.indexOf(Math.min(...away))]!;
  });
