import { DynaError } from '../../errors.ts';
import { argmaxAt, confidenceAt, softmaxSumAt } from '../logits.ts';

/** How sharp and how honest the confidences of one exit are, before and after its temperature. */
export interface TemperatureFit {
  readonly temperature: number;
  /** Mean negative log-likelihood, nats. */
  readonly nllBefore: number;
  readonly nllAfter: number;
  /** Expected calibration error, 15 bins of equal width. */
  readonly eceBefore: number;
  readonly eceAfter: number;
}

/**
 * Temperature scaling (Guo et al., "On calibration of modern neural networks", 2017): the T for which softmax(logits / T) has
 * the smallest negative log-likelihood. In 1/T that is a convex function, so its derivative is bisected; everything happens in
 * log space. Each label is smoothed by 1/(n + 2), as Platt does, which keeps T finite when all n answers are right.
 *
 * @param logits [n, classes], row by row
 * @param labels true classes, [n]
 * @throws DynaError('data') for logits that are not finite or labels out of range
 * @example
 * const { temperature } = fitTemperature(logits, labels, 10)
 */
export function fitTemperature(logits: ArrayLike<number>, labels: ArrayLike<number>, classes: number): TemperatureFit {
  const n = labels.length;
  if (n === 0 || logits.length !== n * classes) {
    throw new DynaError(
      'shape',
      `expected logits of shape [n, ${classes}] for n >= 1, got ${logits.length} for ${n} labels`,
    );
  }
  for (let i = 0; i < logits.length; i++) {
    if (!Number.isFinite(logits[i]))
      throw new DynaError('data', `expected finite logits, got ${logits[i]} for input ${Math.floor(i / classes)}`);
  }
  for (let i = 0; i < n; i++) {
    if (!(Number.isInteger(labels[i]) && labels[i] >= 0 && labels[i] < classes)) {
      throw new DynaError('data', `expected labels from 0 to ${classes - 1}, got ${labels[i]} for input ${i}`);
    }
  }
  const smoothing = 1 / (n + 2);
  // d/dβ of the smoothed NLL at β = e^u: mean over inputs of E_p[z] - E_target[z], which rises with β
  const slope = (u: number) => {
    const beta = Math.exp(u);
    let total = 0;
    for (let i = 0; i < n; i++) {
      const top = logits[i * classes + argmaxAt(logits, i * classes, classes)];
      let weight = 0;
      let weighted = 0;
      let plain = 0;
      for (let c = 0; c < classes; c++) {
        const z = logits[i * classes + c] - top;
        const w = Math.exp(beta * z);
        weight += w;
        weighted += w * z;
        plain += z;
      }
      const right = logits[i * classes + labels[i]] - top;
      total += weighted / weight - (1 - smoothing) * right - (smoothing * plain) / classes;
    }
    return total;
  };
  const temperature = Math.exp(-root(slope));
  return {
    temperature,
    nllBefore: negativeLogLikelihood(logits, labels, classes, 1),
    nllAfter: negativeLogLikelihood(logits, labels, classes, temperature),
    eceBefore: calibrationError(logits, labels, classes, 1),
    eceAfter: calibrationError(logits, labels, classes, temperature),
  };
}

/** Where a rising function crosses 0, for u between -32 and 32 (the nearer end if it does not); 0 if it is flat. */
function root(slope: (u: number) => number): number {
  const start = Math.sign(slope(0));
  if (start === 0) return 0;
  let before = 0;
  let after = -start;
  while (Math.sign(slope(after)) === start) {
    if (Math.abs(after) >= 32) return after;
    before = after;
    after *= 2;
  }
  while (Math.abs(after - before) > 1e-7) {
    const mid = (before + after) / 2;
    if (Math.sign(slope(mid)) === start) before = mid;
    else after = mid;
  }
  return (before + after) / 2;
}

/** Mean negative log-likelihood of softmax(logits / temperature), nats. */
export function negativeLogLikelihood(
  logits: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
  temperature = 1,
): number {
  let total = 0;
  for (let i = 0; i < labels.length; i++) {
    const row = i * classes;
    const top = logits[row + argmaxAt(logits, row, classes)];
    total += Math.log(softmaxSumAt(logits, row, classes, temperature)) - (logits[row + labels[i]] - top) / temperature;
  }
  return total / labels.length;
}

/**
 * Expected calibration error: the mean gap between confidence and accuracy over `bins` bins of equal width, weighted by
 * how many inputs fall into each.
 */
export function calibrationError(
  logits: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
  temperature = 1,
  bins = 15,
): number {
  const gap = new Float64Array(bins);
  for (let i = 0; i < labels.length; i++) {
    const row = i * classes;
    const answer = argmaxAt(logits, row, classes);
    const confidence = confidenceAt(logits, row, classes, temperature);
    gap[Math.min(bins - 1, Math.floor(confidence * bins))] += confidence - (answer === labels[i] ? 1 : 0);
  }
  return gap.reduce((sum, g) => sum + Math.abs(g), 0) / labels.length;
}
