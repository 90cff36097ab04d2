import { createHash } from 'node:crypto';
import { type Dataset, fingerprint } from '../../data/index.ts';
import {
  type Certificate,
  type CertifiedModel,
  decisionsOf,
  FINAL,
  type Model,
  type Net,
  observations,
  parametersOf,
} from '../../dynamic/index.ts';
import type { NDArray } from '../../graph/index.ts';
import type { SessionOptions } from '../../runtime/index.ts';
import { toBytes } from '../save.ts';
import { type Claim, prove, type Referred } from './against.ts';
import { type Compared, compareAnswers } from './compare.ts';
import { checkFaithful } from './faithful.ts';
import { features } from './features.ts';
import { type Foreign, type ForeignOptions, readForeign } from './foreign.ts';
import { trainHeads, withExits } from './heads.ts';
import { checkFits, claimOf, labelsFit, partsOf } from './parts.ts';
import { type ExitPlan, type Place, type PlanOptions, planExits } from './plan.ts';
import { harmless, referenceAnswers } from './reference.ts';
import { imagesInFront } from './rows.ts';
import { type Selected, selectExits } from './select.ts';
import { beforeOriginal, between, tune, WAYPOINTS } from './tune.ts';
import { keyOf, Work } from './work.ts';

export type AdaptStage = 'features' | 'heads' | 'backbone' | 'tune' | 'certify' | 'test';

/**
 * What became of the original's own weights. `frozen`: exits on the model as it is; `tuned`: its weights were trained
 * together with the exits and replace the old ones; `tuned, then original`: tuned exits stand before the unchanged model.
 */
export type Way = 'frozen' | 'tuned' | 'tuned, then original';

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
  /** Probability that the certificate is wrong; 0.1 by default. */
  readonly delta?: number;
  /** Trains the model's own weights too; where that does not pay, the frozen form is kept. */
  readonly tune?: boolean | { readonly epochs?: number; readonly lr?: number };
  /** Mean MACs as a share of the original's: the safest certified point that keeps them is chosen, else the fastest. */
  readonly budget?: number;
  readonly name?: string;
  /** Decides the split, and how the heads start; 1 by default. */
  readonly seed?: number;
  /** How often each image is shown to the heads, shifted and mirrored; 4 by default. */
  readonly views?: number;
  /** Of the heads' training; by default 4 to 30, fewer for many images. */
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

export interface AdaptSummary {
  /** True where no faster point could be certified: `bytes` has no exits then. */
  readonly fullModelKept: boolean;
  readonly way: Way;
  /** The certificate's sentence, or why the full model was kept. */
  readonly message: string;
  readonly claim: Claim;
  /** How many images each part had; for the heads, how many views. */
  readonly sizes: { readonly heads: number; readonly tune: number; readonly certify: number };
  /** MACs for one image: the original's, and the mean at the chosen point on the certify part (heads included). */
  readonly originalMacs: number;
  readonly meanMacs: number;
  /** Disagreement (or harm) that was seen on the certify part. */
  readonly seen: number;
  /** Where inputs leave, by exit, "final" last. */
  readonly exits: Readonly<Record<string, number>>;
  /** Mean MACs that the tune part promised for each way that was tried; the first of the cheapest was certified. */
  readonly tried: Readonly<Partial<Record<Way, number>>>;
  readonly notes: readonly string[];
  readonly test?: Compared;
}

export interface Adapted {
  readonly certificate: Certificate;
  /** The certified model with its exits; undefined where the full model was kept. */
  readonly model: CertifiedModel | undefined;
  /** The model with exits that was put to the test, whether or not something could be certified. */
  readonly candidate: Model;
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
 * but for a share of inputs. No labels are needed. The original's weights stay as they are unless `tune` is given.
 *
 * @param original the content of the ONNX file
 * @throws DynaError 'model' for what is no image classifier, 'data' for images that do not fit it, 'certificate' for too
 *   few images, with the number that it takes
 * @example
 * const { bytes, summary } = await adapt(await readFile('resnet.onnx'), { data, maxDisagreement: 0.005 })
 */
export async function adapt(original: Uint8Array, options: AdaptOptions): Promise<Adapted> {
  const { data, train, test, seed = 1, session, signal, onProgress, budget } = options;
  const claim = claimOf(options);
  const foreign = imagesInFront(readForeign(original, options));
  for (const set of [data, train, test]) if (set) checkFits(foreign, set);
  if (claim.risk === 'harm') labelsFit(foreign, data);
  const plan = planExits(foreign, options);
  options.onPlan?.(plan);
  const parts = partsOf(data, train, claim, seed);
  const shared = { ...(session ? { session } : {}), ...(signal ? { signal } : {}) };
  const told = (stage: AdaptStage) => ({
    ...(session ? { session } : {}),
    onProgress(done: number, total: number) {
      signal?.throwIfAborted();
      onProgress?.(stage, done, total);
    },
  });
  await checkFaithful(original, foreign, parts.heads, session);

  const learned = await learn(foreign, plan, parts.heads, original, options);
  const refer = async (images: Dataset): Promise<Referred> => ({
    images,
    reference: await referenceAnswers(foreign, images, shared),
  });
  const tuning = await refer(parts.tune);
  const tried: (Selected & { readonly way: Way })[] = [];
  for (const { way, all, made } of learned.ways) {
    const seen = await observations(all, tuning.images, told('tune'));
    tried.push({ way, ...selectExits(seen, plan, made, tuning, claim) });
  }
  const best = tried.reduce((a, b) => (b.found.expectedMacs < a.found.expectedMacs ? b : a));
  const { way, found, exits: kept } = best;
  const proven = await prove(found, await refer(parts.certify), claim, plan.macs, {
    ...told('certify'),
    ...(budget === undefined ? {} : { budget }),
  });

  const { certificate, model, meanMacs } = proven;
  const about = { way: model ? way : 'frozen', ...claim, certificate: certificate.message };
  const io = {
    names: foreign.names,
    output: foreign.output,
    metadata: { ...foreign.metadata, 'dynaneural.adapted': JSON.stringify(about) },
  };
  const bytes = toBytes(model ?? plain(learned.ways[0]!.all, foreign), io);
  const names = model ? [...decisionsOf(model.net).map((d) => d.name), FINAL] : [FINAL];
  const shares = model?.chosen.shares ?? [1];
  const summary: AdaptSummary = {
    fullModelKept: model === undefined,
    way: model ? way : 'frozen',
    message: certificate.message,
    claim,
    sizes: { heads: learned.views, tune: parts.tune.length, certify: parts.certify.length },
    originalMacs: plan.macs,
    meanMacs,
    seen: model?.chosen.risk ?? 0,
    exits: Object.fromEntries(names.map((name, i) => [name, shares[i]!])),
    tried: Object.fromEntries(
      tried.map(({ way: of }) => [of, Math.min(...tried.filter((t) => t.way === of).map((t) => t.found.expectedMacs))]),
    ),
    notes: [
      ...foreign.notes,
      ...learned.notes,
      ...notesOn(kept),
      ...(model && budget !== undefined && meanMacs > budget * plan.macs
        ? [`no point within the budget of ${percent(budget)} of the MACs could be certified; the fastest one is chosen`]
        : []),
    ],
    ...(test ? { test: await compareAnswers(original, foreign, bytes, test, { ...shared, ...told('test') }) } : {}),
  };
  return {
    certificate,
    model,
    candidate: found.model,
    plan: { ...plan, exits: kept },
    bytes,
    held: parts.certify,
    summary,
  };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;

/** The original as it is, in our form. */
const plain = (model: Model, { logits, input }: Foreign): Model => ({
  ...model,
  net: { ...model.net, input, output: logits },
});

interface Learned {
  readonly ways: readonly {
    readonly way: Way;
    /** With an exit at every place that is tried. */
    readonly all: Model;
    /** With exits at some of them. */
    readonly made: (exits: readonly Place[]) => Model;
  }[];
  readonly views: number;
  readonly notes: readonly string[];
}

/** What may be certified: the frozen model first, then what tuning gave. */
async function learn(
  foreign: Foreign,
  { exits }: ExitPlan,
  images: Dataset,
  original: Uint8Array,
  options: AdaptOptions,
): Promise<Learned> {
  const { data, seed = 1, views = 4, session, signal, onProgress } = options;
  const shared = { seed, ...(session ? { session } : {}), ...(signal ? { signal } : {}) };
  const work = new Work(options.work);
  const places = exits.map((e) => [e.name, e.head]);
  const source =
    options.work === undefined ? '' : keyOf(sha256(original), fingerprint(images), images.mean, images.std);
  const onTraining = (stage: AdaptStage) => (p: { step: number; steps: number; loss: number; secondsLeft: number }) =>
    onProgress?.(stage, p.step, p.steps, { loss: p.loss.toFixed(3), left: `${p.secondsLeft.toFixed(0)} s` });

  const rows = await features(foreign, exits, images, {
    ...shared,
    views,
    folder: await work.part('features', keyOf(source, places, views, seed)),
    ...(options.memory === undefined ? {} : { memory: options.memory }),
    onProgress: (done, total) => onProgress?.('features', done, total),
  });
  let heads: ReadonlyMap<string, NDArray>;
  try {
    heads = await trainHeads(exits, rows, {
      ...shared,
      folder: await work.part('heads', keyOf(source, places, views, seed, options.epochs)),
      ...(options.epochs === undefined ? {} : { epochs: options.epochs }),
      onProgress: onTraining('heads'),
    });
  } finally {
    await rows.close();
  }
  const name = options.name ?? 'adapted';
  const { shape, mean, std } = data;
  const common = {
    classes: foreign.classes,
    preprocessing: { shape, scale: data.inputs instanceof Uint8Array ? 1 / 255 : 1, mean, std },
  };
  const modelOf = (net: Net, weights: ReadonlyMap<string, NDArray>): Model => ({
    ...common,
    net,
    weights: new Map(parametersOf(net).map((p) => [p.name, weights.get(p.name)!])),
  });
  const withHeads = (weights: ReadonlyMap<string, NDArray>) => (some: readonly Place[]) =>
    modelOf(withExits(foreign, some, name), weights);
  const asItIs = withHeads(new Map([...foreign.weights, ...heads]));
  const frozen: Model = asItIs(exits);
  const notes = rows.streamed ? ['features were read from disk: they are more than the memory limit'] : [];
  const found: Learned = { ways: [{ way: 'frozen', all: frozen, made: asItIs }], views: rows.rows.length, notes };
  if (!options.tune) return found;

  const settings = options.tune === true ? {} : options.tune;
  const augment = await harmless(foreign, images, shared);
  const labelled = images.classes.length === foreign.classes.length;
  const labels = labelled ? images.labels : await referenceAnswers(foreign, images, shared);
  const tuned = await tune(
    {
      original: { ...plain(frozen, foreign), weights: foreign.weights },
      start: frozen,
      images: { ...images, labels, classes: [...foreign.classes] },
    },
    {
      ...shared,
      ...settings,
      augment,
      folder: await work.part(
        'backbone',
        keyOf(source, places, views, seed, options.epochs, settings, labelled, augment),
      ),
      onProgress: onTraining('backbone'),
    },
  );
  const before = (some: readonly Place[]) => {
    const { net, weights } = beforeOriginal(foreign, some, name, tuned);
    return modelOf(net, weights);
  };
  return {
    ...found,
    ways: [
      ...found.ways,
      ...WAYPOINTS.map((share) => {
        const made = withHeads(between(frozen.weights, tuned, share));
        return { way: 'tuned', all: made(exits), made } as const;
      }),
      { way: 'tuned, then original', all: before(exits), made: before },
    ],
  };
}

function notesOn(exits: readonly Place[]): string[] {
  return exits
    .filter((e) => e.ratio < 20)
    .map(
      (e) =>
        `an exit at "${e.name}" saves about ${e.ratio.toFixed(1)} times what asking costs everyone (20 times is wanted): the model is small, so time may gain less than MACs`,
    );
}
