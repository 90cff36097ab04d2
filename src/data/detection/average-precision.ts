import { DynaError } from '../../errors.ts';
import { type Detection, iou, type LabelledBox } from './box.ts';

/** One image: what stands in it, and what a detector found. */
export interface DetectedImage {
  readonly truths: readonly LabelledBox[];
  readonly detections: readonly Detection[];
}

/** A detector's precision after each of its detections, the surest first. */
export interface PrecisionPoint {
  readonly score: number;
  /** Share of the objects that were found. */
  readonly recall: number;
  /** Share of the detections that are objects. */
  readonly precision: number;
}

export interface ClassPrecision {
  /** Area under the precision-recall curve, 0 to 1; undefined where no object of the class stands in any image. */
  readonly ap: number | undefined;
  readonly objects: number;
  readonly detections: number;
  readonly curve: readonly PrecisionPoint[];
}

export interface MeanPrecision {
  /** The mean over the classes that have objects; 0 where there are none. */
  readonly map: number;
  readonly classes: readonly ClassPrecision[];
}

export interface PrecisionOptions {
  readonly classes: number;
  /** A detection is right when it overlaps an object of its class by at least this (IoU); 0.5 by default. */
  readonly overlap?: number;
}

/**
 * Mean average precision as PASCAL VOC defines it from 2010 on (Everingham et al. 2010): detections of a class over all
 * images, the surest first; each claims the object that it overlaps most, and is right when the overlap is enough and
 * nobody surer claimed that object. The curve's precision at a recall is the best at that recall or beyond, and the
 * area under it is exact, not sampled.
 *
 * @throws DynaError 'usage' for an overlap outside of (0, 1]; 'data' for labels that are no class and scores that are no
 *   numbers
 * @example meanAveragePrecision([{ truths, detections }], { classes: 3 }).map
 */
export function meanAveragePrecision(
  images: readonly DetectedImage[],
  { classes, overlap = 0.5 }: PrecisionOptions,
): MeanPrecision {
  if (!(overlap > 0 && overlap <= 1))
    throw new DynaError('usage', `an overlap above 0 and up to 1 is expected, got ${overlap}`);
  for (const { truths, detections } of images) {
    const strange = [...truths, ...detections].find(({ label: l }) => !Number.isInteger(l) || l < 0 || l >= classes);
    if (strange) throw new DynaError('data', `a box has label ${strange.label}: expected 0 to ${classes - 1}`);
    if (detections.some((d) => Number.isNaN(d.score))) throw new DynaError('data', 'the score of a detection is NaN');
  }
  const each = Array.from({ length: classes }, (_, label) => classPrecision(images, label, overlap));
  const known = each.flatMap(({ ap }) => (ap === undefined ? [] : [ap]));
  return { map: known.length === 0 ? 0 : known.reduce((a, b) => a + b, 0) / known.length, classes: each };
}

function classPrecision(images: readonly DetectedImage[], label: number, overlap: number): ClassPrecision {
  const objects = images.reduce((sum, { truths }) => sum + truths.filter((t) => t.label === label).length, 0);
  const claimed = new Set<LabelledBox>();
  const all = images
    .flatMap(({ truths, detections }) => detections.filter((d) => d.label === label).map((box) => ({ box, truths })))
    .sort((a, b) => b.box.score - a.box.score);
  let right = 0;
  const curve = all.map(({ box, truths }, i): PrecisionPoint => {
    const own = truths.filter((t) => t.label === label);
    const best = own.reduce<LabelledBox | undefined>((a, b) => (a && iou(a, box) >= iou(b, box) ? a : b), undefined);
    if (best && iou(best, box) >= overlap && !claimed.has(best)) {
      claimed.add(best);
      right++;
    }
    return { score: box.score, recall: objects === 0 ? 0 : right / objects, precision: right / (i + 1) };
  });
  return { ap: objects === 0 ? undefined : areaUnder(curve), objects, detections: all.length, curve };
}

/** The area under the curve whose precision at each recall is the best from there on. */
function areaUnder(curve: readonly PrecisionPoint[]): number {
  let [area, best] = [0, 0];
  for (let i = curve.length - 1; i >= 0; i--) {
    best = Math.max(best, curve[i]!.precision);
    area += best * (curve[i]!.recall - (curve[i - 1]?.recall ?? 0));
  }
  return area;
}

/**
 * The recall that a detector reaches while its precision is at least `precision`: the largest on the curve, 0 where none is.
 *
 * @example recallAt(classes[0].curve, 0.9)
 */
export const recallAt = (curve: readonly PrecisionPoint[], precision: number): number =>
  curve.reduce((best, p) => (p.precision >= precision ? Math.max(best, p.recall) : best), 0);
