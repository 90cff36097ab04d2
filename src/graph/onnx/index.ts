export { attributeOf } from './attributes.ts';
export { type DecodeOptions, decodeModel } from './decode.ts';
export { encodeModel } from './encode.ts';
export { externalFolder, readOnnxFile } from './external.ts';
export * from './model.ts';
export { stripDefaults } from './strip.ts';
export type { ExternalReader } from './tensors.ts';
export { forEachNode, nestingDepth, subgraphsOf } from './walk.ts';
