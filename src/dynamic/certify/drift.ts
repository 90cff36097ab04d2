import { DynaError } from '../../errors.ts';
import { chiSquareTail } from './special.ts';

/** What a drift check found. */
export interface Drift {
  /** True if the exit shares differ by more than chance and by more than the tolerance. */
  readonly drifted: boolean;
  /** The probability of shares at least this different if nothing had changed. */
  readonly pValue: number;
  /** Half the sum of the absolute differences of the shares: how many of the inputs now leave elsewhere. */
  readonly distance: number;
  readonly expected: readonly number[];
  readonly live: readonly number[];
  /** One sentence with the figures. */
  readonly message: string;
}

/**
 * Compares the exits that live inputs take with those that the certify split took at the same operating point: a
 * certificate speaks for inputs like the calibration set, and other exit shares are the first sign of others.
 *
 * Pearson's chi-square test of two samples; neighbouring exits are merged until each expected count is >= 5.
 *
 * @param expected counts at certification, [exits + 1]
 * @param live counts now, [exits + 1]
 * @param options.alpha false alarms when nothing has changed, for each check (default 0.001)
 * @param options.tolerance a smaller distance is never called drift, however sure (default 0.02)
 * @example
 * driftCheck([700, 200, 100], [480, 260, 260]).message // 'exit shares differ: ...'
 */
export function driftCheck(
  expected: readonly number[],
  live: readonly number[],
  options: { readonly alpha?: number; readonly tolerance?: number } = {},
): Drift {
  const { alpha = 0.001, tolerance = 0.02 } = options;
  if (expected.length !== live.length || expected.length < 2) {
    throw new DynaError(
      'shape',
      `expected counts of ${expected.length} exits (the full path included), got ${live.length}`,
    );
  }
  const [a, b] = [count(expected), count(live)];
  if (a === 0 || b === 0) throw new DynaError('data', 'expected at least one input on both sides of a drift check');
  const shares = { expected: expected.map((c) => c / a), live: live.map((c) => c / b) };
  const distance = shares.live.reduce((sum, s, e) => sum + Math.abs(s - shares.expected[e]), 0) / 2;
  const pValue = homogeneityPValue(expected, live, a, b);
  const drifted = pValue < alpha && distance >= tolerance;
  const figures = `${percent(shares.live)} of ${b} live inputs against ${percent(shares.expected)} at certification`;
  const message = `exit shares ${drifted ? 'differ' : 'are as expected'}: ${figures} (p = ${pValue.toPrecision(2)}, ${(100 * distance).toFixed(1)} % of the inputs leave elsewhere)`;
  return { drifted, pValue, distance, expected: shares.expected, live: shares.live, message };
}

function count(counts: readonly number[]): number {
  for (const c of counts) {
    if (!(Number.isInteger(c) && c >= 0)) throw new DynaError('data', `expected counts of inputs, got ${c}`);
  }
  return counts.reduce((sum, c) => sum + c, 0);
}

const percent = (shares: readonly number[]): string => `[${shares.map((s) => (100 * s).toFixed(1)).join(', ')}] %`;

function homogeneityPValue(x: readonly number[], y: readonly number[], nx: number, ny: number): number {
  const enough = 5 * (1 + Math.max(nx, ny) / Math.min(nx, ny)); // total that expects 5 in the smaller sample
  const cells: [number, number][] = [];
  let open: [number, number] = [0, 0];
  for (let e = 0; e < x.length; e++) {
    open = [open[0] + x[e], open[1] + y[e]];
    if (open[0] + open[1] >= enough) {
      cells.push(open);
      open = [0, 0];
    }
  }
  if (cells.length === 0) return 1;
  const last = cells[cells.length - 1];
  cells[cells.length - 1] = [last[0] + open[0], last[1] + open[1]];
  if (cells.length === 1) return 1;
  let statistic = 0;
  for (const [cx, cy] of cells) {
    const share = (cx + cy) / (nx + ny);
    statistic += (cx - nx * share) ** 2 / (nx * share) + (cy - ny * share) ** 2 / (ny * share);
  }
  return chiSquareTail(statistic, cells.length - 1);
}
