import { DynaError } from '../errors.ts';

/** Turns a value of unknown origin into a T, or throws an error that says where (`at`) it is something else. */
export type Read<T> = (value: unknown, at: string) => T;

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

export const wrong = (at: string, expected: string, value: unknown): DynaError =>
  new DynaError('model', `the model card is damaged: ${at} should be ${expected}, got ${shown(value)}`);

const checked =
  <T>(expected: string, is: (value: unknown) => value is T): Read<T> =>
  (value, at) => {
    if (!is(value)) throw wrong(at, expected, value);
    return value;
  };

const isNumber = (v: unknown): v is number => typeof v === 'number' && Number.isFinite(v);

export const text = checked('a text', (v): v is string => typeof v === 'string');
export const flag = checked('true or false', (v): v is boolean => typeof v === 'boolean');
export const number = checked('a number', isNumber);
export const positive = checked('a number above 0', (v): v is number => isNumber(v) && v > 0);
export const amount = checked('a number from 0 on', (v): v is number => isNumber(v) && v >= 0);
export const index = checked('a whole number from 0 on', (v): v is number => Number.isSafeInteger(v) && Number(v) >= 0);
export const count = checked('a whole number from 1 on', (v): v is number => Number.isSafeInteger(v) && Number(v) >= 1);
export const share = checked('a number from 0 to 1', (v): v is number => isNumber(v) && v >= 0 && v <= 1);

export const word = <const W extends string>(...words: readonly W[]): Read<W> =>
  checked(words.map((w) => `"${w}"`).join(' or '), (v): v is W => (words as readonly unknown[]).includes(v));

/** A number or "Infinity" or "-Infinity", which JSON has no numbers for. */
export const extended: Read<number> = (value, at) => {
  if (value === 'Infinity' || value === '-Infinity') return Number(value);
  if (!isNumber(value)) throw wrong(at, 'a number, "Infinity" or "-Infinity"', value);
  return value;
};

/** The other direction, for `JSON.stringify`. */
export const infinityAsText = (_: string, value: unknown): unknown =>
  value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY ? String(value) : value;

export const optional =
  <T>(read: Read<T>): Read<T | undefined> =>
  (value, at) =>
    value === undefined ? undefined : read(value, at);

export const list =
  <T>(read: Read<T>): Read<T[]> =>
  (value, at) => {
    if (!Array.isArray(value)) throw wrong(at, 'a list', value);
    return value.map((v, i) => read(v, `${at}[${i}]`));
  };

function object(value: unknown, at: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(at, 'an object', value);
  return value as Record<string, unknown>;
}

/** An object whose keys are names of the user's. */
export const table =
  <T>(read: Read<T>): Read<Record<string, T>> =>
  (value, at) =>
    Object.fromEntries(Object.entries(object(value, at)).map(([k, v]) => [k, read(v, `${at}["${k}"]`)]));

/** An object with the given fields, in their order; others are left out. */
export const record =
  <T extends object>(fields: { readonly [K in keyof T]-?: Read<T[K]> }): Read<T> =>
  (value, at) => {
    const from = object(value, at);
    const entries = Object.entries<Read<unknown>>(fields).map(([key, read]) => {
      const own = Object.hasOwn(from, key) ? from[key] : undefined;
      return [key, read(own, at ? `${at}.${key}` : key)] as const;
    });
    return Object.fromEntries(entries.filter(([, v]) => v !== undefined)) as T;
  };
