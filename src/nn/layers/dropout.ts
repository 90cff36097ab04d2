import { DynaError } from '../../errors.ts';
import {
  apply,
  constantNumber,
  Identity,
  type Node,
  type Operator,
  refuse,
  scalar,
  type Tensor,
} from '../../graph/index.ts';
import { type LayerOptions, layer } from './layer.ts';

/** ONNX's Dropout without `training_mode`: the identity. Input 1 is the share of values that training drops. */
export const Dropout: Operator<Record<never, never>> = {
  ...Identity,
  name: 'Dropout',
  arity: [1, 3],
  gradient: [refuse('the training pass replaces it by a mask'), null, null],
  evaluate: undefined,
};

/** The share of values that a Dropout node drops in training; ONNX's default is one half. */
export const dropoutRate = (node: Node): number => (node.inputs[1] ? (constantNumber(node.inputs[1]) ?? 0.5) : 0.5);

export interface DropoutOptions extends LayerOptions {
  /** Share of values set to zero in training, 0 to 1 (excluded); 0.5 by default. */
  readonly rate?: number;
}

/**
 * In training, y = x mask / (1 - rate) with mask ~ Bernoulli(1 - rate) for each value; otherwise y = x
 * (Srivastava et al. 2014, JMLR 15). As traced it is the identity; a training pass puts the mask in.
 *
 * @param x any shape
 * @returns the shape of x
 * @throws DynaError 'usage' when the rate is outside [0, 1)
 * @example x = dropout(linear(x, 128, { activation: 'relu' }), { rate: 0.2 })
 */
export const dropout = (x: Tensor, options: DropoutOptions = {}): Tensor =>
  layer('dropout', options, () => {
    const { rate = 0.5 } = options;
    if (!(rate >= 0 && rate < 1))
      throw new DynaError('usage', `a rate from 0 to 1 (excluded) is expected, got ${rate}`);
    return apply(Dropout, [x, scalar(rate)], {});
  });
