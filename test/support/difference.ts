/** Largest absolute difference of two lists; infinite where one holds NaN or they differ in length. */
export function largestDifference(a: ArrayLike<number | bigint>, b: ArrayLike<number | bigint>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(Number(a[i]) - Number(b[i]));
    if (Number.isNaN(d)) return Number.POSITIVE_INFINITY;
    largest = Math.max(largest, d);
  }
  return largest;
}
