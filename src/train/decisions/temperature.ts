import { DynaError } from '../../errors.ts';
import type { Schedule } from '../../nn/index.ts';

/**
 * From one value to another, by the same factor at each step: the usual way to cool a temperature.
 *
 * @throws DynaError 'usage' for values that are not above 0
 * @example gumbel({ temperature: exponential(5, 0.1) }) // LAUDNet (Han et al. 2023, arXiv:2308.15949)
 */
export function exponential(from: number, to: number): Schedule {
  for (const v of [from, to])
    if (!(v > 0 && Number.isFinite(v)))
      throw new DynaError('usage', `an exponential schedule goes between numbers above 0, got ${v}`);
  return (step, total) => from * (to / from) ** (step / Math.max(1, total - 1));
}

/** A temperature as a schedule. @throws DynaError 'usage' where a number is not above 0 */
export function temperatureOf(value: number | Schedule): Schedule {
  if (typeof value === 'function') return value;
  if (!(value > 0 && Number.isFinite(value)))
    throw new DynaError('usage', `a temperature is a number above 0, got ${value}`);
  return () => value;
}
