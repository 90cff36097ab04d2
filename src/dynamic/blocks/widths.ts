import { DynaError } from '../../errors.ts';
import { formatShape, slice, type Tensor } from '../../graph/index.ts';
import { gate, sharedWeights } from '../../nn/index.ts';
import { select } from '../net.ts';
import { policyIn } from './parts.ts';

export interface WidthsOptions {
  /** Logits [N, widths], the largest wins; by default `gate` on x. */
  readonly gate?: ((x: Tensor) => Tensor) | Tensor;
  readonly name?: string;
}

/** The first rows, columns, ... of a master tensor. */
function prefix(master: Tensor, shape: readonly number[], name: string): Tensor {
  const sizes = master.shape as readonly number[];
  if (shape.length !== sizes.length || shape.some((d, i) => d > sizes[i]!))
    throw new DynaError(
      'shape',
      `weight "${name}" ${formatShape(shape)} is no prefix of the widest one's ${formatShape(sizes)}; narrower widths take the first channels of the widest`,
    );
  const ranges = shape.flatMap((end, axis) => (end < sizes[axis]! ? [{ axis, start: 0, end }] : []));
  return ranges.length > 0 ? slice(master, ranges) : master;
}

/**
 * A decision among widths of one set of weights: every weight of a narrower option is the first rows and columns of the
 * widest one's (slimmable networks, Yu et al. 2018, arXiv:1812.08928; chosen per input as in DS-Net, Li et al. 2021,
 * arXiv:2103.13258). Biases, normalisation and its statistics are each width's own. Train with `paths: everyWidth(net)`.
 *
 * @param x [N, ...]
 * @param list shares of the full width, falling from 1: [1, 0.5, 0.25]
 * @param layers what runs at a share; makes the same layers at each, and returns the same shape
 * @returns what the layers return
 * @throws DynaError 'usage' for shares outside (0, 1] or that do not fall from 1; 'shape' for weights that are no prefixes
 * @example
 * x = widths(x, [1, 0.5], (t, share) => {
 *   const inner = conv(t, 64 * share, { norm: 'batch', activation: 'relu' })
 *   return conv(inner, 64, { norm: 'batch', activation: 'relu' })
 * })
 */
export function widths(
  x: Tensor,
  list: readonly number[],
  layers: (x: Tensor, share: number) => Tensor,
  options: WidthsOptions = {},
): Tensor {
  const falling = list.every((w, i) => w > 0 && w <= 1 && (i === 0 ? w === 1 : w < list[i - 1]!));
  if (list.length < 2 || !falling)
    throw new DynaError('usage', `widths are shares that fall from 1, such as [1, 0.5], got [${list.join(', ')}]`);
  const { name } = options;
  const shared = sharedWeights(prefix);
  return select({
    family: 'width',
    ...(name === undefined ? {} : { name }),
    score: () => policyIn(options, 'gate', x, (t) => gate(t, { outputs: list.length })),
    options: Object.fromEntries(list.map((share) => [`x${share}`, () => shared(() => layers(x, share))])),
  });
}
