import { DynaError } from '../errors.ts';

/** How one input lies in memory: `channels` planes of `places` values. Shapes are channels first; [20] is 20 places. */
export interface Layout {
  readonly channels: number;
  readonly places: number;
  /** Of images; 1 and `places` for others. */
  readonly height: number;
  readonly width: number;
}

/** @throws DynaError 'shape' where `input` does not fill `shape` */
export function layoutOf(shape: readonly number[], input?: ArrayLike<number>): Layout {
  const size = shape.reduce((a, b) => a * b, 1);
  if (shape.length === 0 || shape.some((d) => !Number.isInteger(d) || d < 1))
    throw new DynaError('shape', `an input's shape is channels first, as [1, 28, 28], got [${shape.join(', ')}]`);
  if (input && input.length !== size)
    throw new DynaError('shape', `an input [${shape.join(', ')}] holds ${size} values, got ${input.length}`);
  const channels = shape.length === 1 ? 1 : shape[0]!;
  const places = size / channels;
  const [height, width] = shape.length === 3 ? [shape[1]!, shape[2]!] : [1, places];
  return { channels, places, height, width };
}

/**
 * Scores `n` inputs that lie one after another: n numbers, or n times k row by row where a scorer gives k scores at once
 * (all exits of a net, say).
 */
export type Scorer = (inputs: Float32Array, n: number) => ArrayLike<number> | Promise<ArrayLike<number>>;

/** @throws DynaError 'shape' where a scorer gave something else than k whole scores for each of n inputs */
export function scoresEach(scores: ArrayLike<number>, n: number, expected?: number): number {
  const each = scores.length / n;
  if (!Number.isInteger(each) || each < 1 || (expected !== undefined && each !== expected))
    throw new DynaError(
      'shape',
      `a scorer should give ${expected ?? 'as many'} score(s) for each of ${n} inputs, got ${scores.length}`,
    );
  return each;
}
