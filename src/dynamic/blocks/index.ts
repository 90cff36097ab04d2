/** Decisions by the field's names: each is `select`, `keep` or `weigh` with its options filled in. */
export { type KeepChannelsOptions, keepChannels } from './channels.ts';
export { type DenseOptions, dense, edgeThreshold } from './dense.ts';
export { type ExpertsOptions, experts } from './experts.ts';
export { type KeepHeadsOptions, keepHeads } from './heads.ts';
export { type MixtureOptions, mixture } from './mixture.ts';
export { policy, type SkipOptions, skip } from './skip.ts';
export { type KeepTokensOptions, keepTokens } from './tokens.ts';
export { type WidthsOptions, widths } from './widths.ts';
