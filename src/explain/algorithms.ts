/** What needs no engine and no Node: pages import it as it is. */
export { type Baseline, baselineOf } from './baseline.ts';
export { type BootstrapOptions, bootstrap, type Interval } from './bootstrap.ts';
export { type CascadeOptions, type CascadeStage, cascade } from './cascade.ts';
export { areaUnder, type Curve, type CurveOptions, deletion, insertion } from './curves.ts';
export { type Layout, layoutOf, type Scorer } from './layout.ts';
export { edges, mapOf } from './maps.ts';
export { type ClassShares, type PathByClass, pathByClass } from './path-by-class.ts';
export { randomOrder, rankCorrelation, ranking, ranks } from './rank.ts';
export { type MaskOptions, type RiseOptions, rise, riseMask } from './rise.ts';
export {
  type GradientAt,
  gradientTimesInput,
  integratedGradients,
  type PathOptions,
  type SmoothOptions,
  smoothGrad,
} from './smooth.ts';
