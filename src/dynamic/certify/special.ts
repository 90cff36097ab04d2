/** Special functions that the tests of this folder stand on; each accurate to about 1e-13. */

const LANCZOS = [
  0.9999999999998099, 676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905,
  -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
];

/** ln Γ(x) for x > 0 (Lanczos, g = 7). */
export function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const z = x - 1;
  let sum = LANCZOS[0];
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i] / (z + i);
  const t = z + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** The regularised upper incomplete gamma function Q(a, x) = Γ(a, x) / Γ(a), for a > 0 and x >= 0. */
export function gammaQ(a: number, x: number): number {
  if (x <= 0) return 1;
  if (x === Infinity) return 0;
  const front = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    // P(a, x) = x^a e^-x / Γ(a) * sum_k x^k / (a (a+1) ... (a+k))
    let term = 1 / a;
    let sum = term;
    for (let k = 1; term > sum * 1e-17; k++) {
      term *= x / (a + k);
      sum += term;
    }
    return 1 - front * sum;
  }
  // Lentz's continued fraction
  let b = x + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let h = d;
  for (let i = 1; i < 10_000; i++) {
    const an = -i * (i - a);
    b += 2;
    d = 1 / (an * d + b);
    c = b + an / c;
    h *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  return front * h;
}

/** P[X >= x] for X chi-square distributed with `freedom` degrees of freedom. */
export const chiSquareTail = (x: number, freedom: number): number => gammaQ(freedom / 2, x / 2);

/** P[Z <= z] for a standard normal Z. */
export function normalCdf(z: number): number {
  const tail = 0.5 * gammaQ(0.5, (z * z) / 2);
  return z > 0 ? 1 - tail : tail;
}

/** The z with P[Z <= z] = p, for 0 < p < 1. */
export function normalQuantile(p: number): number {
  return bisect((z) => normalCdf(z) >= p, -40, 40);
}

/** The smallest x in [low, high] where a monotone condition begins to hold, to the last bit. */
export function bisect(holds: (x: number) => boolean, low: number, high: number): number {
  let a = low;
  let b = high;
  for (;;) {
    const mid = (a + b) / 2;
    if (mid <= a || mid >= b) return b;
    if (holds(mid)) b = mid;
    else a = mid;
  }
}

/** The smallest whole number >= `from` where a monotone condition holds; Infinity if it does not below `limit`. */
export function firstInteger(holds: (n: number) => boolean, from: number, limit = 2 ** 45): number {
  if (holds(from)) return from;
  let low = from;
  let step = 1;
  while (!holds(low + step)) {
    low += step;
    step *= 2;
    if (low > limit) return Infinity;
  }
  let high = low + step;
  while (high - low > 1) {
    const mid = Math.floor((low + high) / 2);
    if (holds(mid)) high = mid;
    else low = mid;
  }
  return high;
}
