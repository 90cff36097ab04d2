import { DynaError } from '../errors.ts';
import { rankCorrelation } from './rank.ts';

/** How alike saliencies still are after the layers down to this one were randomised. */
export interface CascadeStage {
  /** The layer that was randomised last, on top of those of the stages before. */
  readonly layer: string;
  /** Rank correlation with the original, one for each input. */
  readonly signed: readonly number[];
  /** The same of the sizes: whether the same places matter, whatever their sign. */
  readonly magnitude: readonly number[];
}

export interface CascadeOptions {
  /** From the last layer to the first. */
  readonly layers: readonly string[];
  /** Saliency maps of the same inputs by a model with these layers randomised; of none for the model itself. */
  readonly maps: (randomised: readonly string[]) => Promise<readonly ArrayLike<number>[]>;
}

/**
 * Cascading parameter randomisation (Adebayo et al. 2018, arXiv:1810.03292): layers are randomised from the last to the
 * first, and saliencies are compared with the original. A method that looks at the model loses the likeness; one that
 * keeps it shows the input, as an edge detector does.
 *
 * @throws DynaError 'data' for maps that are not as many, or as large, as the original's
 */
export async function cascade({ layers, maps }: CascadeOptions): Promise<CascadeStage[]> {
  const original = await maps([]);
  if (original.length === 0) throw new DynaError('data', 'saliencies of at least one input are needed, got none');
  const sizes = original.map(absolute);
  const stages: CascadeStage[] = [];
  for (const [i, layer] of layers.entries()) {
    const now = await maps(layers.slice(0, i + 1));
    if (now.length !== original.length)
      throw new DynaError(
        'data',
        `${original.length} maps were expected after randomising "${layer}", got ${now.length}`,
      );
    stages.push({
      layer,
      signed: now.map((map, k) => rankCorrelation(map, original[k]!)),
      magnitude: now.map((map, k) => rankCorrelation(absolute(map), sizes[k]!)),
    });
  }
  return stages;
}

const absolute = (map: ArrayLike<number>): number[] => Array.from(map, Math.abs);
