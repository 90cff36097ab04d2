import type { Dataset } from '../../data/index.ts';
import { DynaError } from '../../errors.ts';
import type { Foreign } from './foreign.ts';

/** How pixels become a model's input, channel by channel or alike for all: (value / 255 - mean) / std. */
type Pixels = Pick<Dataset, 'mean' | 'std'>;

/** What a file's metadata say of its pixels (`input_mean` and `input_std`, for values 0 to 255), in a data set's units. */
export function statedPixels({ metadata }: Pick<Foreign, 'metadata'>): Pixels | undefined {
  const list = (key: string): number[] | undefined => {
    try {
      const value: unknown = JSON.parse(metadata[key] ?? '');
      const numbers = Array.isArray(value) && value.length > 0 && value.every((v) => typeof v === 'number');
      return numbers ? (value as number[]).map((v) => v / 255) : undefined;
    } catch {
      return undefined;
    }
  };
  const [mean, std] = [list('input_mean'), list('input_std')];
  return mean && std ? { mean, std } : undefined;
}

/** In words, for values 0 to 255. */
export function pixelText({ mean, std }: Pixels): string {
  const pixels = (list: readonly number[]) => `[${list.map((v) => Number((255 * v).toPrecision(4))).join(', ')}]`;
  return `(pixel - ${pixels(mean)}) / ${pixels(std)}`;
}

/** Hundredths of a deviation are the rounding of whoever wrote them down (127 for 127.5). */
const NEAR = 0.02;

/**
 * A model that is fed with other numbers than it was trained on answers all the same, and a bound on those answers would hold.
 *
 * @throws DynaError 'data' where bytes are normalised otherwise than the file's metadata say
 */
export function checkStated(foreign: Pick<Foreign, 'metadata'>, { name, inputs, shape, mean, std }: Dataset): void {
  const stated = statedPixels(foreign);
  if (!stated || !(inputs instanceof Uint8Array)) return;
  const at = (list: readonly number[], c: number): number => list[list.length === 1 ? 0 : c]!;
  const near = Array.from({ length: shape[0]! }, (_, c) => {
    const [m, s] = [at(stated.mean, c), at(stated.std, c)];
    return Math.abs(at(mean, c) - m) <= NEAR * s && Math.abs(at(std, c) - s) <= NEAR * s;
  });
  if (near.every(Boolean)) return;
  throw new DynaError(
    'data',
    `the model's metadata say that it takes ${pixelText(stated)}, images of ${name} would come as ${pixelText({ mean, std })}`,
    {
      fix: 'let the metadata count: leave out --scale, --mean and --std, or give { ...data, ...statedPixels(foreign) }; where they are wrong, take input_mean and input_std out of the file',
    },
  );
}
