import type { Dataset } from 'dynaneural';
import { gateSettings, type Model, type Thresholds } from 'dynaneural/dynamic';
import { type Context, phase } from './context.ts';
import { netDigest, weightsDigest } from './fit.ts';

/**
 * Gates are drawn or weighed in training, and cut when they run: a share of the MACs that training was held to is another one
 * then. This moves them, all by one offset, to the setting whose mean MACs come nearest to the wanted share.
 *
 * @param aim mean MACs as a share of the full path's
 */
export const aimedAt = (cx: Context, name: string, model: Model, tune: Dataset, aim: number): Promise<Thresholds> =>
  phase(cx, `${name}-aimed`, { own: [netDigest(model.net), weightsDigest(model.weights)], aim }, async () => {
    cx.progress.start(`${name}: aim`, 1);
    const { settings, macs } = await gateSettings(model, tune);
    cx.progress.stop();
    const away = (k: number): number => Math.abs(macs[k]! / macs.at(-1)! - aim);
    return settings[settings.reduce((best, _, k) => (away(k) < away(best) ? k : best), 0)]!;
  });
