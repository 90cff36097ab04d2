import { DynaError } from '../../errors.ts';
import { type Detection, iou } from './box.ts';

export interface NmsOptions {
  /** Of two boxes that overlap by more than this, the less sure goes; 0.5 by default. */
  readonly overlap?: number;
  /** Boxes of different classes leave each other alone; on by default. */
  readonly perClass?: boolean;
}

/**
 * Non-maximum suppression: of boxes on one object the surest stays. Of equal scores the first stays.
 *
 * @returns those that stay, the surest first
 * @throws DynaError 'usage' for an overlap outside 0 to 1
 * @example nms(decodeMaps(maps, geometry), { overlap: 0.6 })
 */
export function nms(
  detections: readonly Detection[],
  { overlap = 0.5, perClass = true }: NmsOptions = {},
): Detection[] {
  if (!(overlap >= 0 && overlap <= 1))
    throw new DynaError('usage', `an overlap from 0 to 1 is expected, got ${overlap}`);
  const kept: Detection[] = [];
  for (const box of [...detections].sort((a, b) => b.score - a.score)) {
    const hidden = kept.some((k) => (!perClass || k.label === box.label) && iou(k, box) > overlap);
    if (!hidden) kept.push(box);
  }
  return kept;
}
