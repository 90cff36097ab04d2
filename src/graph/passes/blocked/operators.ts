import { Conv, type ConvAttrs } from '../../ops/conv.ts';
import { noMacs, type Operator, refuse } from '../../tensor.ts';

// ONNX Runtime's own operators for tensors in blocks of channels. Its optimiser puts them where weights are constant;
// they take weights that change just as well. They belong to the engine: no file that leaves this machine has them.

const lowered = refuse('it is an operator of the engine; differentiate before the graph is lowered');

const reorder = <A extends object>(name: string): Operator<A> => ({
  name,
  domain: 'com.microsoft.nchwc',
  arity: [1, 1],
  infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
  gradient: [lowered],
  macs: noMacs,
});

/** [N, C, H, W] in memory order N, C, H, W -> N, C / b, H, W, b. The declared shape stays. */
export const ReorderInput = reorder<Record<never, never>>('ReorderInput');

/** The way back. */
export const ReorderOutput = reorder<{ channels: number }>('ReorderOutput');

export interface BlockedConvAttrs extends ConvAttrs {
  readonly activation?: 'Relu';
}

/** activation(Conv(x, w) + bias + sum): inputs x, w (in the engine's order of weights), bias, sum. */
export const BlockedConv: Operator<BlockedConvAttrs> = {
  name: 'Conv',
  domain: 'com.microsoft.nchwc',
  arity: [2, 4],
  infer: ([x, w, bias], attrs) => Conv.infer(bias ? [x!, w!, bias] : [x!, w!], attrs),
  gradient: [lowered, lowered, lowered, lowered],
  macs: (node) => Conv.macs(node),
};
