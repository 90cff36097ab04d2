import type { Outcome } from './table.ts';

/** Where two outcomes on the same inputs part. */
export interface Differences {
  /** Inputs that both have seen. */
  readonly n: number;
  readonly same: number;
  readonly onlyA: number;
  readonly onlyB: number;
  /** Those with different answers. */
  readonly inputs: readonly number[];
}

/** @param labels class numbers; empty where there are none */
export function differences(a: Outcome, b: Outcome, labels: ArrayLike<number>): Differences {
  const n = Math.min(a.n, b.n);
  const inputs: number[] = [];
  let [onlyA, onlyB] = [0, 0];
  for (let i = 0; i < n; i++) {
    if (a.answers[i] === b.answers[i]) continue;
    inputs.push(i);
    if (a.answers[i] === labels[i]) onlyA++;
    if (b.answers[i] === labels[i]) onlyB++;
  }
  return { n, same: n - inputs.length, onlyA, onlyB, inputs };
}
