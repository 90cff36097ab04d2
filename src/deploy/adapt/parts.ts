import { type Dataset, dataset, splitDataset } from '../../data/index.ts';
import { isSigned, needsLabels, type Risk, zeroLossSampleSize, zeroSignedLossSampleSize } from '../../dynamic/index.ts';
import { DynaError } from '../../errors.ts';
import { formatShape, sameShape } from '../../graph/index.ts';
import type { Claim } from './claim.ts';
import { type Foreign, itemShape } from './foreign.ts';
import type { AdaptOptions } from './options.ts';

/** What is claimed, of the ways to say it. @throws DynaError 'usage' for none or several */
export function claimOf({
  maxDisagreement,
  maxHarm,
  maxLoss,
  delta = 0.1,
}: {
  readonly maxDisagreement?: number;
  readonly maxHarm?: number;
  readonly maxLoss?: number;
  readonly delta?: number;
}): Claim {
  const bounds = { disagreement: maxDisagreement, harm: maxHarm, loss: maxLoss };
  const given = (Object.keys(bounds) as Risk[]).filter((risk) => bounds[risk] !== undefined);
  const [risk] = given;
  if (risk === undefined || given.length > 1)
    throw new DynaError('usage', 'give one of maxDisagreement, maxHarm and maxLoss', {
      fix: 'disagreement needs no labels; harm counts wrong answers only where the original is right; loss sets right ones off against them',
    });
  return { risk, epsilon: bounds[risk]!, delta };
}

/** @throws DynaError 'usage' for options that contradict each other, or that there are not */
export function checkOptions({ data, selectBy, skips, tune }: AdaptOptions): void {
  if (!(data as Dataset | undefined)?.inputs)
    throw new DynaError('usage', 'adapt needs typical inputs', {
      fix: "give them as `data`: await imageFolder('photos', { size: [224, 224] }), say; no labels needed",
    });
  if (selectBy !== undefined && selectBy !== 'time' && selectBy !== 'macs')
    throw new DynaError('usage', `selectBy is 'time' or 'macs', got ${JSON.stringify(selectBy)}`);
  if (skips && !tune)
    throw new DynaError('usage', 'skips were asked for without tune', {
      fix: 'a finished model has no block that it can do without: gates need its weights trained too',
    });
}

/** @throws DynaError 'data' for images that the model does not take */
export function checkFits(foreign: Foreign, { name, shape, length }: Dataset): void {
  const wanted = itemShape(foreign);
  if (length === 0) throw new DynaError('data', `${name} is empty`);
  if (!sameShape(wanted, shape))
    throw new DynaError(
      'data',
      `the model takes images ${formatShape(wanted)}, those of ${name} are ${formatShape(shape)}`,
      { fix: 'channels come first: [C, H, W]; give images of that size' },
    );
}

/** @throws DynaError 'data' for labels that are not there, not the model's, or all alike */
export function labelsFit({ classes }: Foreign, { name, labels, classes: own }: Dataset): void {
  if (own.length === 0)
    throw new DynaError('data', `harm and loss are counted on labels, and ${name} has none`, {
      fix: 'give labels, or bound the disagreement instead',
    });
  if (own.length !== classes.length)
    throw new DynaError('data', `${name} has ${own.length} classes, the model answers with ${classes.length}`);
  if (labels.every((l) => l === labels[0]))
    throw new DynaError('data', `all ${labels.length} images of ${name} are of the class "${own[labels[0]!]}"`, {
      fix: 'give images of several classes, as the model will see them',
    });
}

/** Classes by name, where both sides name them: in another order, labels would mean other classes. @throws DynaError 'data' */
export function namesFit({ classes }: Foreign, { name, classes: own }: Dataset): void {
  const named = [own, classes].every((names) => names.some((n, k) => n !== String(k)));
  const other = own.findIndex((n, k) => n !== classes[k]);
  if (own.length !== classes.length || !named || other < 0) return;
  throw new DynaError('data', `class ${other} is "${own[other]}" in ${name} and "${classes[other]}" in the model`, {
    fix: "bring labels into the model's order, and give the data the model's names: readForeign(bytes).classes",
  });
}

const share = (part: number): string => (part === 0.3 ? 'three tenths' : 'six tenths');

/**
 * Half for the heads, a fifth to tune, the rest to certify; where there are other images to learn from, four and six tenths.
 * Refuses too few before any work is done. `held` is the certify part with its labels.
 */
export function partsOf(data: Dataset, train: Dataset | undefined, { risk, epsilon, delta }: Claim, seed: number) {
  const least = (isSigned(risk) ? zeroSignedLossSampleSize : zeroLossSampleSize)({ epsilon, delta });
  const part = train ? 0.6 : 0.3;
  const certify = Math.round(part * data.length);
  if (certify < least || data.length < 20) {
    const needed = Math.max(20, Math.ceil((least - 0.5) / part));
    const one = needsLabels(risk) ? `show ${risk}` : 'disagree';
    throw new DynaError(
      'certificate',
      `a ${risk} of at most ${Number((100 * epsilon).toPrecision(3))} % at delta ${delta} takes at least ${least} images to certify, and then none may ${one}; ${share(part)} of ${data.length} are ${certify}`,
      { fix: `give at least ${needed} images, better several times as many, or allow more ${risk}` },
    );
  }
  const parts = train
    ? { heads: train, ...splitDataset(data, { parts: { tune: 'rest', certify }, seed }) }
    : splitDataset(data, { parts: { heads: 'rest', tune: 0.2, certify }, seed });
  // Disagreement is without labels: where there are some, they have no say in it.
  const used = needsLabels(risk) ? (ds: Dataset) => ds : unlabelled;
  return { heads: used(parts.heads), tune: used(parts.tune), certify: used(parts.certify), held: parts.certify };
}

const unlabelled = ({ inputs, shape, mean, std, name }: Dataset): Dataset =>
  dataset({ inputs, shape, mean, std, name });
