import { DynaError } from '../../errors.ts';
import { type Dataset, dataset, subset } from '../dataset.ts';
import { areaOf, type LabelledBox } from './box.ts';

/** Images with boxes. As a `Dataset` it has no labels: an image is of no class, its objects are. */
export interface DetectionSet extends Dataset {
  /** The names of the objects' classes. */
  readonly objectClasses: readonly string[];
  /** For each image what stands in it, in pixels of the images as they lie here. */
  readonly boxes: readonly (readonly LabelledBox[])[];
}

export interface DetectionSetInit {
  readonly name?: string;
  /** Images one after another, channel by channel, row by row. */
  readonly inputs: Uint8Array | Float32Array;
  /** [channels, height, width] of every image. */
  readonly shape: readonly [channels: number, height: number, width: number];
  readonly boxes: readonly (readonly LabelledBox[])[];
  readonly objectClasses: readonly string[];
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
}

/**
 * A checked detection set of what is in memory. Batches come from `loader` as for any set; their `indices` name the boxes.
 * The loader's random changes move pixels and not boxes, so leave them off here.
 *
 * @throws DynaError 'data' where boxes and images differ in number, a label is no class, or a box is empty, no number, or
 *   reaches out of its image
 * @example detectionSet({ inputs, shape: [3, 240, 320], boxes, objectClasses: ['red cell', 'white cell', 'platelet'] })
 */
export function detectionSet(init: DetectionSetInit): DetectionSet {
  const { name = 'detections', inputs, shape, boxes, objectClasses, mean, std } = init;
  const images = dataset({ name, inputs, shape, ...(mean ? { mean } : {}), ...(std ? { std } : {}) });
  if (boxes.length !== images.length)
    throw new DynaError('data', `${name} has ${images.length} images but boxes for ${boxes.length}`);
  const [, height, width] = shape;
  for (const [i, list] of boxes.entries())
    for (const box of list) {
      if (!Number.isInteger(box.label) || box.label < 0 || box.label >= objectClasses.length)
        throw new DynaError(
          'data',
          `a box of image ${i} in ${name} has label ${box.label}: expected 0 to ${objectClasses.length - 1}`,
        );
      const inside = box.left >= 0 && box.top >= 0 && box.right <= width && box.bottom <= height;
      if (!(inside && areaOf(box) > 0))
        throw new DynaError(
          'data',
          `a box of image ${i} in ${name} is [${box.left}, ${box.top}, ${box.right}, ${box.bottom}]: expected [left, top, right, bottom] with an area, inside ${width} x ${height}`,
        );
    }
  return { ...images, objectClasses: [...objectClasses], boxes };
}

/**
 * The images with these numbers, in this order, with their boxes.
 *
 * @throws DynaError 'data' when there are none or one is out of range
 * @example const train = detectionSubset(all, [0, 2, 4])
 */
export function detectionSubset(set: DetectionSet, indices: ArrayLike<number>, name = set.name): DetectionSet {
  const images = subset(set, indices, name);
  return { ...images, objectClasses: set.objectClasses, boxes: Array.from(indices, (i) => set.boxes[i]) };
}
