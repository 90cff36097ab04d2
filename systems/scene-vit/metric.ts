import { argmaxAt } from 'dynaneural/dynamic';
import { CLASSES } from './nets.ts';
import { WEATHERS } from './weather.ts';

/** What a net said of each image, and what was true. */
export interface Answers {
  /** [n, 10], row-major. */
  readonly logits: Float32Array;
  readonly labels: ArrayLike<number>;
  /** Number of each image's weather. */
  readonly weather: ArrayLike<number>;
}

/** What was found of the images of one weather. */
export interface Grade {
  readonly accuracy: number;
  /** Share of a class's images that are found at the wanted precision, mean over classes. */
  readonly recall: number;
  /** The precision that was met, mean over the classes that were claimed at all; null where none was. */
  readonly precision: number | null;
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** log p(class), [n, 10]. */
function logProbabilities(logits: Float32Array): Float32Array {
  const out = new Float32Array(logits.length);
  for (let row = 0; row < logits.length; row += CLASSES) {
    const own = logits.subarray(row, row + CLASSES);
    const top = own.reduce((a, b) => Math.max(a, b));
    const norm = top + Math.log(own.reduce((sum, v) => sum + Math.exp(v - top), 0));
    for (let c = 0; c < CLASSES; c++) out[row + c] = own[c]! - norm;
  }
  return out;
}

/**
 * The lowest threshold at which what scores above it is right often enough; +Infinity where there is none.
 *
 * @param right whether a score belongs to the class
 */
export function thresholdAt(precision: number, scores: ArrayLike<number>, right: ArrayLike<boolean>): number {
  const order = Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => scores[b]! - scores[a]!);
  let found = Number.POSITIVE_INFINITY;
  let hits = 0;
  for (const [k, i] of order.entries()) {
    if (right[i]) hits++;
    const below = k + 1 < order.length ? scores[order[k + 1]!]! : Number.NEGATIVE_INFINITY;
    // Equal scores are taken together.
    if (below === scores[i]! || hits < precision * (k + 1)) continue;
    found = below === Number.NEGATIVE_INFINITY ? below : (below + scores[i]!) / 2;
  }
  return found;
}

/** Recall and precision of what scores above a threshold. */
export function above(
  threshold: number,
  scores: ArrayLike<number>,
  right: ArrayLike<boolean>,
): { readonly recall: number; readonly precision: number | null } {
  let [claimed, hits, all] = [0, 0, 0];
  for (let i = 0; i < scores.length; i++) {
    if (right[i]) all++;
    if (scores[i]! <= threshold) continue;
    claimed++;
    if (right[i]) hits++;
  }
  return { recall: all > 0 ? hits / all : 0, precision: claimed > 0 ? hits / claimed : null };
}

/** The scores of one class on the images of one weather, and which of them are of it. */
function oneClass({ labels, weather }: Answers, scores: Float32Array, which: number, c: number) {
  const own = Array.from({ length: labels.length }, (_, i) => i).filter((i) => weather[i] === which);
  return { scores: own.map((i) => scores[i * CLASSES + c]!), right: own.map((i) => labels[i] === c) };
}

/** Share of answers that are right, among images that `counts`. */
export function accuracyOf({ logits, labels }: Answers, counts: (image: number) => boolean = () => true): number {
  let [right, all] = [0, 0];
  for (let i = 0; i < labels.length; i++) {
    if (!counts(i)) continue;
    all++;
    if (argmaxAt(logits, i * CLASSES, CLASSES) === labels[i]) right++;
  }
  return right / Math.max(1, all);
}

/**
 * Recall at a fixed precision for each weather, one class against the rest, mean over classes: the score from which a class is
 * claimed is chosen for each class and weather on `tune`, and applied on `test`.
 */
export function gradesOf(precision: number, tune: Answers, test: Answers): Grade[] {
  const [seen, met] = [logProbabilities(tune.logits), logProbabilities(test.logits)];
  return WEATHERS.map((_, w) => {
    const each = Array.from({ length: CLASSES }, (_, c) => {
      const known = oneClass(tune, seen, w, c);
      const asked = oneClass(test, met, w, c);
      return above(thresholdAt(precision, known.scores, known.right), asked.scores, asked.right);
    });
    const claimed = each.flatMap((e) => e.precision ?? []);
    return {
      accuracy: accuracyOf(test, (i) => test.weather[i] === w),
      recall: mean(each.map((e) => e.recall)),
      precision: claimed.length > 0 ? mean(claimed) : null,
    };
  });
}
