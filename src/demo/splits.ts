import { type Dataset, datasets, locateDataset, splitDataset, subset } from '../data/index.ts';
import { DynaError } from '../errors.ts';
import type { Progress } from '../progress.ts';

/** What each part of the data is for; nothing is used twice. */
export interface Splits {
  readonly name: string;
  /** Weights. */
  readonly train: Dataset;
  /** Temperatures and the path of operating points. */
  readonly tune: Dataset;
  /** The certificate. */
  readonly certify: Dataset;
  /** The official test split: only reported on. */
  readonly test: Dataset;
}

const known = ['fashion-mnist', 'mnist'] as const;
type Known = (typeof known)[number];

export interface OpenOptions {
  /** Keeps a small part of the data. */
  readonly quick: boolean;
  readonly progress: Progress;
  readonly onNote: (note: string) => void;
}

/** Both official splits, fetched where they are not on this machine. */
async function official(name: Known, progress: Progress): Promise<[train: Dataset, test: Dataset]> {
  let file = '';
  const onProgress = (p: { file: string; received: number; total: number }) => {
    if (p.file !== file) progress.start(`download ${p.file}`, p.total);
    file = p.file;
    progress.update(p.received);
  };
  const open = (split: 'train' | 'test') => datasets[name](split, { onProgress });
  const pair: [Dataset, Dataset] = [await open('train'), await open('test')];
  if (file) progress.stop();
  return pair;
}

/** The set that was asked for; without a wish Fashion-MNIST, or MNIST where Fashion-MNIST cannot be had. */
async function choose(wish: string | undefined, { progress, onNote }: OpenOptions): Promise<[Known, Dataset, Dataset]> {
  const chosen = known.find((k) => k === wish);
  if (wish !== undefined && !chosen)
    throw new DynaError('usage', `the demo knows the data sets ${known.join(' and ')}, got "${wish}"`);
  try {
    const name = chosen ?? 'fashion-mnist';
    return [name, ...(await official(name, progress))];
  } catch (error) {
    progress.stop();
    const missing = error instanceof DynaError && error.code === 'download';
    if (chosen || !missing || locateDataset('mnist') === undefined) throw error;
    onNote(
      `NOTE: Fashion-MNIST cannot be had here; the demo runs on MNIST instead, which is easier. (${error.message})`,
    );
    return ['mnist', ...(await official('mnist', progress))];
  }
}

/** Cuts the training split by seed. */
export async function openSplits(wish: string | undefined, seed: number, options: OpenOptions): Promise<Splits> {
  const { quick } = options;
  const [name, all, test] = await choose(wish, options);
  const { train, tune, certify } = splitDataset(all, { parts: { tune: 5000, certify: 5000, train: 'rest' }, seed });
  const part = (ds: Dataset, n: number) =>
    quick
      ? subset(
          ds,
          Array.from({ length: Math.min(n, ds.length) }, (_, i) => i),
          ds.name,
        )
      : ds;
  return {
    name,
    train: part(train, 3200),
    tune: part(tune, 1500),
    certify: part(certify, 2000),
    test: part(test, 1000),
  };
}
