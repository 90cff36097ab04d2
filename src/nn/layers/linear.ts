import { DynaError } from '../../errors.ts';
import { add, formatShape, gemm, matMul, matrixTranspose, param, type Tensor } from '../../graph/index.ts';
import { heNormal, type Initializer, xavierUniform, zeros } from '../init.ts';
import { type Activation, activate } from './activation.ts';
import { checkCount, type LayerOptions, layer, sizeOfAxis } from './layer.ts';

export interface LinearOptions extends LayerOptions {
  /** On by default. */
  readonly bias?: boolean;
  readonly activation?: Activation | false;
  /** How the weight starts; by default `heNormal` before an activation, else `xavierUniform`. */
  readonly init?: Initializer;
}

/** The layer without its scope, for layers that are a linear map themselves. */
export function affine(x: Tensor, features: number, { bias = true, activation = false, init }: LinearOptions): Tensor {
  if (x.rank < 2) throw new DynaError('shape', `an input [N, ..., features] is expected, got ${formatShape(x.shape)}`);
  checkCount(features, 'features');
  const shape = [features, sizeOfAxis(x, -1, 'the number of features (last axis)')];
  const weight = param('weight', shape, (init ?? (activation ? heNormal : xavierUniform))(shape));
  const b = bias ? param('bias', [features], zeros, 'bias') : undefined;
  // MatMul keeps all leading axes apart, the batch's too, which merging them into a Gemm would not.
  const y = x.rank === 2 ? gemm(x, weight, b, { transB: 1 }) : matMul(x, matrixTranspose(weight));
  return activate(b && x.rank > 2 ? add(y, b) : y, activation);
}

/**
 * y = x weight^T + bias on the last axis; then the activation, where asked for.
 *
 * Parameters: weight [features, C], bias [features].
 *
 * @param x [N, C] or [N, ..., C]
 * @param features how many features come out
 * @returns [N, ..., features]
 * @throws DynaError 'shape' | 'usage', with the layer's name
 * @example x = linear(flatten(x), 128, { activation: 'relu' })
 */
export const linear = (x: Tensor, features: number, options: LinearOptions = {}): Tensor =>
  layer('linear', options, () => affine(x, features, options));
