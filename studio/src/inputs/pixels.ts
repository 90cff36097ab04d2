/** Interleaved RGBA to planes [channels, ...]; grey is the luma of BT.601. */
export function toPlanes(rgba: ArrayLike<number>, channels: number): Uint8Array {
  const plane = rgba.length / 4;
  const out = new Uint8Array(channels * plane);
  for (let i = 0; i < plane; i++) {
    const [r, g, b] = [rgba[4 * i]!, rgba[4 * i + 1]!, rgba[4 * i + 2]!];
    if (channels === 1) out[i] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
    else {
      out[i] = r;
      out[plane + i] = g;
      out[2 * plane + i] = b;
    }
  }
  return out;
}

/** Planes [1 or 3, height, width] to interleaved RGBA. Floats are stretched from their least to their greatest value. */
export function toRgba(values: ArrayLike<number>, channels: number): Uint8ClampedArray {
  const plane = values.length / channels;
  const out = new Uint8ClampedArray(4 * plane);
  let [low, high] = [0, 255];
  if (values instanceof Float32Array) {
    [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const v of values) {
      low = Math.min(low, v);
      high = Math.max(high, v);
    }
  }
  const scale = high > low ? 255 / (high - low) : 0;
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) out[4 * i + c] = (values[Math.min(c, channels - 1) * plane + i]! - low) * scale;
    out[4 * i + 3] = 255;
  }
  return out;
}

/** Where ink is: the box around all pixels above `least`, and the centre of its mass. */
export function inkOf(grey: ArrayLike<number>, width: number, least = 16) {
  let [left, top, right, bottom] = [width, Number.POSITIVE_INFINITY, -1, -1];
  let [sum, x, y] = [0, 0, 0];
  for (let i = 0; i < grey.length; i++) {
    const v = grey[i]!;
    if (v < least) continue;
    const [px, py] = [i % width, Math.floor(i / width)];
    left = Math.min(left, px);
    right = Math.max(right, px);
    top = Math.min(top, py);
    bottom = Math.max(bottom, py);
    sum += v;
    x += v * px;
    y += v * py;
  }
  return sum === 0
    ? undefined
    : { left, top, width: right - left + 1, height: bottom - top + 1, x: x / sum, y: y / sum };
}
