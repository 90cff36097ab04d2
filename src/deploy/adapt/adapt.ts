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
import { readOnnxFile } from '../../graph/index.ts';
import { toBytes } from '../save.ts';
import { choose, worthwhile } from './choose.ts';
import { goalOf, type Referred } from './claim.ts';
import { compareAnswers } from './compare.ts';
import { gains, meanTimes, overall } from './expected.ts';
import { checkFaithful } from './faithful.ts';
import { readForeign } from './foreign.ts';
import { checkLeakage } from './leakage.ts';
import { learn, plain } from './learn.ts';
import type { AdaptOptions, AdaptStage } from './options.ts';
import { checkFits, checkOptions, claimOf, labelsFit, namesFit, partsOf } from './parts.ts';
import { type ExitPlan, planExits } from './plan.ts';
import { prove } from './prove.ts';
import { fileAnswers } from './reference.ts';
import { batchOf } from './sizes.ts';
import { checkStated } from './stated.ts';
import { fileTimes, takeTimes } from './stopwatch.ts';
import { type AdaptSummary, claimText, mostlyOne, notesOn, percent } from './summary.ts';
import { claimedBefore, workOn } from './work.ts';

export interface Adapted {
  readonly certificate: Certificate;
  /** The certified model with its exits; undefined where the full model was kept. */
  readonly model: CertifiedModel | undefined;
  /** The model with exits that was put to the test, whether or not something could be certified. */
  readonly candidate: Model;
  readonly plan: ExitPlan;
  /** One ordinary ONNX file with the original's names, class order and output meaning; the original where that is kept. */
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
 * @param source the ONNX file: its path, or its content
 * @throws DynaError 'model' for what is no image classifier, 'data' for images that do not fit it or that are normalised
 *   otherwise than its metadata say, 'certificate' for too few images, with the number that it takes
 * @example const { bytes, summary } = await adapt('resnet.onnx', { data, maxDisagreement: 0.005 })
 */
export async function adapt(source: Uint8Array | string, options: AdaptOptions): Promise<Adapted> {
  const { data, train, test, seed = 1, session, signal, onProgress, budget } = options;
  checkOptions(options);
  const claim = claimOf(options);
  const original = typeof source === 'string' ? readOnnxFile(source) : source;
  const foreign = readForeign(original, options);
  for (const set of [data, train, test])
    if (set) {
      checkFits(foreign, set);
      checkStated(foreign, set);
      namesFit(foreign, set);
    }
  if (needsLabels(claim.risk)) labelsFit(foreign, data);
  const plan = planExits(foreign, options);
  options.onPlan?.(plan);
  const remarks = checkLeakage(data, { train, test });
  const parts = partsOf(data, train, claim, seed);
  const shared = { ...(session ? { session } : {}), ...(signal ? { signal } : {}) };
  const told = (stage: AdaptStage) => ({
    ...(session ? { session } : {}),
    batch: batchOf(data),
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
  const goal = goalOf(claim, parts.certify.length);
  const { best, tried } = await choose(learned, plan, tuning, goal, times, told('tune'));
  const { way, found, exits: kept, ways } = best;
  const earlier = await claimedBefore(options.work, original, data, claimText(claim, options));
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

  const fileOf = (model: Model): Uint8Array => {
    const about = { way, ...claim, certificate: proven.certificate.message };
    const metadata = { ...foreign.metadata, 'dynaneural.adapted': JSON.stringify(about) };
    return toBytes(model, { names: foreign.names, output: foreign.output, layout: foreign.layout, metadata });
  };
  const promised = ways && proven.shares && meanTimes(ways, proven.shares);
  const hopeful = worthwhile(proven, promised, 'expected', plan.macs);
  const file = hopeful.model && fileOf(hopeful.model);
  const measured =
    file && ways && !options.machine ? await fileTimes(original, foreign, file, parts.tune, work, options) : undefined;
  const { certificate, model, meanMacs } = worthwhile(hopeful, measured, 'measured', plan.macs);
  const bytes = model ? file! : original;
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
    ...(model ? { seen: model.chosen.risk } : {}),
    ...(model && promised ? { meanTimes: promised } : {}),
    ...(measured ? { fileTimes: measured } : {}),
    exits: Object.fromEntries(names.map((name, i) => [name, shares[i]!])),
    selectedBy: times ? 'time' : 'macs',
    tried,
    ...(times ? { exitTimes: Object.fromEntries(plan.exits.map((e, k) => [e.exit!, times.exits[k]!])) } : {}),
    notes: [
      ...(model ? foreign.notes : []),
      ...remarks,
      ...mostlyOne(tuning, foreign),
      ...learned.notes,
      ...(model ? notesOn(kept) : []),
      ...(model && budget !== undefined && meanMacs > budget * plan.macs
        ? [`no point within the budget of ${percent(budget)} of the MACs could be certified; the fastest one is chosen`]
        : []),
      ...(earlier.length > 0
        ? [
            `other claims were put to the test on the same images before (${earlier.join('; ')}): each holds with its own confidence, but not the best of them`,
          ]
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
