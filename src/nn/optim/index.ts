export { type AdamWOptions, adamW } from './adamw.ts';
export { clipByGlobalNorm } from './clip.ts';
export type { Optimizer, Update } from './optimizer.ts';
export { type SgdOptions, sgd } from './sgd.ts';
