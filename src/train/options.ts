import { type Augment, type Dataset, requireClasses } from '../data/index.ts';
import { answersOf, type Net, parametersOf } from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import { formatShape, type NDArray, sameShape } from '../graph/index.ts';
import { cosine, type Optimizer, type Schedule, sgd } from '../nn/index.ts';
import type { SessionOptions } from '../runtime/index.ts';
import { labelsOf, type TrainingData } from './source.ts';
import type { StepOptions } from './step.ts';
import type { Task } from './task.ts';
import type { DecisionMetrics } from './types.ts';

/** Where a training stands. Loss, accuracies and entropies are means over the epoch so far. */
export interface TrainProgress extends DecisionMetrics {
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Steps done, over all epochs. */
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  readonly accuracy: Readonly<Record<string, number>>;
  readonly entropy: Readonly<Record<string, number>>;
  readonly imagesPerSecond: number;
  readonly secondsLeft: number;
}

export interface TrainOptions
  extends Partial<
    Pick<
      StepOptions,
      'batch' | 'clip' | 'task' | 'smoothing' | 'weights' | 'distill' | 'teacher' | 'decisions' | 'cost' | 'paths'
    >
  > {
  /** In memory, or an indexed source such as `imageStream`, whose items are read while the training runs. */
  readonly data: TrainingData;
  /** Answers are checked on it after each epoch: the share that is right. */
  readonly validation?: Dataset;
  readonly epochs: number;
  /** Weights to start from, by the parameter's name; others are drawn by seed. A static cut has its net's names. */
  readonly start?: ReadonlyMap<string, NDArray>;
  /** Decides initial weights, order, augmentation and dropout; 1 by default. */
  readonly seed?: number;
  /** `sgd` with momentum 0.9 and weight decay 5e-4 by default. */
  readonly optimizer?: Optimizer;
  /** Peak of the default schedule, a cosine after 5 % warm-up; the optimiser's own rate by default. */
  readonly lr?: number;
  /** Instead of `lr`. */
  readonly schedule?: Schedule;
  readonly augment?: Augment;
  /** Folder for checkpoints: one at the start, one after each epoch, one when the training is stopped. */
  readonly checkpoint?: string;
  /** Steps between further checkpoints. */
  readonly every?: number;
  /** Continues from the folder's checkpoint where there is one. */
  readonly resume?: boolean;
  /** JSON Lines file: one line for every tenth step and one for each epoch. */
  readonly metrics?: string;
  /** Called about five times a second, and after the last step. */
  readonly onProgress?: (progress: TrainProgress) => void;
  /** Told what does not stop the training; a process warning by default. */
  readonly onWarning?: (message: string) => void;
  /** Aborting it ends the training after the running step, with a checkpoint. */
  readonly signal?: AbortSignal;
  readonly session?: SessionOptions;
}

/** The options with all defaults filled in. */
export interface Settings extends TrainOptions {
  readonly batch: number;
  readonly seed: number;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  readonly session: SessionOptions;
  readonly onWarning: (message: string) => void;
}

// Threads that spin while they wait take the cores from the thread that prepares the next batch.
const calm: SessionOptions = { extra: { session: { intra_op: { allow_spinning: '0' } } } };

function checkWhole(name: string, value: number | undefined): void {
  if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1))
    throw new DynaError('usage', `${name} is a whole number of at least 1, got ${value}`);
}

/** @throws DynaError 'usage' for options outside their range or against each other */
export function settingsOf(options: TrainOptions): Settings {
  const { batch = 64, seed = 1, lr, schedule, optimizer } = options;
  checkWhole('epochs', options.epochs);
  checkWhole('batch', batch);
  checkWhole('every', options.every);
  if (lr !== undefined && schedule)
    throw new DynaError('usage', 'lr and schedule were both given', { fix: 'give one; a schedule has its own rates' });
  if ((options.resume || options.every !== undefined) && options.checkpoint === undefined)
    throw new DynaError('usage', `${options.resume ? 'resume' : 'every'} needs a checkpoint folder, got none`);
  if (options.task && options.smoothing !== undefined)
    throw new DynaError('usage', `smoothing is of class labels, but the task "${options.task.name}" was given`, {
      fix: 'smooth inside of its loss',
    });
  const chosen = optimizer ?? sgd({ momentum: 0.9, weightDecay: 5e-4 });
  return {
    ...options,
    batch,
    seed,
    optimizer: chosen,
    schedule: schedule ?? cosine(lr ?? chosen.lr, { warmup: 0.05 }),
    session: { ...calm, ...options.session },
    onWarning: options.onWarning ?? ((message) => process.emitWarning(message)),
  };
}

/** @throws DynaError 'data' when the net cannot be trained or validated on `data` */
function checkFits(net: Net, data: TrainingData, task: Task | undefined): void {
  if (!sameShape(net.spec.input, data.shape))
    throw new DynaError(
      'data',
      `the net takes inputs [${net.spec.input.join(', ')}], the items of ${data.name} are [${data.shape.join(', ')}]`,
    );
  if (task) return; // its loss alone knows which answers and labels fit
  requireClasses(data);
  const classes = Number(answersOf(net).at(-1)!.logits.shape[1]);
  if (data.classes.length !== classes)
    throw new DynaError('data', `the net answers with ${classes} classes, ${data.name} has ${data.classes.length}`);
  const labels = labelsOf(data);
  const wrong = labels?.findIndex((label) => !(label >= 0 && label < classes)) ?? -1;
  if (wrong >= 0)
    throw new DynaError(
      'data',
      `label ${labels![wrong]} of item ${wrong} in ${data.name} is out of range: expected 0 to ${classes - 1}`,
    );
}

/** @throws DynaError 'data' for start weights of other shapes, or where none has a name that the net knows */
function checkStart(net: Net, start: ReadonlyMap<string, NDArray>): void {
  const params = parametersOf(net);
  for (const { name, shape } of params) {
    const value = start.get(name);
    if (value && !sameShape(value.dims, shape))
      throw new DynaError(
        'data',
        `the start of "${name}" should be ${formatShape(shape)}, got ${formatShape(value.dims)}`,
      );
  }
  if (start.size > 0 && !params.some((p) => start.has(p.name)))
    throw new DynaError(
      'data',
      `none of the ${start.size} weights to start from is a parameter of "${net.name}": "${[...start.keys()][0]}" is not, its first one is "${params[0]?.name}"`,
      { fix: 'give weights by the names of the parameters, scopes included' },
    );
}

/** Everything that can be known to be wrong before the first step. @throws DynaError 'data' */
export function checkTrainable(net: Net, { data, validation, batch, task, start }: Settings): void {
  if (start) checkStart(net, start);
  checkFits(net, data, task);
  if (validation) checkFits(net, validation, task);
  if (validation && task && !task.logits)
    throw new DynaError('usage', `validation counts right answers, which the task "${task.name}" does not know`, {
      fix: 'give the task `logits`, or check the trained net yourself',
    });
  if (batch > data.length)
    throw new DynaError('data', `${data.name} has ${data.length} items, too few for one batch of ${batch}`, {
      fix: 'take a smaller batch',
    });
}
