/** A matrix by rows. */
export type Matrix = readonly Float64Array[];

/**
 * Ridge regression with an intercept: for each column of `targets` the weights that predict it from the columns of
 * `features`, and a constant; by normal equations and Cholesky's factors.
 *
 * @returns for each target its weights, the constant last
 */
export function leastSquares(features: Matrix, targets: Matrix, ridge = 1e-3): Matrix {
  const n = features.length;
  const d = features[0]!.length + 1;
  const at = (row: Float64Array, j: number): number => (j === d - 1 ? 1 : row[j]!);
  const factor = Array.from({ length: d }, () => new Float64Array(d));
  for (const row of features)
    for (let i = 0; i < d; i++) for (let j = 0; j <= i; j++) factor[i]![j]! += (at(row, i) * at(row, j)) / n;
  const trace = factor.reduce((sum, row, i) => sum + row[i]!, 0);
  for (let i = 0; i < d - 1; i++) factor[i]![i]! += (ridge * trace) / d;
  for (let i = 0; i < d; i++)
    for (let j = 0; j <= i; j++) {
      let v = factor[i]![j]!;
      for (let k = 0; k < j; k++) v -= factor[i]![k]! * factor[j]![k]!;
      factor[i]![j] = i === j ? Math.sqrt(v) : v / factor[j]![j]!;
    }
  return Array.from(targets[0]!, (_, c) => {
    const b = new Float64Array(d);
    for (const [r, row] of features.entries()) for (let i = 0; i < d; i++) b[i]! += (at(row, i) * targets[r]![c]!) / n;
    for (let i = 0; i < d; i++) {
      for (let k = 0; k < i; k++) b[i]! -= factor[i]![k]! * b[k]!;
      b[i]! /= factor[i]![i]!;
    }
    for (let i = d - 1; i >= 0; i--) {
      for (let k = i + 1; k < d; k++) b[i]! -= factor[k]![i]! * b[k]!;
      b[i]! /= factor[i]![i]!;
    }
    return b;
  });
}

/** Mean and standard deviation of each column. */
export function moments(rows: Matrix): { readonly mean: readonly number[]; readonly std: readonly number[] } {
  const columns = Array.from(rows[0]!.keys());
  const mean = columns.map((c) => rows.reduce((sum, row) => sum + row[c]!, 0) / rows.length);
  const std = columns.map((c) =>
    Math.sqrt(rows.reduce((sum, row) => sum + (row[c]! - mean[c]!) ** 2, 0) / rows.length),
  );
  return { mean, std };
}
