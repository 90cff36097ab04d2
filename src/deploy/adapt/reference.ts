import { type Augment, type Dataset, loader, subset } from '../../data/index.ts';
import { argmaxAt } from '../../dynamic/index.ts';
import { encodeModel, type NDArray, ndarray, sizeOf, toOnnx } from '../../graph/index.ts';
import { compileInWorker, type SessionOptions } from '../../runtime/index.ts';
import { asStored } from '../layout.ts';
import { refuseInfinite } from './finite.ts';
import type { Foreign } from './foreign.ts';
import { compileOriginal } from './original.ts';
import { batchOf } from './sizes.ts';

/** Images on which shifts and mirrors are tried. */
const TRIED = 512;
/** Part of the answers that may change under a shift or a mirror that training may use. */
const MOST_CHANGED = 0.15;

export interface ReferenceOptions {
  readonly session?: SessionOptions;
  readonly signal?: AbortSignal;
  readonly augment?: Augment;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Some images of a batch. */
export const rowsOf = ({ dims, data }: NDArray, from: number, n: number): NDArray => {
  const item = dims.slice(1);
  const size = sizeOf(item);
  return ndarray('float32', [n, ...item], (data as Float32Array).subarray(from * size, (from + n) * size));
};

/** What a file needs to be fed. */
export type Fed = Pick<Foreign, 'names' | 'single' | 'classes' | 'layout'>;

/** The classes that a file itself gives, as it stands: what a certificate compares with. [n] */
export async function fileAnswers(
  original: Uint8Array,
  { names, single, classes, layout }: Fed,
  images: Dataset,
  { session, signal, onProgress }: Omit<ReferenceOptions, 'augment'> = {},
): Promise<Int32Array> {
  const runner = await compileOriginal(original, session);
  const answers = new Int32Array(images.length);
  try {
    let at = 0;
    for (const { x, n } of loader(images, { batch: batchOf(images) }).epoch(0)) {
      signal?.throwIfAborted();
      const size = single ? 1 : n;
      for (let i = 0; i < n; i += size) {
        const out = (await runner.run({ [names.input]: asStored(rowsOf(x, i, size), layout) }))[names.output]!;
        const values = out.data as Float32Array;
        refuseInfinite(values);
        for (let k = 0; k < size; k++) answers[at++] = argmaxAt(values, k * classes.length, classes.length);
      }
      onProgress?.(at, images.length);
    }
  } finally {
    await runner.close();
  }
  return answers;
}

/** The answers of the original as it was read: what takes the place of labels. [n] */
export async function referenceAnswers(
  { input, logits, weights, classes }: Foreign,
  images: Dataset,
  { session, signal, augment, onProgress }: ReferenceOptions = {},
): Promise<Int32Array> {
  const runner = await compileInWorker(encodeModel(toOnnx({ logits }, { weights })), session);
  const name = input.node.attrs.name as string;
  const answers = new Int32Array(images.length);
  const count = classes.length;
  try {
    let at = 0;
    for (const { x } of loader(images, { batch: batchOf(images), ...(augment ? { augment } : {}) }).epoch(0)) {
      signal?.throwIfAborted();
      const rows = (await runner.run({ [name]: x }, { transfer: true })).logits!.data as Float32Array;
      for (let i = 0; i < rows.length / count; i++) answers[at++] = argmaxAt(rows, i * count, count);
      onProgress?.(at, images.length);
    }
  } finally {
    await runner.close();
  }
  return answers;
}

/** Shifts and mirrors under which the original's answers mostly stay: left and right may be classes of their own. */
export async function harmless(
  foreign: Foreign,
  images: Dataset,
  options: Pick<ReferenceOptions, 'session' | 'signal'>,
): Promise<Augment> {
  const some = subset(
    images,
    Int32Array.from({ length: Math.min(TRIED, images.length) }, (_, i) => i),
  );
  const plain = await referenceAnswers(foreign, some, options);
  const stays = async (augment: Augment): Promise<boolean> => {
    const changed = await referenceAnswers(foreign, some, { ...options, augment });
    return changed.filter((a, i) => a !== plain[i]).length <= MOST_CHANGED * some.length;
  };
  const crop = Math.max(1, Math.round(Math.min(...images.shape.slice(1)) / 8));
  const found: Augment = {};
  if (await stays({ crop })) found.crop = crop;
  if (await stays({ flip: 1 })) found.flip = true;
  return found;
}
