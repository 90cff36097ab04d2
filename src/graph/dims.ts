import type { Dim } from './shape.ts';

// Arithmetic on sizes of which some are known by name only.

/** A size, or undefined where nothing is known about it. */
export type Size = Dim | undefined;

/** A size as a product: 49 * N. A sum stays whole, in parentheses. */
interface Product {
  readonly factor: number;
  readonly names: readonly string[];
}

const parse = (d: Dim): Product => {
  if (typeof d === 'number') return { factor: d, names: [] };
  const parts = d.split(/\*(?![^(]*\))/); // not inside of parentheses
  if (parts.some((p) => p.includes('+') && !p.startsWith('('))) return { factor: 1, names: [`(${d})`] };
  const isNumber = (p: string) => /^\d+$/.test(p);
  return {
    factor: parts.filter(isNumber).reduce((a, p) => a * Number(p), 1),
    names: parts.filter((p) => !isNumber(p)),
  };
};

/** What is known of a size: 49 of 49 * N, 1 of a name alone. */
export const factorOf = (d: Dim): number => parse(d).factor;

const format = ({ factor, names }: Product): Dim => {
  if (names.length === 0 || factor === 0) return factor;
  if (factor === 1 && names.length === 1) return names[0]!.replace(/^\((.*)\)$/, '$1');
  return factor === 1 ? names.join('*') : `${factor}*${names.join('*')}`;
};

/** a b, also for names. Negative numbers are marks (-1), not sizes: they multiply numbers only. */
export function times(a: Size, b: Size): Size {
  if (a === undefined || b === undefined) return undefined;
  const [p, q] = [parse(a), parse(b)];
  if ((p.factor < 0 && q.names.length > 0) || (q.factor < 0 && p.names.length > 0)) return undefined;
  return format({ factor: p.factor * q.factor, names: [...p.names, ...q.names] });
}

/** a / b where it comes out even, else undefined; for two numbers truncated, as ONNX divides integers. */
export function over(a: Size, b: Size): Size {
  if (a === undefined || b === undefined || b === 0) return undefined;
  if (typeof a === 'number' && typeof b === 'number') return Math.trunc(a / b);
  const [p, q] = [parse(a), parse(b)];
  const rest = [...p.names];
  for (const name of q.names) {
    const at = rest.indexOf(name);
    if (at < 0) return undefined;
    rest.splice(at, 1);
  }
  const factor = p.factor / q.factor;
  return Number.isInteger(factor) && factor >= 0 ? format({ factor, names: rest }) : undefined;
}

export const productOf = (shape: readonly Size[]): Size => shape.reduce<Size>(times, 1);
