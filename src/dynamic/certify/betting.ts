import { DynaError } from '../../errors.ts';
import { binomialCdf } from './binomial.ts';

/** The largest share of its capital that the bettor risks in one round. */
const MAX_STAKE = 0.75;

/**
 * The p-value of H0: mean >= epsilon for losses in [-1, 1], by betting against H0 (Waudby-Smith & Ramdas, "Estimating means
 * of bounded random variables by betting", 2024; predictable plug-in bets, one-sided).
 *
 * The bettor starts with capital 1 and multiplies it by 1 + λ_t (ε - x_t), where λ_t >= 0 depends on earlier losses only:
 *
 *     λ_t = min( sqrt(2 ln(1/δ) / (n v_{t-1})), 0.75 / (1 - ε) ),   v_t = (1 + Σ (x_i - m_i)²) / (t + 1),   m_t = Σ x_i / (t + 1)
 *
 * Under H0 the capital is a supermartingale, so by Ville's inequality P[it ever reaches 1/α] <= α and p = 1 / (its largest
 * value) is valid for every level and every stopping time. `delta` and `n` only tune the bets: choose them before seeing data.
 *
 * @param losses in the order in which they came (any order that does not depend on their values)
 * @example
 * bettingPValue(losses, 0.005, 0.1) <= 0.1 // then the mean loss lies under 0.5 %, with confidence 90 %
 */
export function bettingPValue(losses: ArrayLike<number>, epsilon: number, delta: number): number {
  const n = losses.length;
  const cap = MAX_STAKE / (1 - epsilon);
  const scale = (2 * Math.log(1 / delta)) / n;
  let logCapital = 0;
  let largest = 0;
  let sum = 0;
  let squares = 1;
  for (let i = 0; i < n; i++) {
    const x = losses[i];
    if (!(x >= -1 && x <= 1)) throw new DynaError('usage', `expected losses in [-1, 1], got ${x} at ${i}`);
    const variance = squares / (i + 1);
    const bet = Math.min(Math.sqrt(scale / variance), cap);
    logCapital += Math.log1p(bet * (epsilon - x));
    if (logCapital > largest) largest = logCapital;
    sum += x;
    squares += (x - sum / (i + 2)) ** 2;
  }
  return Math.exp(-largest);
}

/**
 * The Hoeffding-Bentkus p-value of H0: mean >= epsilon for losses in [-1, 1], from their mean alone (Bates et al.,
 * "Distribution-free, risk-controlling prediction sets", 2021). Kept for comparison: it cannot see a small variance.
 */
export function hoeffdingBentkusPValue(mean: number, n: number, epsilon: number): number {
  const y = (mean + 1) / 2; // on [0, 1]
  const m = (epsilon + 1) / 2;
  if (y >= m) return 1;
  const kl = (y > 0 ? y * Math.log(y / m) : 0) + (1 - y) * Math.log((1 - y) / (1 - m));
  const bentkus = Math.E * binomialCdf(Math.ceil(n * y - 1e-9), n, m);
  return Math.min(1, Math.exp(-n * kl), bentkus);
}
