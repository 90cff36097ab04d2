import { Random } from '../../data/index.ts';
import { DynaError } from '../../errors.ts';
import { bettingPValue } from './betting.ts';
import { binomialPValue } from './binomial.ts';

/** What is to be shown: that a risk lies under `epsilon`, with confidence 1 - `delta`. */
export interface Level {
  readonly epsilon: number;
  readonly delta: number;
}

/** Throws unless both figures lie strictly between 0 and 1. */
export function checkLevel({ epsilon, delta }: Level): void {
  for (const [name, value] of [['epsilon', epsilon] as const, ['delta', delta] as const]) {
    if (!(value > 0 && value < 1)) throw new DynaError('usage', `expected ${name} between 0 and 1, got ${value}`);
  }
}

/**
 * Fixed-sequence testing: hypotheses are tested one after the other, each at the full level delta, until the first that
 * cannot be rejected. With an order fixed before the data were seen, the chance that any rejected one is true is <= delta.
 *
 * @param pValue called for 0, 1, ... and never past the first failure
 * @returns how many of the first hypotheses are rejected
 */
export function fixedSequence(count: number, pValue: (index: number) => number, delta: number): number {
  for (let i = 0; i < count; i++) if (!(pValue(i) <= delta)) return i;
  return count;
}

/**
 * A bettor must not guess from the order what comes next, and data sets come sorted by class, or easy ones first. The same
 * order for all losses of so many inputs.
 */
function shuffled(losses: ArrayLike<number>): Float64Array {
  return Float64Array.from(new Random(1, losses.length).permutation(losses.length), (i) => losses[i]);
}

/** The p-value of H0: risk >= epsilon, whatever order inputs are in: exact binomial for 0/1 losses, betting for signed ones. */
export function riskPValue(losses: ArrayLike<number>, signed: boolean, { epsilon, delta }: Level): number {
  if (signed) return bettingPValue(shuffled(losses), epsilon, delta);
  let count = 0;
  for (let i = 0; i < losses.length; i++) {
    const loss = losses[i];
    if (loss !== 0 && loss !== 1) throw new DynaError('usage', `expected 0/1 losses, got ${loss} at ${i}`);
    count += loss;
  }
  return binomialPValue(count, losses.length, epsilon);
}

/**
 * Learn then Test over an ordered path of operating points (Angelopoulos et al., "Learn then Test: calibrating predictive
 * algorithms to achieve risk control", 2021): certifies the longest prefix for which each point's p-value is <= delta. With
 * probability >= 1 - delta the risks of *all* certified points lie under epsilon at once.
 *
 * @param losses losses[point][input], points from the safest to the boldest, in an order that these inputs had no part in
 * @param options.signed false: 0/1 losses, exact binomial p-values; true: losses in [-1, 1], betting p-values
 * @returns the number of certified points, and the p-values of those that were tested (one more, where one failed)
 * @example
 * learnThenTest([safe, bolder, boldest], { epsilon: 0.005, delta: 0.1 }) // { certified: 2, pValues: [0.01, 0.06, 0.4] }
 */
export function learnThenTest(
  losses: readonly ArrayLike<number>[],
  options: Level & { readonly signed?: boolean },
): { certified: number; pValues: number[] } {
  checkLevel(options);
  const pValues: number[] = [];
  const certified = fixedSequence(
    losses.length,
    (i) => {
      const p = riskPValue(losses[i], options.signed ?? false, options);
      pValues.push(p);
      return p;
    },
    options.delta,
  );
  return { certified, pValues };
}
