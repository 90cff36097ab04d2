import { type NDArray, ndarray, sizeOf } from 'dynaneural/graph';
import { ANSWER, nameOf } from './nets.ts';

export type Weights = ReadonlyMap<string, NDArray>;

/** The slices of a tensor along an axis, in another order. */
export function reordered({ dims, data }: NDArray, axis: number, order: readonly number[]): NDArray {
  const inner = sizeOf(dims.slice(axis + 1));
  const count = dims[axis]!;
  const out = new Float32Array(data.length);
  for (let outer = 0; outer < sizeOf(dims.slice(0, axis)); outer++)
    for (const [to, from] of order.entries())
      for (let k = 0; k < inner; k++)
        out[(outer * count + to) * inner + k] = data[(outer * count + from) * inner + k] as number;
  return ndarray('float32', dims, out);
}

/** Sum of absolute weights of each filter. */
export function norms({ dims, data }: NDArray): number[] {
  const size = sizeOf(dims.slice(1));
  return Array.from({ length: dims[0]! }, (_, o) => {
    let sum = 0;
    for (let k = 0; k < size; k++) sum += Math.abs(data[o * size + k] as number);
    return sum;
  });
}

/**
 * The same net with the channels of all layers but the first in another order, those of the largest L1 norm first: its first
 * channels are then what pruning by norm leaves (Li et al. 2017, arXiv:1608.08710).
 */
export function byNorm(weights: Weights, layers: number): Map<string, NDArray> {
  const sorted = new Map(weights);
  const move = (name: string, axis: number, order: readonly number[]): void => {
    sorted.set(name, reordered(sorted.get(name)!, axis, order));
  };
  for (let i = 1; i < layers; i++) {
    const conv = `${nameOf(i)}/conv`;
    const sizes = norms(sorted.get(`${conv}/weight`)!);
    const order = [...sizes.keys()].sort((a, b) => sizes[b]! - sizes[a]!);
    move(`${conv}/weight`, 0, order);
    for (const part of ['scale', 'bias', 'mean', 'variance']) move(`${conv}/norm/${part}`, 0, order);
    move(i + 1 < layers ? `${nameOf(i + 1)}/conv/weight` : `${ANSWER}/weight`, 1, order);
  }
  return sorted;
}
