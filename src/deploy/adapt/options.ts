import type { Dataset } from '../../data/index.ts';
import type { Machine } from '../../dynamic/index.ts';
import type { SessionOptions } from '../../runtime/index.ts';
import type { ForeignOptions } from './foreign.ts';
import type { ExitPlan, PlanOptions } from './plan.ts';

export type AdaptStage = 'features' | 'heads' | 'backbone' | 'gates' | 'time' | 'tune' | 'certify' | 'test';

/**
 * What became of the original's own weights. `frozen`: exits on the model as it is; `tuned`: its weights were trained
 * together with the exits and replace the old ones; `tuned, then original`: tuned exits stand before the unchanged model;
 * `skips`: no exits, but gates that leave residual blocks out, trained together with the weights.
 */
export type Way = 'frozen' | 'tuned' | 'tuned, then original' | 'skips';

export interface AdaptOptions extends PlanOptions, ForeignOptions {
  /** Typical inputs, which the original was not trained on. Its mean and std are the model's preprocessing. */
  readonly data: Dataset;
  /** Inputs to learn from, which the original may know; then all of `data` serves to tune and certify. */
  readonly train?: Dataset;
  /** Inputs that serve nothing but the report. */
  readonly test?: Dataset;
  /** Largest share of inputs that may get another answer than the original's; labels are not looked at. */
  readonly maxDisagreement?: number;
  /** Instead: largest share of inputs that may be answered wrongly where the original is right. Takes labels. */
  readonly maxHarm?: number;
  /** Instead: most accuracy that may be lost, gains counted against it. Takes labels, and more of them: it varies more. */
  readonly maxLoss?: number;
  /** Probability that the certificate is wrong; 0.1 by default. */
  readonly delta?: number;
  /** Trains the model's own weights too; where that does not pay, the frozen form is kept. */
  readonly tune?: boolean | { readonly epochs?: number; readonly lr?: number };
  /** With `tune`: tries gates before residual blocks too (see `skipPlaces`), which takes another training as long. */
  readonly skips?: boolean;
  /** Mean MACs as a share of the original's: the safest certified point that keeps them is chosen, else the fastest. */
  readonly budget?: number;
  /**
   * What decides which exits stay, and which form: `time` (default), as measured on this machine, of single images and of
   * batches of 64; or `macs`. By time the original is kept where no form is expected to save any.
   */
  readonly selectBy?: 'time' | 'macs';
  /** By time, but with these constants instead of a measurement; the file then no longer depends on the machine. */
  readonly machine?: Machine;
  readonly name?: string;
  /** Decides the split, and how the heads start; 1 by default. */
  readonly seed?: number;
  /** How often each image is shown to the heads, shifted and mirrored; 4 by default. */
  readonly views?: number;
  /** Of the heads' training; by default 4 to 20, fewer for many images. */
  readonly epochs?: number;
  /** Most bytes of features in memory; more are kept on disk and read from there. 1 GiB by default. */
  readonly memory?: number;
  /** Folder where a run that was interrupted in any way goes on from, to the same file. Remove it at the end. */
  readonly work?: string;
  readonly session?: SessionOptions;
  readonly signal?: AbortSignal;
  readonly onPlan?: (plan: ExitPlan) => void;
  readonly onProgress?: (stage: AdaptStage, done: number, total: number, fields?: Record<string, string>) => void;
}
