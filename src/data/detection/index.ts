/** Boxes, the maps that an anchor-free detector learns, and how well it finds what is there. */
export {
  type ClassPrecision,
  type DetectedImage,
  type MeanPrecision,
  meanAveragePrecision,
  type PrecisionOptions,
  type PrecisionPoint,
  recallAt,
} from './average-precision.ts';
export { areaOf, type Box, type Detection, iou, type LabelledBox, scaleBox } from './box.ts';
export {
  type DecodeOptions,
  type DetectionMaps,
  type DetectionTargets,
  decodeMaps,
  encodeTargets,
  type MapGeometry,
  spotRadius,
  type TargetOptions,
} from './maps.ts';
export { type NmsOptions, nms } from './nms.ts';
export { type DetectionSet, type DetectionSetInit, detectionSet, detectionSubset } from './set.ts';
