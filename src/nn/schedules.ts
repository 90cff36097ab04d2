import { DynaError } from '../errors.ts';

/** The learning rate at `step` (0 is the first) of `total` steps. A pure function, so a resumed run needs no state. */
export type Schedule = (step: number, total: number) => number;

export interface WarmupOptions {
  /** Share of all steps in which the rate first rises, linearly, to its peak; 0 by default. */
  readonly warmup?: number;
}

function checkRate(name: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value)))
    throw new DynaError('usage', `${name} should be above 0 and finite, got ${value}`);
}

function checkShare(name: string, value: number): void {
  if (!(value >= 0 && value <= 1))
    throw new DynaError('usage', `${name} is a share and should be from 0 to 1, got ${value}`);
}

/** `after` sees the share of the remaining steps that is over, 0 to 1. */
function warmed(lr: number, warmup: number, after: (progress: number) => number): Schedule {
  checkRate('lr', lr);
  checkShare('warmup', warmup);
  return (step, total) => {
    const rising = Math.round(warmup * total);
    return step < rising ? (lr * (step + 1)) / rising : lr * after((step - rising) / Math.max(1, total - rising));
  };
}

/** From 1 to 0 in half a wave. */
const halfWave = (progress: number): number => (1 + Math.cos(Math.PI * Math.min(1, progress))) / 2;

/**
 * lr at every step, after the warm-up (linear, from lr / steps on: Goyal et al. 2017, arXiv:1706.02677).
 *
 * @throws DynaError 'usage' for a rate or a share outside its range, as all schedules do
 * @example const schedule = constantRate(1e-3, { warmup: 0.05 })
 */
export const constantRate = (lr: number, { warmup = 0 }: WarmupOptions = {}): Schedule => warmed(lr, warmup, () => 1);

export interface CosineOptions extends WarmupOptions {
  /** The rate at the end, as a share of the peak; 0 by default. */
  readonly final?: number;
}

/**
 * final lr + (1 - final) lr (1 + cos(pi progress)) / 2 after the warm-up (Loshchilov & Hutter 2016, arXiv:1608.03983).
 *
 * @example const schedule = cosine(0.1, { warmup: 0.05 })
 */
export function cosine(lr: number, { warmup = 0, final = 0 }: CosineOptions = {}): Schedule {
  checkShare('final', final);
  return warmed(lr, warmup, (progress) => final + (1 - final) * halfWave(progress));
}

export interface StepwiseOptions extends WarmupOptions {
  /** Where the rate drops, as shares of the steps after the warm-up, rising; [0.5, 0.75] by default. */
  readonly at?: readonly number[];
  /** What each drop leaves; 0.1 by default. */
  readonly factor?: number;
}

/**
 * lr factor^(drops so far) (the schedule of He et al. 2015, arXiv:1512.03385).
 *
 * @example const schedule = stepwise(0.1, { at: [0.5, 0.75, 0.9], factor: 0.2 })
 */
export function stepwise(lr: number, options: StepwiseOptions = {}): Schedule {
  const { warmup = 0, at = [0.5, 0.75], factor = 0.1 } = options;
  for (const share of at) checkShare('at', share);
  checkRate('factor', factor);
  return warmed(lr, warmup, (progress) => factor ** at.filter((share) => progress >= share).length);
}

export interface OneCycleOptions {
  /** Share of the steps in which the rate rises; 0.3 by default. */
  readonly warmup?: number;
  /** The first rate is peak / startDivisor; 25 by default. */
  readonly startDivisor?: number;
  /** The last rate is the first one / finalDivisor; 10,000 by default. */
  readonly finalDivisor?: number;
}

/**
 * One rise and one fall, both half a cosine wave (Smith & Topin 2017, arXiv:1708.07120), step for step as PyTorch's
 * OneCycleLR.
 *
 * @example const schedule = oneCycle(0.4)
 */
export function oneCycle(peak: number, options: OneCycleOptions = {}): Schedule {
  const { warmup = 0.3, startDivisor = 25, finalDivisor = 1e4 } = options;
  checkRate('peak', peak);
  checkShare('warmup', warmup);
  checkRate('startDivisor', startDivisor);
  checkRate('finalDivisor', finalDivisor);
  const first = peak / startDivisor;
  const last = first / finalDivisor;
  return (step, total) => {
    const top = warmup * total - 1;
    if (step <= top) return top <= 0 ? peak : peak + (first - peak) * halfWave(step / top);
    const falling = Math.max(1, total - 1 - Math.max(top, 0));
    return last + (peak - last) * halfWave((step - Math.max(top, 0)) / falling);
  };
}
