export { type DType, type NDArray, ndarray, sizeOf, type TypedArray, toNumbers } from './array.ts';
export { gradients } from './differentiate.ts';
export { interceptParams, type ParamHook } from './intercept.ts';
export * from './onnx/index.ts';
export * from './ops/control.ts';
export * from './ops/conv.ts';
export * from './ops/conv-gradient.ts';
export * from './ops/elementwise.ts';
export * from './ops/indexing.ts';
export * from './ops/leaf.ts';
export * from './ops/linear.ts';
export * from './ops/more.ts';
export * from './ops/norm.ts';
export * from './ops/pool.ts';
export * from './ops/reduce.ts';
export * from './ops/reshape.ts';
export * from './ops/sampling.ts';
export * from './ops/slicing.ts';
export * from './ops/top-k.ts';
export { type BlockSize, blocked } from './passes/blocked/index.ts';
export { ReorderInput } from './passes/blocked/operators.ts';
export { type Block, encloses, nesting, type Placement, placement } from './passes/blocks.ts';
export { expand } from './passes/expand.ts';
export { order } from './passes/order.ts';
export { remake, rewrite, substitute, type Visitor } from './passes/rewrite.ts';
export { simplify } from './passes/simplify.ts';
export { straighten } from './passes/straighten.ts';
export { fromOnnx, type Imported, type ReadOptions, readableOperators } from './read.ts';
export { atScope, fresh, layerScope, scope, scoped } from './scope.ts';
export { BATCH, type Dim, formatShape, isConcrete, itemSize, type Shape, sameShape } from './shape.ts';
export { type OperatorSummary, type Summary, summary } from './summary.ts';
export { operators } from './table.ts';
export {
  type Attrs,
  apply,
  applyAll,
  type Node,
  noMacs,
  type Operator,
  refuse,
  Tensor,
  type TensorType,
} from './tensor.ts';
export { type Outputs, toOnnx, type WriteOptions } from './write.ts';
