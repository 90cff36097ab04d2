import { layoutOf } from './layout.ts';

/** One number a place out of values for each channel: the largest size (Simonyan et al. 2014), or the sum. */
export function mapOf(
  values: ArrayLike<number>,
  shape: readonly number[],
  how: 'magnitude' | 'sum' = 'magnitude',
): Float32Array {
  const { channels, places } = layoutOf(shape, values);
  const map = new Float32Array(places);
  for (let c = 0; c < channels; c++)
    for (let p = 0; p < places; p++) {
      const v = values[c * places + p]!;
      map[p] = how === 'sum' ? map[p]! + v : Math.max(map[p]!, Math.abs(v));
    }
  return map;
}

/**
 * Size of the Sobel gradient, summed over channels: a map that knows nothing of any model. What a saliency method shows
 * beyond it is what it learned from the model (Adebayo et al. 2018).
 */
export function edges(input: ArrayLike<number>, shape: readonly number[]): Float32Array {
  const { channels, places, height, width } = layoutOf(shape, input);
  const map = new Float32Array(places);
  for (let c = 0; c < channels; c++) {
    const at = (y: number, x: number): number =>
      input[c * places + Math.min(height - 1, Math.max(0, y)) * width + Math.min(width - 1, Math.max(0, x))]!;
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const across = (d: number) => at(y + d, x + 1) - at(y + d, x - 1);
        const down = (d: number) => at(y + 1, x + d) - at(y - 1, x + d);
        map[y * width + x]! += Math.hypot(across(-1) + 2 * across(0) + across(1), down(-1) + 2 * down(0) + down(1));
      }
  }
  return map;
}
