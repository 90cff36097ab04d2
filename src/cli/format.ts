/** Figures as people read them. All of them take plain numbers, and say "-" for what was not measured. */

const known = (value: number | undefined): value is number => value !== undefined && !Number.isNaN(value);

/** A share, 0 to 1, as "12.3 %". */
export const percent = (share: number | undefined, digits = 1): string =>
  known(share) ? `${(100 * share).toFixed(digits)} %` : '-';

/** A share as the shortest exact figure: "0.5 %". */
export const exactPercent = (share: number): string => `${Number((100 * share).toPrecision(6))} %`;

const scaled = (value: number, base: number, units: readonly string[]): string => {
  let k = 0;
  while (Math.abs(value) >= base && k < units.length - 1) {
    value /= base;
    k++;
  }
  return `${k === 0 ? Math.round(value) : value.toPrecision(3)}${units[k]}`;
};

/** 12_501_632 as "12.5 M". */
export const count = (value: number | undefined): string =>
  known(value) ? scaled(value, 1000, ['', ' k', ' M', ' G', ' T']) : '-';

export const bytes = (value: number): string => scaled(value, 1024, [' B', ' KiB', ' MiB', ' GiB']);

/** 60000 as "60,000". */
export const whole = (value: number): string => value.toLocaleString('en-US');

export const milliseconds = (ms: number | undefined): string =>
  known(ms) ? `${ms < 10 ? ms.toFixed(3) : ms.toFixed(1)} ms` : '-';

/** 75 as "1:15". */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-';
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(s / 3600);
  const minutes = Math.floor((s % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}

/** A threshold: infinities are words. */
export const threshold = (value: number): string =>
  value === Number.POSITIVE_INFINITY ? 'never' : value === Number.NEGATIVE_INFINITY ? 'always' : value.toFixed(4);
