import { DynaError } from '../errors.ts';

/** Why a training ended before its last step. */
export type StopReason =
  | 'interrupted' // the caller's signal
  | 'diverged'; // a loss or gradient that is NaN or infinite

/**
 * A training that stopped before its end. A command line tells Ctrl-C (exit 130) from divergence by `reason`.
 *
 * @example if (error instanceof TrainingStopped && error.reason === 'interrupted') process.exitCode = 130;
 */
export class TrainingStopped extends DynaError {
  readonly reason: StopReason;
  /** The checkpoint from which `resume` continues, if one is kept. */
  readonly checkpoint: string | undefined;

  constructor(reason: StopReason, message: string, options: { fix?: string; checkpoint?: string | undefined } = {}) {
    super('training', message, options.fix === undefined ? {} : { fix: options.fix });
    this.name = 'TrainingStopped';
    this.reason = reason;
    this.checkpoint = options.checkpoint;
  }
}
