import { createHash } from 'node:crypto';
import { DynaError } from '../errors.ts';
import { sizeOf } from '../graph/array.ts';

/** Labelled images or rows in memory. Bytes stay bytes; they are normalised when a batch is made. */
export interface Dataset {
  name: string;
  /** `length` items, one after another, each of `shape`, row-major. */
  inputs: Uint8Array | Float32Array;
  /** The shape of one item, e.g. [1, 28, 28] (channels, height, width) or [20] (features). */
  shape: number[];
  /** One class number for each item; -1 throughout where the items have no labels. */
  labels: Int32Array;
  /** The names of the classes; empty where the items have no labels. */
  classes: string[];
  length: number;
  /** For each channel (or one for all), in units of the raw value, of value / 255 for bytes. */
  mean: number[];
  std: number[];
}

/** What `dataset` needs; the rest follows. */
export interface DatasetInit {
  name?: string;
  inputs: Uint8Array | Float32Array;
  shape: readonly number[];
  /** Class numbers; without them the set is unlabelled. */
  labels?: ArrayLike<number>;
  /** Default: the class numbers as words. */
  classes?: readonly string[];
  /** Default 0. */
  mean?: readonly number[];
  /** Default 1. */
  std?: readonly number[];
}

/**
 * Makes a checked data set of what you have in memory; the arrays are used as they are.
 *
 * @throws DynaError 'data' when it is empty, when sizes do not fit, when a label is out of range, when an input is
 *   NaN or infinite, or when mean and std do not fit the channels
 * @example
 * dataset({ inputs: new Float32Array([0, 0, 0, 1, 1, 0, 1, 1]), shape: [2], labels: [0, 1, 1, 0] })
 */
export function dataset(init: DatasetInit): Dataset {
  const { name = 'data', inputs, mean = [0], std = [1] } = init;
  const shape = [...init.shape];
  checkShape(name, shape);
  const size = sizeOf(shape);
  if (inputs.length === 0)
    throw new DynaError('data', `${name} is empty: at least one item of shape [${shape.join(', ')}] is needed`);
  if (inputs.length % size !== 0)
    throw new DynaError(
      'data',
      `${name} holds ${inputs.length} values, which items of shape [${shape.join(', ')}] (${size} values) do not fill`,
    );
  const length = inputs.length / size;
  checkFinite(name, inputs, size);
  const labels = Int32Array.from(init.labels ?? { length }, (label) => label ?? -1);
  if (labels.length !== length) throw new DynaError('data', `${name} has ${length} items but ${labels.length} labels`);
  const classes = init.labels ? [...(init.classes ?? numbered(labels))] : [];
  if (init.labels) checkLabels(name, init.labels, classes.length);
  checkNormalisation(name, shape, mean, std);
  return { name, inputs, shape, labels, classes, length, mean: [...mean], std: [...std] };
}

/** Class names "0", "1", ... up to the largest label; a label beyond all reason is left for the check to refuse. */
function numbered(labels: Int32Array): string[] {
  const most = labels.reduce((a, b) => Math.max(a, b), -1);
  return Array.from({ length: Math.min(most + 1, 2 ** 16) }, (_, i) => String(i));
}

/** A shape is one or more whole sizes of at least 1. */
export function checkShape(name: string, shape: readonly number[]): void {
  if (shape.length === 0 || !shape.every((d) => Number.isSafeInteger(d) && d >= 1))
    throw new DynaError('data', `${name} needs an item shape of whole sizes of at least 1, got [${shape.join(', ')}]`);
}

/** Refuses class numbers that are not whole or not below the number of classes. */
export function checkLabels(name: string, labels: ArrayLike<number>, classes: number, first = 0): void {
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i];
    if (!Number.isInteger(label) || label < 0 || label >= classes)
      throw new DynaError(
        'data',
        `label ${label} of item ${first + i} in ${name} is out of range: expected 0 to ${classes - 1}`,
      );
  }
}

/** Refuses NaN and infinite values, naming the first item that has one. */
export function checkFinite(name: string, inputs: Uint8Array | Float32Array, size: number, first = 0): void {
  if (inputs instanceof Uint8Array) return;
  for (let i = 0; i < inputs.length; i++)
    if (!Number.isFinite(inputs[i])) {
      const item = first + Math.floor(i / size);
      throw new DynaError('data', `${name} holds ${inputs[i]} at value ${i % size} of item ${item}`, {
        fix: 'remove or fill such items before training',
      });
    }
}

/** Mean and std: as many as channels (the first size of the shape), or one for all; std above 0. */
export function checkNormalisation(
  name: string,
  shape: readonly number[],
  mean: readonly number[],
  std: readonly number[],
): void {
  const fits = mean.length === std.length && (mean.length === 1 || mean.length === shape[0]);
  if (!fits)
    throw new DynaError(
      'data',
      `${name} needs 1 or ${shape[0]} values of mean and of std, got ${mean.length} and ${std.length}`,
    );
  if (!mean.every(Number.isFinite) || !std.every((s) => Number.isFinite(s) && s > 0))
    throw new DynaError(
      'data',
      `${name} needs finite means and stds above 0, got [${mean.join(', ')}] and [${std.join(', ')}]`,
    );
}

/** How many items each class has. */
export function classCounts(ds: Dataset): number[] {
  const counts = new Array<number>(ds.classes.length).fill(0);
  if (counts.length) for (const label of ds.labels) counts[label]++;
  return counts;
}

/**
 * Refuses what a classifier cannot be trained or certified on: unlabelled items, or items of one class only.
 *
 * @throws DynaError 'data'
 */
export function requireClasses(
  ds: Pick<Dataset, 'name' | 'classes' | 'length'> & Partial<Pick<Dataset, 'labels'>>,
): void {
  if (ds.classes.length === 0)
    throw new DynaError('data', `${ds.name} has no labels`, { fix: 'put the images in one sub-folder for each class' });
  // The labels of a source are known one by one, when its items are read.
  const present = ds.labels ? ds.classes.filter((_, label) => ds.labels!.includes(label)) : ds.classes;
  if (present.length < 2)
    throw new DynaError('data', `${ds.name} needs at least two classes, all ${ds.length} items are "${present[0]}"`);
}

/**
 * The items with these numbers, in this order. A run of neighbours shares memory with `ds`, anything else is copied.
 *
 * @throws DynaError 'data' when there are none or one is out of range
 * @example subset(train, [0, 2, 4])
 */
export function subset(ds: Dataset, indices: ArrayLike<number>, name = ds.name): Dataset {
  const size = sizeOf(ds.shape);
  const n = indices.length;
  if (n === 0) throw new DynaError('data', `a subset of ${ds.name} needs at least one item`);
  let run = true;
  for (let i = 0; i < n; i++) {
    const at = indices[i];
    if (!Number.isInteger(at) || at < 0 || at >= ds.length)
      throw new DynaError('data', `item ${at} is not in ${ds.name}: expected 0 to ${ds.length - 1}`);
    run &&= at === indices[0] + i;
  }
  const start = indices[0];
  const inputs = run
    ? ds.inputs.subarray(start * size, (start + n) * size)
    : new (ds.inputs instanceof Uint8Array ? Uint8Array : Float32Array)(n * size);
  if (!run)
    for (let i = 0; i < n; i++) inputs.set(ds.inputs.subarray(indices[i] * size, (indices[i] + 1) * size), i * size);
  const labels = Int32Array.from({ length: n }, (_, i) => ds.labels[indices[i]]);
  return { ...ds, name, inputs, labels, length: n };
}

/** Mean and std of each channel over the whole set, in the units of `Dataset.mean`; a constant channel gets std 1. */
export function channelStatistics(ds: Pick<Dataset, 'inputs' | 'shape' | 'length'>): { mean: number[]; std: number[] } {
  const { inputs, shape } = ds;
  const channels = shape.length === 3 ? shape[0] : 1;
  const plane = sizeOf(shape) / channels;
  const unit = inputs instanceof Uint8Array ? 255 : 1;
  const sum = new Array<number>(channels).fill(0);
  const square = new Array<number>(channels).fill(0);
  const total = (ds.length * sizeOf(shape)) / channels;
  const each = (visit: (v: number, c: number) => void): void => {
    for (let i = 0, at = 0; i < ds.length; i++)
      for (let c = 0; c < channels; c++) for (let p = 0; p < plane; p++) visit(inputs[at++] / unit, c);
  };
  each((v, c) => {
    sum[c] += v;
  });
  const mean = sum.map((s) => s / total);
  each((v, c) => {
    square[c] += (v - mean[c]) ** 2;
  });
  return { mean, std: square.map((s) => Math.sqrt(s / total) || 1) };
}

/** Node hashes at most 2 GiB at once. */
const SLICE = 2 ** 30;

/** A sha256 of the inputs and labels, to tell whether two runs saw the same data. */
export function fingerprint(ds: Dataset): string {
  const hash = createHash('sha256').update(JSON.stringify([ds.shape, ds.classes, ds.inputs.BYTES_PER_ELEMENT]));
  for (const part of [ds.inputs, ds.labels])
    for (let at = 0; at < part.byteLength; at += SLICE)
      hash.update(new Uint8Array(part.buffer, part.byteOffset + at, Math.min(SLICE, part.byteLength - at)));
  return hash.digest('hex');
}
