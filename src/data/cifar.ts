import { DynaError } from '../errors.ts';

/** Height and width of a CIFAR image; its planes are red, green, blue. */
export const CIFAR_SHAPE: readonly number[] = [3, 32, 32];
const PIXELS = 3 * 32 * 32;

/**
 * Reads a file of the CIFAR binary version: records of one label byte (CIFAR-10; two in CIFAR-100, coarse then fine)
 * and 3,072 pixel bytes, the red, green and blue plane, each row-major.
 *
 * @param options.labelBytes 1 (default) or 2; the last one is the label that is returned
 * @param options.classes labels from here on are refused; default 10, or 100 for two label bytes
 * @returns `inputs` [n, 3, 32, 32] as bytes, and `labels` [n]
 * @throws DynaError 'data' when the bytes are not whole records or a label is out of range
 * @example readCifar(readFileSync('cifar-10-batches-bin/test_batch.bin')).labels.length // 10000
 */
export function readCifar(
  bytes: Uint8Array,
  options: { name?: string; labelBytes?: 1 | 2; classes?: number } = {},
): { inputs: Uint8Array; labels: Int32Array } {
  const { name = 'the CIFAR file', labelBytes = 1, classes = labelBytes === 1 ? 10 : 100 } = options;
  const record = PIXELS + labelBytes;
  const n = bytes.length / record;
  if (n === 0) throw new DynaError('data', `${name} is empty: expected records of ${record} bytes`);
  if (!Number.isInteger(n))
    throw new DynaError(
      'data',
      `${name} is truncated or not CIFAR's binary format: ${bytes.length} bytes are not whole records of ${record}`,
    );
  const inputs = new Uint8Array(n * PIXELS);
  const labels = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    const at = i * record + labelBytes;
    const label = bytes[at - 1];
    if (label >= classes)
      throw new DynaError(
        'data',
        `label ${label} of record ${i} in ${name} is out of range: expected 0 to ${classes - 1}`,
      );
    labels[i] = label;
    inputs.set(bytes.subarray(at, at + PIXELS), i * PIXELS);
  }
  return { inputs, labels };
}
