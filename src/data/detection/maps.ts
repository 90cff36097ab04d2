import { DynaError } from '../../errors.ts';
import { areaOf, type Detection, type LabelledBox } from './box.ts';

/** How the maps of an anchor-free detector lie over its image. */
export interface MapGeometry {
  readonly classes: number;
  /** Pixels of the image for one cell of the maps. */
  readonly stride: number;
  /** [height, width] of the maps: the image's, divided by the stride. */
  readonly size: readonly [height: number, width: number];
}

/** What a detector predicts for one image, and what it should: maps of the geometry's size, row by row. */
export interface DetectionMaps {
  /** [classes, h, w]: how likely an object of the class has its centre in the cell, 0 to 1. */
  readonly heat: Float32Array;
  /** [2, h, w]: width and height of the object, in cells. */
  readonly extent: Float32Array;
  /** [2, h, w]: x and y of the centre inside of its cell, 0 to 1. */
  readonly offset: Float32Array;
}

/** Maps to train on. */
export interface DetectionTargets extends DetectionMaps {
  /** [1, h, w]: 1 in cells that hold a centre, where extent and offset are known; else 0. */
  readonly mask: Float32Array;
}

export interface TargetOptions {
  /** A box that is moved by the radius of its spot still overlaps itself by so much (IoU); 0.7 by default. */
  readonly minOverlap?: number;
}

function checkGeometry({ classes, stride, size }: MapGeometry): void {
  const whole = [classes, ...size].every((v) => Number.isInteger(v) && v >= 1);
  if (!whole || !(stride > 0 && Number.isFinite(stride)))
    throw new DynaError(
      'usage',
      `detection maps need whole numbers of classes, rows and columns from 1 on and a stride above 0, got ${classes} classes, ${size.join(' x ')} cells, stride ${stride}`,
    );
}

/**
 * How far the centre of a box may be off, on both axes at once, so that it still overlaps itself by `overlap` (IoU):
 * (w - r)(h - r) = 2 o / (1 + o) w h, solved for r.
 *
 * @returns in the unit of width and height
 * @example spotRadius(10, 10, 0.7) // 0.93
 */
export function spotRadius(width: number, height: number, overlap: number): number {
  const sum = width + height;
  return (sum - Math.sqrt(sum * sum - (4 * width * height * (1 - overlap)) / (1 + overlap))) / 2;
}

/**
 * The maps that a detector should predict for the boxes of an image: a Gaussian spot around each centre, the largest
 * where spots meet; extent and offset at the centres (CenterNet; Zhou et al. 2019, arXiv:1904.07850). Of boxes with their
 * centres in one cell the smallest is learned. Boxes without area, or with their centre outside, are left out.
 *
 * @throws DynaError 'usage' for an impossible geometry, 'data' for a label that is no class
 * @example const { heat, extent, offset, mask } = encodeTargets(boxes, { classes: 3, stride: 4, size: [60, 80] })
 */
export function encodeTargets(
  boxes: readonly LabelledBox[],
  geometry: MapGeometry,
  { minOverlap = 0.7 }: TargetOptions = {},
): DetectionTargets {
  checkGeometry(geometry);
  if (!(minOverlap > 0 && minOverlap < 1))
    throw new DynaError('usage', `an overlap between 0 and 1 is expected, got ${minOverlap}`);
  const { classes, stride, size } = geometry;
  const [height, width] = size;
  const plane = height * width;
  const maps: DetectionTargets = {
    heat: new Float32Array(classes * plane),
    extent: new Float32Array(2 * plane),
    offset: new Float32Array(2 * plane),
    mask: new Float32Array(plane),
  };
  // The smallest comes last, so that it keeps the cell.
  for (const box of [...boxes].sort((a, b) => areaOf(b) - areaOf(a))) {
    if (!Number.isInteger(box.label) || box.label < 0 || box.label >= classes)
      throw new DynaError('data', `a box has label ${box.label}: expected 0 to ${classes - 1}`);
    const [w, h] = [(box.right - box.left) / stride, (box.bottom - box.top) / stride];
    const [x, y] = [(box.left + box.right) / 2 / stride, (box.top + box.bottom) / 2 / stride];
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (!(w > 0 && h > 0 && column >= 0 && row >= 0 && column < width && row < height)) continue;
    addSpot(
      maps.heat.subarray(box.label * plane, (box.label + 1) * plane),
      size,
      [row, column],
      spotRadius(w, h, minOverlap),
    );
    const cell = row * width + column;
    maps.extent[cell] = w;
    maps.extent[plane + cell] = h;
    maps.offset[cell] = x - column;
    maps.offset[plane + cell] = y - row;
    maps.mask[cell] = 1;
  }
  return maps;
}

/** exp(-d^2 / 2 s^2) around a cell, within whole cells of the radius; s is a sixth of the spot's diameter (Law & Deng 2018). */
function addSpot(
  heat: Float32Array,
  [height, width]: readonly [number, number],
  [row, column]: readonly [number, number],
  radius: number,
): void {
  const reach = Math.max(0, Math.floor(radius));
  const variance = ((2 * reach + 1) / 6) ** 2;
  for (let i = Math.max(0, row - reach); i <= Math.min(height - 1, row + reach); i++)
    for (let j = Math.max(0, column - reach); j <= Math.min(width - 1, column + reach); j++) {
      const at = i * width + j;
      const value = Math.exp(-((i - row) ** 2 + (j - column) ** 2) / (2 * variance));
      heat[at] = Math.max(heat[at]!, value);
    }
}

export interface DecodeOptions {
  /** Peaks lower than this are no objects; 0.1 by default. */
  readonly threshold?: number;
  /** At most so many, the surest; 100 by default. */
  readonly limit?: number;
}

/**
 * The boxes that maps stand for: cells that no neighbour (of 8) exceeds, in the map of each class. Of equal neighbours the
 * first by row and column counts.
 *
 * @returns detections, the surest first
 * @throws DynaError 'usage' for an impossible geometry, 'data' where a map has another size
 * @example const found = nms(decodeMaps(maps, { classes: 3, stride: 4, size: [60, 80] }, { threshold: 0.3 }))
 */
export function decodeMaps(
  { heat, extent, offset }: DetectionMaps,
  geometry: MapGeometry,
  { threshold = 0.1, limit = 100 }: DecodeOptions = {},
): Detection[] {
  checkGeometry(geometry);
  const { classes, stride, size } = geometry;
  const [height, width] = size;
  const plane = height * width;
  for (const [name, map, layers] of [
    ['heat', heat, classes],
    ['extent', extent, 2],
    ['offset', offset, 2],
  ] as const)
    if (map.length !== layers * plane)
      throw new DynaError(
        'data',
        `the map "${name}" has ${map.length} values, expected ${layers} x ${height} x ${width}`,
      );
  const found: Detection[] = [];
  for (let label = 0; label < classes; label++) {
    const layer = heat.subarray(label * plane, (label + 1) * plane);
    for (let cell = 0; cell < plane; cell++) {
      const score = layer[cell]!;
      if (!(score >= threshold) || !isPeak(layer, size, cell)) continue;
      const x = ((cell % width) + offset[cell]!) * stride;
      const y = (Math.floor(cell / width) + offset[plane + cell]!) * stride;
      const [w, h] = [Math.max(0, extent[cell]!) * stride, Math.max(0, extent[plane + cell]!) * stride];
      found.push({ label, score, left: x - w / 2, top: y - h / 2, right: x + w / 2, bottom: y + h / 2 });
    }
  }
  return found.sort((a, b) => b.score - a.score).slice(0, limit);
}

function isPeak(layer: Float32Array, [height, width]: readonly [number, number], cell: number): boolean {
  const [row, column] = [Math.floor(cell / width), cell % width];
  for (let i = Math.max(0, row - 1); i <= Math.min(height - 1, row + 1); i++)
    for (let j = Math.max(0, column - 1); j <= Math.min(width - 1, column + 1); j++) {
      const other = i * width + j;
      if (layer[other]! > layer[cell]! || (other < cell && layer[other] === layer[cell])) return false;
    }
  return true;
}
