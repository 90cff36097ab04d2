import type { ModelCard } from '../../../src/deploy/card.ts';
import { type Decision, isExit } from '../../../src/dynamic/decision.ts';
import type { Thresholds } from '../engine/protocol.ts';

/** One position of the knob. */
export interface Setting {
  readonly thresholds: Thresholds;
  /** Whether the file's certificate covers it. */
  readonly certified: boolean;
  /** The file's own point, or one that the page made from the scores of the inputs at hand. */
  readonly from: 'file' | 'page';
}

/** The file's own operating points, from the full model to the boldest. */
export const fileSettings = ({ points }: ModelCard): Setting[] =>
  points.map(({ thresholds, certified }) => ({ thresholds, certified, from: 'file' }));

/** Whether every decision is an exit: then what an input would do at any thresholds follows from its scores. */
export const onlyExits = (decisions: readonly Decision[]): boolean => decisions.length > 0 && decisions.every(isExit);

/**
 * Positions for a file that has but one point of its own: every exit lets the same share of the inputs at hand leave, from
 * none to all.
 *
 * @param scores [n, exits], row by row
 */
export function quantileSettings(decisions: readonly Decision[], scores: Float32Array, steps = 40): Setting[] {
  const exits = decisions.length;
  const n = scores.length / exits;
  const sorted = decisions.map((_, e) => Float32Array.from({ length: n }, (_, i) => scores[i * exits + e]!).sort());
  return Array.from({ length: steps + 1 }, (_, s) => ({
    certified: false,
    from: s === 0 ? 'file' : 'page',
    thresholds: Object.fromEntries(
      decisions.map(({ name }, e) => {
        const rank = Math.round((n * (steps - s)) / steps); // so many stay
        const list = sorted[e]!;
        const threshold =
          s === 0 || n === 0
            ? Number.POSITIVE_INFINITY
            : rank === 0
              ? list[0]! - 1
              : (list[rank - 1]! + (list[rank] ?? list[rank - 1]!)) / 2;
        return [name, threshold];
      }),
    ),
  }));
}
