/** Position of the largest of `width` values from `at` on; the first of equals. */
export function argmaxAt(values: ArrayLike<number>, at: number, width: number): number {
  let best = 0;
  for (let k = 1; k < width; k++) if (values[at + k]! > values[at + best]!) best = k;
  return best;
}

/** Sum of exp((z - max z) / temperature) over the `width` logits from `at` on: 1 over the largest softmax probability. */
export function softmaxSumAt(logits: ArrayLike<number>, at: number, width: number, temperature = 1): number {
  const top = logits[at + argmaxAt(logits, at, width)]!;
  let sum = 0;
  for (let k = 0; k < width; k++) sum += Math.exp((logits[at + k]! - top) / temperature);
  return sum;
}

/** The largest probability of softmax(logits / temperature). */
export const confidenceAt = (logits: ArrayLike<number>, at: number, width: number, temperature = 1): number =>
  1 / softmaxSumAt(logits, at, width, temperature);
