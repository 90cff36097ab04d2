import { logSoftmax, type NDArray, ndarray, softmax, type Tensor } from '../graph/index.ts';

/** What the numbers that a file gives are: before softmax, after it, or its logarithm. */
export type OutputMeaning = 'logits' | 'probabilities' | 'log-probabilities';

/** Turns a net's logits [N, classes] into what the file shall give. */
export const giving = (logits: Tensor, meaning: OutputMeaning = 'logits'): Tensor =>
  meaning === 'logits' ? logits : meaning === 'probabilities' ? softmax(logits) : logSoftmax(logits);

/** Logits (up to a constant for each row) from what a file gave. */
export const logitsOf = (output: NDArray, meaning: OutputMeaning = 'logits'): NDArray =>
  meaning === 'probabilities'
    ? ndarray('float32', output.dims, Float32Array.from(output.data as Float32Array, Math.log))
    : output;
