import { type Augment, type Dataset, loader, subset } from '../../data/index.ts';
import { argmaxAt } from '../../dynamic/index.ts';
import { encodeModel, toOnnx } from '../../graph/index.ts';
import { compileInWorker, type SessionOptions } from '../../runtime/index.ts';
import type { Foreign } from './foreign.ts';

const BATCH_SIZE = 64;
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

/** The original's answers: what a certificate compares with, and what takes the place of labels. [n] */
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
    for (const { x } of loader(images, { batch: BATCH_SIZE, ...(augment ? { augment } : {}) }).epoch(0)) {
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
