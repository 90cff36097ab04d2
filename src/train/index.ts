/** Training: a net and data in, weights out; it can be stopped and continued at any step. */
export * from './decisions/index.ts';
export { train } from './fit.ts';
export type { Ending, MetricsLine } from './metrics.ts';
export type { TrainOptions, TrainProgress } from './options.ts';
export { type RecalibrateOptions, recalibrate } from './recalibrate.ts';
export type { TrainingData } from './source.ts';
export { type StepOptions, type TrainingGraphs, trainingGraphs } from './step.ts';
export { type StopReason, TrainingStopped } from './stopped.ts';
export { classification, type Target, type Task, type Wanted } from './task.ts';
export { openTrained, type SaveTrainedOptions, saveTrained } from './trained.ts';
export type { EpochMetrics, Trained } from './types.ts';
