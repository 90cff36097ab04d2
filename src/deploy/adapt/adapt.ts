import type { Dataset } from '../../data/index.ts';
import {
  type Certificate,
  type CertifiedModel,
  decisionsOf,
  FINAL,
  isExit,
  type Model,
  needsLabels,
} from '../../dynamic/index.ts';
import { DynaError } from '../../errors.ts';
import { toBytes } from '../save.ts';
import { type Claim, prove, type Referred } from './against.ts';
import { checkApart } from './apart.ts';
import { choose, worthwhile } from './choose.ts';
import { type Compared, compareAnswers } from './compare.ts';
import { checkFaithful } from './faithful.ts';
import { readForeign } from './foreign.ts';
import { learn, plain } from './learn.ts';
import type { AdaptOptions, AdaptStage, Way } from './options.ts';
import { checkFits, claimOf, labelsFit, namesFit, partsOf } from './parts.ts';
import { type ExitPlan, type Place, planExits } from './plan.ts';
import { gains, meanTimes, overall, type Promised, type TimeShares } from './promise.ts';
import { fileAnswers } from './reference.ts';
import { takeTimes } from './stopwatch.ts';
import type { Times } from './times.ts';
import { batchFor } from './tune.ts';
import { workOn } from './work.ts';

export interface AdaptSummary {
  /** True where no faster point could be certified, or none that saves time beyond noise: `bytes` has no exits then. */
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
  /** Its mean time there as a share of the original's, by batch size, as the times of its parts promise; absent by MACs. */
  readonly meanTimes?: TimeShares;
  /** Disagreement (or harm, or loss) that was seen on the certify part. */
  readonly seen: number;
  /** Where inputs leave, by exit, "final" last. */
  readonly exits: Readonly<Record<string, number>>;
  readonly selectedBy: 'time' | 'macs';
  /** What the tune part promised for each way that was tried; the first of the best was certified. */
  readonly tried: Readonly<Partial<Record<Way, Promised>>>;
  /** What each exit that was tried saves and costs alone, where the choice went by time. */
  readonly exitTimes?: Readonly<Record<string, readonly Times[]>>;
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
  const foreign = readForeign(original, options);
  for (const set of [data, train, test])
    if (set) {
      checkFits(foreign, set);
      namesFit(foreign, set);
    }
  if (needsLabels(claim.risk)) labelsFit(foreign, data);
  if (options.skips && !options.tune)
    throw new DynaError('usage', 'skips were asked for without tune', {
      fix: 'a finished model has no block that it can do without: gates need its weights trained too',
    });
  const plan = planExits(foreign, options);
  options.onPlan?.(plan);
  const twice = checkApart(data, { train, test });
  const parts = partsOf(data, train, claim, seed);
  const shared = { ...(session ? { session } : {}), ...(signal ? { signal } : {}) };
  const told = (stage: AdaptStage) => ({
    ...(session ? { session } : {}),
    ...batchFor(data),
    onProgress(done: number, total: number) {
      signal?.throwIfAborted();
      onProgress?.(stage, done, total);
    },
  });
  await checkFaithful(original, foreign, parts.heads, session);

  const work = workOn(options.work, original, parts.heads);
  const learned = await learn(foreign, plan, parts.heads, work, options);
  const unchanged = plain(learned.ways[0]!.all, foreign);
  // The file itself is asked, not what was read from it: it may compute in 16 bits.
  const refer = async (images: Dataset): Promise<Referred> => ({
    images,
    reference: await fileAnswers(original, foreign, images, shared),
  });
  const tuning = await refer(parts.tune);
  const times = await takeTimes(learned, plan, unchanged, parts.tune, work, options);
  const { best, tried } = await choose(learned, plan, tuning, claim, times, told('tune'));
  const { way, found, exits: kept, ways } = best;
  const proven = await prove(found, await refer(parts.certify), claim, plan.macs, {
    ...told('certify'),
    ...(budget === undefined ? {} : { budget }),
    ...(ways
      ? {
          price: ({ shares: of }) => overall(meanTimes(ways, of)),
          pays: ({ shares: of }) => gains(meanTimes(ways, of)),
        }
      : {}),
  });

  const { certificate, model, meanMacs, meanTimes: expected } = worthwhile(proven, best, plan.macs);
  const about = { way: model ? way : 'frozen', ...claim, certificate: certificate.message };
  const io = {
    names: foreign.names,
    output: foreign.output,
    layout: foreign.layout,
    metadata: { ...foreign.metadata, 'dynaneural.adapted': JSON.stringify(about) },
  };
  const bytes = toBytes(model ?? unchanged, io);
  const names = model ? [...decisionsOf(model.net).flatMap((d) => (isExit(d) ? d.name : [])), FINAL] : [FINAL];
  const shares = model?.chosen.shares ?? [1];
  const summary: AdaptSummary = {
    fullModelKept: model === undefined,
    way: model ? way : 'frozen',
    message: certificate.message,
    claim,
    sizes: { heads: learned.views, tune: parts.tune.length, certify: parts.certify.length },
    originalMacs: plan.macs,
    meanMacs,
    ...(expected ? { meanTimes: expected } : {}),
    seen: model?.chosen.risk ?? 0,
    exits: Object.fromEntries(names.map((name, i) => [name, shares[i]!])),
    selectedBy: times ? 'time' : 'macs',
    tried,
    ...(times ? { exitTimes: Object.fromEntries(plan.exits.map((e, k) => [e.exit!, times.exits[k]!])) } : {}),
    notes: [
      ...foreign.notes,
      ...twice,
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
    held: parts.held,
    summary,
  };
}

const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;

function notesOn(exits: readonly Place[]): string[] {
  return exits
    .filter((e) => e.ratio < 20)
    .map(
      (e) =>
        `an exit at "${e.name}" saves about ${e.ratio.toFixed(1)} times what asking costs everyone (20 times is wanted): the model is small, so time may gain less than MACs`,
    );
}
