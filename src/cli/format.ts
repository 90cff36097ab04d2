/** Figures as people read them in a terminal; what was not measured is a dash. */
import { DASH, known, scaled } from '../report/format.ts';

export { capitalised, count, DASH, exactPercent, whole } from '../report/format.ts';

/** A share, 0 to 1, as "12.3 %". */
export const percent = (share: number | undefined, digits = 1): string =>
  known(share) ? `${(100 * share).toFixed(digits)} %` : DASH;

/** 1536 as "1.50 KiB". */
export const bytes = (value: number): string => scaled(value, 1024, [' B', ' KiB', ' MiB', ' GiB']);

export const milliseconds = (ms: number | undefined): string =>
  known(ms) ? `${ms < 10 ? ms.toFixed(3) : ms.toFixed(1)} ms` : DASH;

/** 75 as "1:15". */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return DASH;
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(s / 3600);
  const minutes = Math.floor((s % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}

/** A threshold: infinities are words. */
export const threshold = (value: number): string =>
  value === Number.POSITIVE_INFINITY ? 'never' : value === Number.NEGATIVE_INFINITY ? 'always' : value.toFixed(4);
