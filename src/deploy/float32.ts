/**
 * The largest float32 that is not above `x`. Scores are float32, so `score > x` and `score > floor32(x)` are the same
 * test for all of them; rounding to the nearest could cross a score, and with it the certificate.
 */
export function floor32(x: number): number {
  const nearest = Math.fround(x);
  if (nearest <= x) return nearest;
  const value = new Float32Array([nearest]);
  const bits = new Int32Array(value.buffer);
  if (nearest === 0) return -(2 ** -149);
  bits[0]! += nearest > 0 ? -1 : 1;
  return value[0]!;
}

/** Thresholds of one decision, each rounded down; those of several options are compared with each other, not with scores. */
export const floored = <T extends number | readonly number[]>(value: T): T =>
  (typeof value === 'number' ? floor32(value) : (value as readonly number[]).map(Math.fround)) as T;
