import { cifar10, type Dataset, splitDataset } from 'dynaneural';
import { subset } from 'dynaneural/data';
import type { Context } from './context.ts';

/** What each part is for; nothing is used twice. The cut is the same for all systems and seeds. */
export interface Splits {
  readonly train: Dataset;
  /** Temperatures, operating points, and what epochs are compared on. */
  readonly tune: Dataset;
  readonly certify: Dataset;
  /** The official test split: only reported on. */
  readonly test: Dataset;
}

const QUICK = { train: 640, tune: 256, certify: 512, test: 512 };

/** CIFAR-10, fetched where it is not on this machine; the quick form keeps a small part. */
export async function cifarSplits(cx: Context): Promise<Splits> {
  let file = '';
  const onProgress = (p: { file: string; received: number; total: number }) => {
    if (p.file !== file) cx.progress.start(`download ${p.file}`, p.total);
    file = p.file;
    cx.progress.update(p.received);
  };
  const [all, test] = [await cifar10('train', { onProgress }), await cifar10('test', { onProgress })];
  if (file) cx.progress.stop();
  const parts = { ...splitDataset(all, { parts: { tune: 5000, certify: 5000, train: 'rest' }, seed: 1 }), test };
  if (!cx.quick) return parts;
  const first = (ds: Dataset, n: number) =>
    subset(
      ds,
      Array.from({ length: n }, (_, i) => i),
    );
  return {
    train: first(parts.train, QUICK.train),
    tune: first(parts.tune, QUICK.tune),
    certify: first(parts.certify, QUICK.certify),
    test: first(parts.test, QUICK.test),
  };
}

/** For a result's `data` field. */
export const describe = ({ train, tune, certify, test }: Splits): string =>
  `CIFAR-10: ${train.length} train, ${tune.length} tune, ${certify.length} certify, ${test.length} test (official)`;

/** At most about eight of a list (three in the quick form), its ends among them. */
export const thinned = <T>(cx: Pick<Context, 'quick'>, list: readonly T[]): readonly T[] => {
  const every = Math.ceil(list.length / (cx.quick ? 2 : 8));
  return list.filter((_, i) => i === list.length - 1 || i % every === 0);
};
