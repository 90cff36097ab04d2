import type { Block, Tensor } from '../../graph/index.ts';
import type { KeepNode } from '../keep.ts';
import type { Kept } from './units/kept-units.ts';

/** The rows that one region of the net works on. */
export interface Rows {
  readonly block: Block;
  readonly parent: Rows | undefined;
  /** Which of the parent's rows these are. */
  readonly mask: Tensor | undefined;
  /** Name of their number, for the batch axis. */
  readonly name: string;
  /** What the region computes, by the traced tensor. */
  readonly made: Map<Tensor, Tensor>;
  /** The units that these rows keep. */
  readonly kept: Map<KeepNode, Kept>;
  /** Tensors in another form than they are made in, by tensor and unit axes. */
  readonly supplied: Map<string, Tensor>;
}

export const rowsIn = (block: Block, parent: Rows | undefined, mask: Tensor | undefined, name: string): Rows => ({
  ...{ block, parent, mask, name },
  ...{ made: new Map(), kept: new Map(), supplied: new Map() },
});
