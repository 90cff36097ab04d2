import { type Dataset, datasets, locateDataset, splitDataset, subset } from '../data/index.ts';
import { DynaError } from '../errors.ts';

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

/** The set that was asked for; without a wish Fashion-MNIST, or MNIST where only that can be had. */
export function chooseData(wish: string | undefined, onNote: (note: string) => void): Known {
  const chosen = known.find((k) => k === wish);
  if (chosen) return chosen;
  if (wish !== undefined)
    throw new DynaError('usage', `the demo knows the data sets ${known.join(' and ')}, got "${wish}"`);
  if (locateDataset('fashion-mnist') === undefined && locateDataset('mnist') !== undefined) {
    onNote('NOTE: Fashion-MNIST is not on this machine; the demo runs on MNIST instead, which is easier.');
    return 'mnist';
  }
  return 'fashion-mnist';
}

/** Cuts the training split by seed; `quick` keeps a small part of it. */
export async function openSplits(name: Known, seed: number, quick: boolean): Promise<Splits> {
  const [all, test] = await Promise.all([datasets[name]('train'), datasets[name]('test')]);
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
