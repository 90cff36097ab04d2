import { join, resolve } from 'node:path';
import {
  cacheFolder,
  channelStatistics,
  type Dataset,
  type DatasetName,
  datasets,
  fingerprint,
  imageFolder,
  locateDataset,
  type PartSize,
  type Split,
  splitDataset,
} from '../data/index.ts';
import { DynaError } from '../errors.ts';
import { isFolder } from '../files.ts';
import type { Context } from './context.ts';
import { bytes, whole } from './format.ts';

/** How inputs must look; what is left out comes from the data. */
export interface Like {
  readonly shape?: readonly number[];
  readonly size?: readonly [height: number, width: number];
  readonly channels?: 1 | 3;
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly classes?: readonly string[];
}

/** How the training data was cut: enough to find the same parts again. */
export interface SplitRecord {
  readonly seed: number;
  readonly tune: number;
  readonly certify: number;
  /** Items cut off for the test, where the data brings no test split of its own. */
  readonly test?: number;
  /** Of the data before it was cut. */
  readonly fingerprint: string;
}

export interface SplitRequest {
  readonly seed: number;
  readonly tune?: PartSize;
  readonly certify?: PartSize;
  readonly test?: PartSize;
  readonly fingerprint?: string;
}

/** The four splits. `test` is only opened when it is asked for: it is nothing but reported on. */
export interface Parts {
  readonly train: Dataset;
  readonly tune: Dataset;
  readonly certify: Dataset;
  test(): Promise<Dataset>;
  readonly split: SplitRecord;
}

const isOfficial = (name: string): name is DatasetName => Object.hasOwn(datasets, name);

/** The name of a data set as a run folder keeps it: official sets by name, folders by absolute path. */
export const dataId = (name: string): string => (isOfficial(name) ? name : resolve(name));

/**
 * Opens training data and cuts it into train, tune and certify (and test, where there is no test split).
 * By default a part holds 5,000 items, or a fifth where there are fewer than 25,000.
 *
 * @param data `fashion-mnist`, `mnist`, `cifar10`, or a folder of images with one sub-folder for each class, or with
 *   the folders `train` and `test` that hold such sub-folders
 * @throws DynaError 'data' where the data is not what `request.fingerprint` says
 */
export async function openParts(data: string, request: SplitRequest, like: Like, cx: Context): Promise<Parts> {
  if (isOfficial(data) && (like.size || like.channels))
    throw new DynaError('usage', `--size and --channels are for folders of images; ${data} is taken as it is`, {
      fix: 'leave them out',
    });
  const all = isOfficial(data)
    ? await official(data, 'train', cx)
    : await labelledFolder(await splitFolder(data, 'train'), like, cx);
  const own = isOfficial(data) || (await isFolder(join(data, 'test')));
  if (own && request.test !== undefined)
    throw new DynaError('usage', `--test cuts a part off data without a test split, but ${data} has its own`, {
      fix: 'leave --test out',
    });
  const print = fingerprint(all);
  if (request.fingerprint !== undefined && request.fingerprint !== print)
    throw new DynaError(
      'data',
      `the data in ${data} is not what the run was trained on, so its held-back parts are lost`,
      {
        fix: 'bring the data back, or train again',
      },
    );
  const fallback = Math.max(1, Math.min(5000, Math.floor(all.length / 5)));
  const { seed, tune = fallback, certify = fallback, test = fallback } = request;
  const parts = splitDataset(all, {
    parts: { train: 'rest', tune, certify, ...(own ? {} : { test }) } as Record<
      'train' | 'tune' | 'certify' | 'test',
      PartSize
    >,
    seed,
  });
  const figures =
    like.mean && like.std ? { mean: [...like.mean], std: [...like.std] } : normalisation(data, parts.train);
  const fed = (ds: Dataset): Dataset => ({ ...ds, ...figures });
  return {
    train: fed(parts.train),
    tune: fed(parts.tune),
    certify: fed(parts.certify),
    test: async () =>
      own ? openTest(data, { ...like, classes: all.classes, shape: all.shape, ...figures }, cx) : fed(parts.test),
    split: {
      seed,
      tune: parts.tune.length,
      certify: parts.certify.length,
      ...(own ? {} : { test: parts.test.length }),
      fingerprint: print,
    },
  };
}

/** Of the training part only: what is held back must not be seen, not even by a mean. */
const normalisation = (data: string, train: Dataset): { mean: number[]; std: number[] } =>
  isOfficial(data) ? { mean: train.mean, std: train.std } : channelStatistics(train);

/** The official set that is meant, "cifar10" or "cifar10:test", and which of its parts. @throws DynaError 'usage' for other parts */
export function officialPart(data: string, split: Split): { name: DatasetName; split: Split } | undefined {
  const [name = '', part = split] = data.split(':');
  if (!isOfficial(name)) return undefined;
  if (part !== 'train' && part !== 'test')
    throw new DynaError('usage', `${name} has the parts train and test, got "${part}"`);
  return { name, split: part };
}

/** The test split of official data, a folder's `test`, or else the whole folder, labelled or not. */
export async function openTest(data: string, like: Like, cx: Context): Promise<Dataset> {
  const known = officialPart(data, 'test');
  const opened = known
    ? await official(known.name, known.split, cx)
    : await folder(await splitFolder(data, 'test'), like, cx);
  return { ...opened, ...(like.mean && like.std ? { mean: [...like.mean], std: [...like.std] } : {}) };
}

export async function official(name: DatasetName, split: Split, cx: Context): Promise<Dataset> {
  if (locateDataset(name) === undefined)
    cx.note(`${name} is not on this machine and will be downloaded into ${cacheFolder()}`);
  let file = '';
  try {
    return await datasets[name](split, {
      onNote: cx.note,
      onProgress: (p) => {
        if (file !== p.file) cx.progress.start(`download ${p.file}`, p.total);
        file = p.file;
        cx.progress.update(p.received, { '': `${bytes(p.received)} of ${bytes(p.total)}` });
      },
    });
  } finally {
    if (file) cx.progress.stop();
  }
}

async function labelledFolder(path: string, like: Like, cx: Context): Promise<Dataset> {
  const ds = await folder(path, like, cx);
  requireLabels(ds);
  return ds;
}

/** @throws DynaError 'data' for images without labels */
export function requireLabels({ name, length, classes }: Dataset): void {
  if (classes.length === 0)
    throw new DynaError('data', `the ${whole(length)} images in ${name} have no labels`, {
      fix: 'put them into one sub-folder for each class',
    });
}

async function folder(path: string, like: Like, cx: Context): Promise<Dataset> {
  const [channels, height, width] = like.shape ?? [];
  const size = like.size ?? (height && width ? ([height, width] as const) : undefined);
  return imageFolder(path, {
    ...(size ? { size } : {}),
    ...((like.channels ?? channels) ? { channels: (like.channels ?? channels) as 1 | 3 } : {}),
    ...(like.classes ? { classes: like.classes } : {}),
    mean: [0],
    std: [1],
    onNote: cx.note,
  });
}

async function checkedFolder(data: string): Promise<string> {
  if (await isFolder(data)) return data;
  const known = Object.keys(datasets).join(', ');
  throw new DynaError(
    'usage',
    `--data expects ${known} or a folder of images, and there is no folder ${resolve(data)}`,
  );
}

/** The folder of a split where there is one, else the whole. */
async function splitFolder(data: string, split: Split): Promise<string> {
  const inner = join(await checkedFolder(data), split);
  return (await isFolder(inner)) ? inner : data;
}
