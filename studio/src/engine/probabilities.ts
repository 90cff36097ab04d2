/** softmax(logits / temperature), row by row; `heat` has one temperature for each row. [rows, width] */
export function probabilitiesAt(logits: Float32Array, width: number, heat: readonly number[]): Float32Array {
  const out = new Float32Array(logits.length);
  for (const [i, temperature] of heat.entries()) {
    const row = logits.subarray(i * width, (i + 1) * width);
    const top = Math.max(...row);
    let sum = 0;
    for (let k = 0; k < width; k++) sum += Math.exp((row[k]! - top) / temperature);
    for (let k = 0; k < width; k++) out[i * width + k] = Math.exp((row[k]! - top) / temperature) / sum;
  }
  return out;
}
