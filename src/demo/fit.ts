import { type CertifiedModel, certify } from '../dynamic/index.ts';
import { type Progress, stages } from '../progress.ts';
import { type Trained, type TrainProgress, train } from '../train/index.ts';
import { multiExit } from '../zoo/index.ts';
import { answerWeights, recipe } from './recipe.ts';
import type { Splits } from './splits.ts';

export interface TrainSettings {
  readonly epochs: number;
  readonly seed: number;
  readonly progress: Progress;
  /** Where an interrupted training is kept; the next demo there goes on with it. */
  readonly checkpoint: string;
  readonly signal?: AbortSignal;
}

/** The demo's net, trained by the demo's recipe. */
export async function trainNet(
  splits: Splits,
  { epochs, seed, progress, checkpoint, signal }: TrainSettings,
): Promise<Trained> {
  const net = multiExit({ input: splits.train.shape, classes: splits.train.classes.length });
  let started = false;
  const trained = await train(net, {
    ...recipe,
    weights: answerWeights,
    data: splits.train,
    epochs,
    seed,
    checkpoint,
    resume: true,
    ...(signal ? { signal } : {}),
    onProgress(p) {
      if (!started) progress.start('train', p.steps);
      started = true;
      progress.update(p.step, trainFields(p));
    },
  });
  progress.stop();
  return trained;
}

/** The trained net with thresholds for its exits and a bound on the harm that they do. */
export async function certifyNet(
  trained: Trained,
  { tune, certify: data }: Splits,
  epsilon: number,
  progress: Progress,
): Promise<CertifiedModel> {
  const onProgress = stages(progress);
  const certified = await certify(trained, { tune, data, risk: 'harm', epsilon, delta: 0.1, onProgress });
  progress.stop();
  return certified;
}

function trainFields(p: TrainProgress): Record<string, string> {
  const list = (values: Readonly<Record<string, number>>, f: (v: number) => string) =>
    Object.values(values).map(f).join('/');
  return {
    loss: p.loss.toFixed(3),
    'accuracy %': list(p.accuracy, (v) => (100 * v).toFixed(1)),
    entropy: list(p.entropy, (v) => v.toFixed(2)),
    '': `${Math.round(p.imagesPerSecond)} images/s`,
    left: `${Math.round(p.secondsLeft)} s`,
  };
}
