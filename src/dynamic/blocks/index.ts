/** Decisions by the field's names: each is `select` with its options filled in. */
export { type ExpertsOptions, experts } from './experts.ts';
export { policy, type SkipOptions, skip } from './skip.ts';
export { type WidthsOptions, widths } from './widths.ts';
