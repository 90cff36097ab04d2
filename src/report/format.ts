/** Figures as people read them. What was not measured (null, NaN, infinite) is a dash. */

export type Maybe = number | null | undefined;

export const DASH = '–';

export const known = (value: Maybe): value is number => typeof value === 'number' && Number.isFinite(value);

const shown = (value: Maybe, show: (value: number) => string): string => (known(value) ? show(value) : DASH);

/** 0.9257 as "92.57 %". */
export const percent = (share: Maybe, digits = 2): string => shown(share, (v) => `${(100 * v).toFixed(digits)} %`);

/** With a large first letter, as at the start of a sentence. */
export const capitalised = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;

/** 0.005 as "0.5 %": all digits that count, no more. */
export const exactPercent = (share: Maybe): string => shown(share, (v) => `${Number((100 * v).toPrecision(6))} %`);

/** A difference of two shares as "+0.24" percentage points; U+2212 is the minus sign. */
export const points = (difference: Maybe): string =>
  shown(difference, (v) => {
    const figure = Math.abs(100 * v).toFixed(2);
    return Number(figure) === 0 ? '±0.00' : `${v < 0 ? '\u2212' : '+'}${figure}`;
  });

/** 3.912 as "3.91×". */
export const times = (ratio: Maybe): string => shown(ratio, (v) => `${v.toFixed(2)}×`);

/** 0.14153 as "0.142 ms". */
export const milliseconds = (ms: Maybe): string =>
  shown(ms, (v) => `${v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v >= 1 ? v.toFixed(2) : v.toFixed(3)} ms`);

/** Three digits and the largest unit that leaves something before the point; units grow by `base`. */
export function scaled(value: number, base: number, units: readonly string[]): string {
  let unit = 0;
  while (Math.round(Math.abs(value)) >= base && unit < units.length - 1) {
    value /= base;
    unit++;
  }
  const figure = value.toPrecision(3);
  if (Math.abs(value) >= 100) return `${Math.round(value)}${units[unit]}`;
  return `${unit === 0 ? Number(figure) : figure}${units[unit]}`;
}

/** 12_501_632 as "12.5 M". */
export const count = (value: Maybe): string => shown(value, (v) => scaled(v, 1000, ['', ' k', ' M', ' G', ' T']));

/** 10000 as "10,000". */
export const whole = (value: Maybe): string => shown(value, (v) => Math.round(v).toLocaleString('en-US'));

/** 75 as "1 min 15 s". */
export const duration = (seconds: Maybe): string =>
  shown(seconds, (v) => {
    const s = Math.round(v);
    const [h, m] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60)];
    return [h && `${h} h`, (h || m) && `${m} min`, !h && `${s % 60} s`].filter(Boolean).join(' ');
  });
