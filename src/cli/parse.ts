import { DynaError } from '../errors.ts';

/** Readers of option values, made for commander: `option('--epochs <n>', '', wholeNumber('--epochs'))`. */
type Reader<T> = (text: string) => T;

const refuse = (option: string, expected: string, text: string): DynaError =>
  new DynaError('usage', `${option} expects ${expected}, got "${text}"`);

export const wholeNumber =
  (option: string, least = 1): Reader<number> =>
  (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least)
      throw refuse(option, `a whole number of at least ${least}`, text);
    return value;
  };

export const positive =
  (option: string): Reader<number> =>
  (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value <= 0) throw refuse(option, 'a number above 0', text);
    return value;
  };

/** "0.5%" or "0.005": above 0, and below 1 (or up to 1). */
export const share =
  (option: string, { most = 'below 1' }: { most?: 'below 1' | 'at most 1' } = {}): Reader<number> =>
  (text) => {
    const number = text.replace(/\s*%$/, '');
    const value = number === text ? Number(text) : Number(number) / 100;
    const fits = value > 0 && (most === 'below 1' ? value < 1 : value <= 1);
    if (number.trim() === '' || !fits) throw refuse(option, `a share above 0 and ${most}, such as 0.5% or 0.005`, text);
    return value;
  };

/** "1/255", or a number above 0. */
export const fraction =
  (option: string): Reader<number> =>
  (text) => {
    const [, over, under = '1'] = /^([\d.e+-]+)(?:\/([\d.e+-]+))?$/i.exec(text.trim()) ?? [];
    const value = Number(over) / Number(under);
    if (!(Number.isFinite(value) && value > 0)) throw refuse(option, 'a number above 0, such as 1/255', text);
    return value;
  };

/** "0.485,0.456,0.406": one number, or one for each channel. */
export const numbers =
  (option: string): Reader<number[]> =>
  (text) => {
    const values = text.split(',').map((v) => (v.trim() === '' ? Number.NaN : Number(v)));
    if (!values.every(Number.isFinite)) throw refuse(option, 'numbers such as 0.5 or 0.485,0.456,0.406', text);
    return values;
  };

/** The size of a split: "5000", or a share of the whole such as "20%" or "0.2". */
export const partSize =
  (option: string): Reader<number> =>
  (text) => {
    if (/^[1-9]\d*$/.test(text)) return wholeNumber(option)(text);
    try {
      return share(option)(text);
    } catch {
      throw refuse(option, 'a number of items such as 5000, or a share such as 20%', text);
    }
  };

const units: Record<string, number> = { '': 1, k: 1e3, m: 1e6, g: 1e9 };

/** "30000000", "30M", "1.5G". */
const amount =
  (what: string) =>
  (option: string): Reader<number> =>
  (text) => {
    const [, number, unit] = /^([\d.]+)\s*([kmg]?)$/i.exec(text) ?? [];
    const value = Number(number) * (units[unit?.toLowerCase() ?? ''] ?? Number.NaN);
    if (!(value > 0)) throw refuse(option, `a number of ${what} such as 30M or 1.5G`, text);
    return value;
  };

/** Multiply-accumulates: "30M". */
export const macs = amount('MACs');

/** Bytes: "1G" is 1,000,000,000. */
export const byteSize = amount('bytes');

/** "32" or "24x32": [height, width]. */
export const imageSize =
  (option: string): Reader<[number, number]> =>
  (text) => {
    const [, height, width] = /^(\d+)(?:x(\d+))?$/.exec(text) ?? [];
    const size: [number, number] = [Number(height), Number(width ?? height)];
    if (!size.every((s) => s >= 1 && s <= 16_384))
      throw refuse(option, 'a size such as 32 or 24x32 (height x width)', text);
    return size;
  };

export const oneOf =
  <T extends string>(option: string, words: readonly T[]): Reader<T> =>
  (text) => {
    const word = words.find((w) => w === text);
    if (word === undefined) throw refuse(option, `one of ${words.join(', ')}`, text);
    return word;
  };
