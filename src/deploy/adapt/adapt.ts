import { type Dataset, dataset, splitDataset } from '../../data/index.ts';
import {
  type CertifiedModel,
  certify,
  costTable,
  cut,
  decisionsOf,
  extremeMacs,
  type Model,
  zeroLossSampleSize,
} from '../../dynamic/index.ts';
import { DynaError } from '../../errors.ts';
import { formatShape, sameShape } from '../../graph/index.ts';
import type { SessionOptions } from '../../runtime/index.ts';
import { toBytes } from '../save.ts';
import { type Compared, compareAnswers } from './compare.ts';
import { features } from './features.ts';
import { type Foreign, type ForeignOptions, itemShape, readForeign } from './foreign.ts';
import { trainHeads, withExits } from './heads.ts';
import { type ExitPlan, type PlanOptions, planExits } from './plan.ts';

export type AdaptStage = 'features' | 'heads' | 'tune' | 'certify' | 'test';

export interface AdaptOptions extends PlanOptions, ForeignOptions {
  /** Typical inputs; labels are not looked at. Its mean and std are the model's preprocessing. */
  readonly data: Dataset;
  /** Inputs that serve nothing but the report: how often the answers agree there. */
  readonly test?: Dataset;
  /** Largest share of inputs that may get another answer than the original's. */
  readonly maxDisagreement: number;
  /** Probability that the certificate is wrong; 0.1 by default. */
  readonly delta?: number;
  readonly name?: string;
  /** Decides the split, and how the heads start; 1 by default. */
  readonly seed?: number;
  /** How often each image is shown to the heads, shifted and mirrored; 4 by default. */
  readonly views?: number;
  /** Of the heads' training; by default 4 to 30, fewer for many images. */
  readonly epochs?: number;
  /** Most bytes for cached features; 512 MiB by default. */
  readonly memory?: number;
  readonly session?: SessionOptions;
  readonly signal?: AbortSignal;
  readonly onPlan?: (plan: ExitPlan) => void;
  readonly onProgress?: (stage: AdaptStage, done: number, total: number, fields?: Record<string, string>) => void;
}

export interface AdaptSummary {
  /** True where no faster point could be certified, or none that is faster than the original: `bytes` has no exits then. */
  readonly fullModelKept: boolean;
  /** The certificate's sentence, or why the full model was kept. */
  readonly message: string;
  /** How many images each part had; for the heads, how many views of them the memory limit allowed. */
  readonly sizes: { readonly heads: number; readonly tune: number; readonly certify: number };
  /** MACs for one image: the original's, and the mean at the chosen point on the certify part (heads included). */
  readonly originalMacs: number;
  readonly meanMacs: number;
  /** Disagreement that was seen on the certify part. */
  readonly disagreement: number;
  /** Where inputs leave, by exit, "final" last. */
  readonly exits: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
  readonly test?: Compared;
}

export interface Adapted {
  /** With its exits, also where the full model was kept. */
  readonly model: CertifiedModel;
  readonly plan: ExitPlan;
  /** One ordinary ONNX file with the original's names, class order and output meaning. */
  readonly bytes: Uint8Array;
  /** The images that the certificate was measured on; nothing else has seen them. */
  readonly held: Dataset;
  readonly summary: AdaptSummary;
}

/**
 * Makes somebody else's static ONNX classifier dynamic: exits are planned, their heads learn from the model's own
 * answers (half of the images), thresholds are tuned (a fifth) and certified (the rest) to give the original's answer
 * but for a share of inputs. The original's weights stay as they are; no labels are needed.
 *
 * Not done yet: fine-tuning of the original, skip decisions, inputs other than images.
 *
 * @param original the content of the ONNX file
 * @throws DynaError 'model' for what is no image classifier, 'data' for images that do not fit it, 'certificate' for too
 *   few images, with the number that it takes
 * @example
 * const { bytes, summary } = await adapt(await readFile('resnet.onnx'), { data, maxDisagreement: 0.005 })
 */
export async function adapt(original: Uint8Array, options: AdaptOptions): Promise<Adapted> {
  const { data, test, maxDisagreement: epsilon, delta = 0.1, seed = 1, session, signal, onProgress } = options;
  const foreign = readForeign(original, options);
  checkFits(foreign, data);
  if (test) checkFits(foreign, test);
  const plan = planExits(foreign, options);
  options.onPlan?.(plan);
  const parts = partsOf(data, { epsilon, delta }, seed);

  const shared = { ...(session ? { session } : {}), ...(signal ? { signal } : {}) };
  const rows = await features(foreign, plan.exits, parts.heads, {
    ...shared,
    seed,
    ...(options.memory === undefined ? {} : { memory: options.memory }),
    ...(options.views === undefined ? {} : { views: options.views }),
    onProgress: (done, total) => onProgress?.('features', done, total),
  });
  const heads = await trainHeads(plan.exits, rows, {
    ...shared,
    seed,
    ...(options.epochs === undefined ? {} : { epochs: options.epochs }),
    onProgress: (p) =>
      onProgress?.('heads', p.step, p.steps, { loss: p.loss.toFixed(3), left: `${p.secondsLeft.toFixed(0)} s` }),
  });
  const model: Model = {
    net: withExits(foreign, plan.exits, options.name ?? 'adapted'),
    weights: new Map([...foreign.weights, ...heads]),
    classes: foreign.classes,
    preprocessing: {
      shape: data.shape,
      scale: data.inputs instanceof Uint8Array ? 1 / 255 : 1,
      mean: data.mean,
      std: data.std,
    },
  };
  const certified = await certify(model, {
    tune: parts.tune,
    data: parts.certify,
    risk: 'disagreement',
    epsilon,
    delta,
    ...(session ? { session } : {}),
    onProgress: (stage, done, total) => {
      signal?.throwIfAborted();
      onProgress?.(stage, done, total);
    },
  });

  const { chosen, certificate } = certified;
  const fullMacs = extremeMacs({ decisions: decisionsOf(model.net), regions: costTable(model.net) }, Math.max);
  const meanMacs = chosen.budget * fullMacs;
  const slower = meanMacs >= plan.macs;
  const fullModelKept = certificate.fullModelKept || slower;
  const io = { names: foreign.names, output: foreign.output, metadata: foreign.metadata };
  const bytes = toBytes(fullModelKept ? { ...model, net: cut(model.net) } : certified, io);
  const message =
    slower && !certificate.fullModelKept
      ? 'full model kept: what could be certified takes as many MACs as the original, heads included'
      : certificate.message;
  const names = [...decisionsOf(model.net).map((d) => d.name), 'final'];
  const summary: AdaptSummary = {
    fullModelKept,
    message,
    sizes: { heads: rows.length, tune: parts.tune.length, certify: parts.certify.length },
    originalMacs: plan.macs,
    meanMacs: fullModelKept ? plan.macs : meanMacs,
    disagreement: fullModelKept ? 0 : chosen.risk,
    exits: Object.fromEntries(
      fullModelKept ? [['final', 1]] : names.map((name, i): [string, number] => [name, chosen.shares[i]!]),
    ),
    notes: [...foreign.notes, ...notesOn(plan, rows.length, parts.heads.length * (options.views ?? 4))],
    ...(test
      ? {
          test: await compareAnswers(original, foreign, bytes, test, {
            ...shared,
            onProgress: (done, total) => onProgress?.('test', done, total),
          }),
        }
      : {}),
  };
  return { model: certified, plan, bytes, held: parts.certify, summary };
}

function checkFits(foreign: Foreign, { name, shape, length }: Dataset): void {
  const wanted = itemShape(foreign);
  if (length === 0) throw new DynaError('data', `${name} is empty`);
  if (!sameShape(wanted, shape))
    throw new DynaError(
      'data',
      `the model takes images ${formatShape(wanted)}, those of ${name} are ${formatShape(shape)}`,
      {
        fix: 'channels come first: [C, H, W]; give images of that size',
      },
    );
}

/** Half for the heads, a fifth to tune, the rest to certify, without labels. Refuses too few before any work is done. */
function partsOf(data: Dataset, level: { readonly epsilon: number; readonly delta: number }, seed: number) {
  const least = zeroLossSampleSize(level);
  const certify = Math.round(0.3 * data.length);
  if (certify < least || data.length < 20) {
    const needed = Math.max(20, Math.ceil((least - 0.5) / 0.3));
    throw new DynaError(
      'certificate',
      `a disagreement of at most ${Number((100 * level.epsilon).toPrecision(3))} % at delta ${level.delta} takes at least ${least} images to certify, and then none may disagree; three tenths of ${data.length} are ${certify}`,
      { fix: `give at least ${needed} images, better several times as many, or allow more disagreement` },
    );
  }
  const { inputs, shape, mean, std, name } = data;
  const bare = dataset({ inputs, shape, mean, std, name });
  return splitDataset(bare, { parts: { heads: 'rest', tune: 0.2, certify }, seed });
}

function notesOn({ exits }: ExitPlan, used: number, given: number): string[] {
  const notes = exits
    .filter((e) => e.ratio < 20)
    .map(
      (e) =>
        `an exit at "${e.name}" saves about ${e.ratio.toFixed(1)} times what asking costs everyone (20 times is wanted): the model is small, so time may gain less than MACs`,
    );
  if (used < given) notes.push(`heads learned from ${used} of ${given} views, which fill the memory limit`);
  return notes;
}
