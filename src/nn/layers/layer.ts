import { DynaError } from '../../errors.ts';
import { formatShape, layerScope, scoped, type Tensor } from '../../graph/index.ts';

export interface LayerOptions {
  /** The layer's scope; without it, its kind and a number ("conv2"), counted among unnamed layers only. */
  readonly name?: string;
}

const named = new WeakSet<DynaError>();

/**
 * Builds a layer inside its own scope. An error gets the innermost layer's name in front, and a stack that begins
 * where the user called the outermost layer.
 *
 * @example const twice = (x: Tensor, options = {}) => layer('twice', options, () => mul(x, 2))
 */
export function layer<T>(kind: string, options: LayerOptions, build: () => T): T {
  let where = options.name ?? kind;
  try {
    return layerScope(kind, options.name, () => {
      where = scoped();
      return build();
    });
  } catch (cause) {
    if (!(cause instanceof DynaError)) throw cause;
    const error = named.has(cause) ? cause : withPlace(cause, `${kind} "${where}"`);
    Error.captureStackTrace?.(error, layer);
    throw error;
  }
}

function withPlace(cause: DynaError, place: string): DynaError {
  const { code, fix } = cause;
  const sentence = fix ? cause.message.slice(0, -`; ${fix}`.length) : cause.message;
  const error = new DynaError(code, `${place}: ${sentence}`, fix ? { fix, cause } : { cause });
  named.add(error);
  return error;
}

/** The size of an axis along which a layer has parameters: it must be known when the net is traced. */
export function sizeOfAxis(x: Tensor, axis: number, what: string): number {
  const size = x.shape.at(axis);
  if (typeof size !== 'number')
    throw new DynaError('shape', `${what} must be a known size, got "${size}" in ${formatShape(x.shape)}`);
  return size;
}

/** A count that the user gives: channels, features, classes, groups. */
export function checkCount(value: number, what: string): void {
  if (!Number.isInteger(value) || value < 1)
    throw new DynaError('usage', `${what} should be a whole number from 1 on, got ${value}`);
}
