import { ndarray, sizeOf } from '../../array.ts';
import { constant } from '../../ops/leaf.ts';
import { isConcrete } from '../../shape.ts';
import { apply, type Tensor } from '../../tensor.ts';
import { ReorderInput, ReorderOutput } from './operators.ts';

/** How many channels lie together: what the engine's vector instructions hold (16 with AVX-512, 8 otherwise). */
export type BlockSize = 8 | 16;

/** The four axes of an image tensor. */
export type Image = readonly [batch: number, channels: number, height: number, width: number];

/**
 * Knows for each tensor its twin in blocks. Both twins may be asked for at any time: the reorder that nobody uses
 * falls away, so neighbours that both work in blocks are joined without one.
 */
export class Layout {
  readonly block: BlockSize;
  readonly #twins = new Map<Tensor, Tensor>();
  readonly #constants = new Map<string, Tensor>();

  constructor(block: BlockSize) {
    this.block = block;
  }

  /** A float image tensor of known shape whose channels fill whole blocks. */
  fits(t: Tensor): boolean {
    return isImage(t) && imageOf(t)[1] % this.block === 0;
  }

  /** The twin in blocks, if some operator has made it already. */
  known(t: Tensor): Tensor | undefined {
    return this.#twins.get(t);
  }

  /** The twin in blocks. */
  blocked(t: Tensor): Tensor {
    const twin = this.#twins.get(t) ?? apply(ReorderInput, [t], {});
    this.#twins.set(t, twin);
    return twin;
  }

  /** The ordinary twin of a result in blocks. */
  plain(twin: Tensor): Tensor {
    const t = apply(ReorderOutput, [twin], { channels: imageOf(twin)[1] });
    this.#twins.set(t, twin);
    return t;
  }

  /** A tensor of ones; the same one for the same shape. */
  ones(shape: readonly number[]): Tensor {
    return this.constant(`ones ${shape}`, () => ndarray('float32', shape, new Float32Array(sizeOf(shape)).fill(1)));
  }

  /** A constant that is made once for each key. */
  constant(key: string, make: () => ReturnType<typeof ndarray>): Tensor {
    const made = this.#constants.get(key) ?? constant(make());
    this.#constants.set(key, made);
    return made;
  }
}

export const isImage = (t: Tensor): boolean =>
  t.dtype === 'float32' && t.rank === 4 && isConcrete(t.shape) && !t.shape.includes(0);

export const imageOf = (t: Tensor): Image => t.shape as unknown as Image;
