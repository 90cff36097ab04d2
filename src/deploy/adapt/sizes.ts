import type { Dataset } from '../../data/index.ts';
import { sizeOf } from '../../graph/index.ts';

/** Items above this many values go through a net in smaller batches, which bounds the memory of what stands in between. */
const LARGE_ITEM = 20_000;
const FEW = 16;
const MANY = 64;

/** How many images go in at once. */
export const batchOf = ({ shape }: Pick<Dataset, 'shape'>): number => (sizeOf(shape) > LARGE_ITEM ? FEW : MANY);

/** The same bound where a net with all its options runs over many images; small items go in as many as they do by default. */
export const batchFor = ({ shape }: Pick<Dataset, 'shape'>): { readonly batch?: number } =>
  sizeOf(shape) > LARGE_ITEM ? { batch: FEW } : {};
