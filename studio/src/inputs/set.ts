import type { PackedInputs } from '../../../src/studio/pack.ts';

/** Raw values of one input. */
export type Values = Uint8Array | Float32Array;

/** The inputs of a data set, as the studio got them. */
export interface InputSet {
  readonly name: string;
  readonly shape: readonly number[];
  readonly n: number;
  /** Items of the whole set, of which these are a sample. */
  readonly of: number;
  /** Their numbers in the whole set. */
  readonly numbers: readonly number[];
  readonly labels: readonly number[];
  readonly values: Values;
}

/** An input that the user brought: dropped, drawn, or seen by the camera. */
export interface OwnInput {
  readonly name: string;
  readonly values: Values;
  /** What had to be done to make it fit. */
  readonly changes: readonly string[];
}

/** What is looked at: an item of the set, or the user's own. */
export type Chosen =
  | { readonly kind: 'set'; readonly index: number }
  | { readonly kind: 'own'; readonly input: OwnInput };

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** The values of items `from` to `from + n`. */
export function rowsOf({ values, shape }: Pick<InputSet, 'values' | 'shape'>, from: number, n = 1): Values {
  const size = sizeOf(shape);
  return values.subarray(from * size, (from + n) * size);
}

/** Fetches packed inputs. @throws Error with a sentence where the file is not what the manifest says */
export async function fetchInputs(
  packed: PackedInputs,
  fetchFile: (file: string) => Promise<Uint8Array>,
): Promise<InputSet> {
  const bytes = await fetchFile(packed.file);
  const values = packed.dtype === 'uint8' ? bytes : new Float32Array(bytes.buffer);
  if (values.length !== packed.n * sizeOf(packed.shape))
    throw new Error(`the inputs of ${packed.name} are cut off: expected ${packed.n}, got ${values.length} values`);
  return { ...packed, values };
}
