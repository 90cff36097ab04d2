/** Models as files: one ordinary ONNX file each, with a card that says what it is, and a loader with a budget knob. */
export {
  type Adapted,
  type AdaptOptions,
  type AdaptStage,
  type AdaptSummary,
  adapt,
  compareTimes,
  type ExitPlan,
  type Foreign,
  planExits,
  readForeign,
  statedPixels,
} from './adapt/index.ts';
export type { ModelAnswer } from './answers.ts';
export { CARD_KEY, type CardCertificate, type ModelCard, SCHEMA, type TensorNames } from './card.ts';
export type { Images } from './images.ts';
export { type DriftOptions, type LoadedModel, type LoadOptions, load, type RunResult } from './load.ts';
export type { OutputMeaning } from './meaning.ts';
export { type Contenders, type Measured, type MeasureOptions, measure, type Times } from './measure.ts';
export type { BudgetOptions, UsedPoint } from './operating.ts';
export { readCard } from './read-card.ts';
export { type SaveOptions, save, toBytes } from './save.ts';
