import type { Dataset } from '../../data/index.ts';
import { sizeOf } from '../../graph/index.ts';

/** Items above this many values go through a net in smaller batches, which bounds the memory of what stands in between. */
const LARGE_ITEM = 20_000;
const FEW = 16;
const MANY = 64;

/** How many images go in at once. */
export const batchOf = ({ shape }: Pick<Dataset, 'shape'>): number => (sizeOf(shape) > LARGE_ITEM ? FEW : MANY);
