import type { Tensor } from 'dynaneural';
import {
  type DetectionMaps,
  type DetectionSet,
  type DetectionTargets,
  encodeTargets,
  type MapGeometry,
} from 'dynaneural/data';
import { add, mul, type NDArray, split } from 'dynaneural/graph';
import { heatLoss, maskedL1 } from 'dynaneural/nn';
import type { Target, Task } from 'dynaneural/train';
import { STRIDE } from './detector.ts';

/** How the maps of a set lie over its images. */
export const geometryOf = ({ objectClasses, shape }: Pick<DetectionSet, 'objectClasses' | 'shape'>): MapGeometry => ({
  classes: objectClasses.length,
  stride: STRIDE,
  size: [shape[1]! / STRIDE, shape[2]! / STRIDE],
});

/** The share of extents, which are counted in cells, in the loss (Zhou et al. 2019, section 3). */
const EXTENT_WEIGHT = 0.1;

/** Centres, extents and offsets of a set's objects, from one answer that holds them in this order. */
export function detection(set: DetectionSet): Task {
  const geometry = geometryOf(set);
  const maps = set.boxes.map((boxes) => encodeTargets(boxes, geometry));
  const target = (layers: number, of: keyof DetectionTargets): Target => ({
    shape: [layers, ...geometry.size],
    of: (item) => maps[item]![of],
  });
  const { classes } = geometry;
  return {
    name: 'detection',
    targets: {
      heat: target(classes, 'heat'),
      extent: target(2, 'extent'),
      offset: target(2, 'offset'),
      mask: target(1, 'mask'),
    },
    loss(answer: Tensor, { targets: { heat, extent, offset, mask } }) {
      const [heats, extents, offsets] = split(answer, [classes, 2, 2], 1) as [Tensor, Tensor, Tensor];
      const places = add(mul(maskedL1(extents, extent!, mask!), EXTENT_WEIGHT), maskedL1(offsets, offset!, mask!));
      return add(heatLoss(heats, heat!), places);
    },
  };
}

/** The maps in row `row` of an answer. */
export function mapsOf({ data }: NDArray, { classes, size }: MapGeometry, row: number): DetectionMaps {
  const plane = size[0] * size[1];
  const from = row * (classes + 4) * plane;
  const part = (start: number, layers: number): Float32Array =>
    (data as Float32Array).slice(from + start * plane, from + (start + layers) * plane);
  return {
    heat: part(0, classes).map((logit) => 1 / (1 + Math.exp(-logit))),
    extent: part(classes, 2),
    offset: part(classes + 2, 2),
  };
}
