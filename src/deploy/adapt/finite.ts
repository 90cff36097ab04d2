import { DynaError } from '../../errors.ts';

/** @throws DynaError 'data' for values that are no numbers: nothing can be learned from them, and nothing compared */
export function refuseInfinite(values: Float32Array): void {
  if (!values.every(Number.isFinite))
    throw new DynaError('data', 'the model gives NaN or infinite values for some of these images', {
      fix: 'check the preprocessing, and that the images are what the model was made for',
    });
}
