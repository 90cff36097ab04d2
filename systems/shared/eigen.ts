export interface Eigen {
  readonly value: number;
  readonly vector: readonly number[];
}

/**
 * Eigenvalues of a small symmetric matrix, largest first, with unit vectors; by Jacobi's rotations (Golub & Van Loan,
 * Matrix Computations, 8.5).
 */
export function eigen(symmetric: readonly (readonly number[])[]): Eigen[] {
  const n = symmetric.length;
  const a = symmetric.map((row) => [...row]);
  const v = a.map((_, i) => a.map((_, j) => (i === j ? 1 : 0)));
  const off = () => a.reduce((sum, row, i) => sum + row.reduce((s, x, j) => s + (i === j ? 0 : x * x), 0), 0);
  const size = a.reduce((sum, row) => sum + row.reduce((s, x) => s + x * x, 0), 0);
  for (let sweep = 0; sweep < 50 && off() > 1e-24 * size; sweep++)
    for (let p = 0; p < n; p++)
      for (let q = p + 1; q < n; q++) {
        if (a[p]![q] === 0) continue;
        const theta = (a[q]![q]! - a[p]![p]!) / (2 * a[p]![q]!);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const c = 1 / Math.hypot(t, 1);
        const turn = (row: number[]): void => {
          [row[p], row[q]] = [c * (row[p]! - t * row[q]!), c * (t * row[p]! + row[q]!)];
        };
        a.forEach(turn);
        const [x, y] = [a[p]!, a[q]!];
        [a[p], a[q]] = [x.map((e, k) => c * (e - t * y[k]!)), x.map((e, k) => c * (t * e + y[k]!))];
        v.forEach(turn);
      }
  return a
    .map((row, i) => ({ value: row[i]!, vector: v.map((r) => r[i]!) }))
    .sort((one, other) => other.value - one.value);
}
