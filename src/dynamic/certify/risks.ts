import { DynaError } from '../../errors.ts';

/**
 * What a certificate bounds, always against the *full* path of the same model:
 * - `harm`: the dynamic answer is wrong and the full one right (0/1)
 * - `loss`: (dynamic wrong) - (full wrong), in {-1, 0, 1}: the drop in accuracy; gains count against harms
 * - `disagreement`: the two answers differ (0/1; needs no labels)
 */
export type Risk = 'harm' | 'loss' | 'disagreement';

/** Whether the risk's loss can be negative, so that it needs the betting test. */
export const isSigned = (risk: Risk): boolean => risk === 'loss';

/** Whether the risk can only be counted on labelled data. */
export const needsLabels = (risk: Risk): boolean => risk !== 'disagreement';

/** The loss of one answer. Labels are ignored by `disagreement`. */
export function lossOf(risk: Risk, dynamic: number, full: number, label: number): -1 | 0 | 1 {
  if (dynamic === full) return 0;
  if (risk === 'disagreement') return 1;
  if (full === label) return 1;
  return risk === 'loss' && dynamic === label ? -1 : 0;
}

function checkLabels(risk: Risk, n: number, labels: ArrayLike<number> | undefined): void {
  if (!needsLabels(risk)) return;
  if (labels === undefined) {
    throw new DynaError('data', `the risk "${risk}" is counted on labels and none were given`, {
      fix: 'give labels, or choose the risk "disagreement"',
    });
  }
  if (labels.length !== n) throw new DynaError('shape', `expected ${n} labels, one an input, got ${labels.length}`);
}

/**
 * The loss of each input.
 *
 * @param dynamic the answers of the dynamic model, [n]
 * @param full the answers of its full path, [n]
 * @param labels the true classes, [n]; not needed for `disagreement`
 */
export function losses(
  risk: Risk,
  dynamic: ArrayLike<number>,
  full: ArrayLike<number>,
  labels?: ArrayLike<number>,
): Int8Array {
  const n = full.length;
  if (dynamic.length !== n) throw new DynaError('shape', `expected ${n} dynamic answers, got ${dynamic.length}`);
  checkLabels(risk, n, labels);
  return Int8Array.from({ length: n }, (_, i) => lossOf(risk, dynamic[i], full[i], labels?.[i] ?? 0));
}

/**
 * The loss that each input would have at each exit.
 *
 * @param answers [n, exits + 1], row by row; the last column is the full path's answer
 * @returns [n, exits], row by row
 */
export function exitLosses(
  risk: Risk,
  answers: ArrayLike<number>,
  exits: number,
  labels?: ArrayLike<number>,
): Int8Array {
  const n = answers.length / (exits + 1);
  if (!Number.isInteger(n)) {
    throw new DynaError('shape', `expected answers of shape [n, ${exits + 1}], got ${answers.length} values`);
  }
  checkLabels(risk, n, labels);
  const out = new Int8Array(n * exits);
  for (let i = 0; i < n; i++) {
    const row = i * (exits + 1);
    for (let e = 0; e < exits; e++) {
      out[i * exits + e] = lossOf(risk, answers[row + e], answers[row + exits], labels?.[i] ?? 0);
    }
  }
  return out;
}
