import { DynaError } from '../../errors.ts';
import { bisect } from './special.ts';

/** ln n! - ln(sqrt(2πn) (n/e)^n): what Stirling's formula leaves over. */
function stirlingError(n: number): number {
  if (n <= 15) {
    if (n === 0) return 0;
    let factorial = 1;
    for (let i = 2; i <= n; i++) factorial *= i;
    return Math.log(factorial) - (n + 0.5) * Math.log(n) + n - 0.5 * Math.log(2 * Math.PI);
  }
  const s = 1 / (n * n);
  return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - (1 / 1188) * s) * s) * s) * s) / n;
}

/** x ln(x/m) + m - x without the cancellation near x = m. */
function deviance(x: number, m: number): number {
  const d = x - m;
  if (Math.abs(d) >= 0.1 * (x + m)) return x * Math.log(x / m) - d;
  const v = d / (x + m);
  let sum = d * v;
  let power = 2 * x * v;
  for (let j = 3; ; j += 2) {
    power *= v * v;
    const next = sum + power / j;
    if (next === sum) return sum;
    sum = next;
  }
}

/**
 * P[Bin(n, p) = k], to ~1e-14 relative also for large n (Loader's saddle-point form: "Fast and accurate computation of
 * binomial probabilities", 2000).
 */
export function binomialPmf(k: number, n: number, p: number): number {
  if (k < 0 || k > n) return 0;
  if (p <= 0) return k === 0 ? 1 : 0;
  if (p >= 1) return k === n ? 1 : 0;
  if (k === 0) return Math.exp(n * Math.log1p(-p));
  if (k === n) return Math.exp(n * Math.log(p));
  const log =
    stirlingError(n) - stirlingError(k) - stirlingError(n - k) - deviance(k, n * p) - deviance(n - k, n * (1 - p));
  return Math.exp(log) * Math.sqrt(n / (2 * Math.PI * k * (n - k)));
}

/** Sum of the pmf from k in one direction, away from the mode, until terms no longer count. */
function tailSum(k: number, n: number, p: number, direction: 1 | -1): number {
  const odds = p / (1 - p);
  let term = binomialPmf(k, n, p);
  let sum = 0;
  for (let i = k; i >= 0 && i <= n && term > sum * 1e-18; i += direction) {
    sum += term;
    term *= direction === 1 ? ((n - i) / (i + 1)) * odds : i / ((n - i + 1) * odds);
  }
  return sum;
}

/**
 * P[Bin(n, p) <= k], exact sums.
 *
 * @example
 * binomialCdf(0, 460, 0.005) // 0.0997: 460 inputs without harm reject "harm >= 0.5 %" at 0.1
 */
export function binomialCdf(k: number, n: number, p: number): number {
  if (k < 0) return 0;
  if (k >= n) return 1;
  if (p <= 0) return 1;
  if (p >= 1) return 0;
  const floor = Math.floor(k);
  return floor <= n * p ? tailSum(floor, n, p, -1) : Math.max(0, 1 - tailSum(floor + 1, n, p, 1));
}

/** P[Bin(n, p) >= k], exact also where it is tiny. */
export function binomialTail(k: number, n: number, p: number): number {
  if (k <= 0) return 1;
  if (k > n) return 0;
  if (p <= 0) return 0;
  if (p >= 1) return 1;
  const ceil = Math.ceil(k);
  return ceil > n * p ? tailSum(ceil, n, p, 1) : Math.max(0, 1 - tailSum(ceil - 1, n, p, -1));
}

/**
 * The exact p-value of H0: risk >= epsilon after `losses` losses in n inputs: P[Bin(n, epsilon) <= losses].
 * Valid for independent inputs with a 0/1 loss: under H0, P[p <= delta] <= delta for every delta.
 */
export function binomialPValue(losses: number, n: number, epsilon: number): number {
  if (!Number.isInteger(losses) || !Number.isInteger(n) || losses < 0 || n < losses) {
    throw new DynaError('usage', `expected whole numbers 0 <= losses <= n, got losses ${losses} and n ${n}`);
  }
  return binomialCdf(losses, n, epsilon);
}

/** The Clopper-Pearson upper bound of a rate: with probability >= 1 - delta the true rate lies under it. */
export function clopperPearsonUpper(losses: number, n: number, delta: number): number {
  if (losses >= n) return 1;
  if (losses === 0) return -Math.expm1(Math.log(delta) / n);
  return bisect((p) => binomialCdf(losses, n, p) <= delta, 0, 1);
}

/** The Clopper-Pearson lower bound of a rate: with probability >= 1 - delta the true rate lies over it. */
export const clopperPearsonLower = (losses: number, n: number, delta: number): number =>
  1 - clopperPearsonUpper(n - losses, n, delta);
