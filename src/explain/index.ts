/** Why a decision fell as it did: gradients as ONNX graphs, RISE, and the checks that tell a map from a picture. */
export * from './algorithms.ts';
export { type Explainable, type Explained, explainable } from './explainable.ts';
export { FILE_ANSWER, readExplainable } from './from-file.ts';
export {
  CLASS_INPUT,
  decisionGradient,
  type GradientGraph,
  type GradientOptions,
  SALIENCY_KEY,
  type Target,
} from './gradient.ts';
export {
  layersBefore,
  type RandomisationOptions,
  type RandomLayer,
  randomisationCheck,
  randomised,
} from './randomise.ts';
