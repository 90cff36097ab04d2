import { type Batch, Random } from '../data/index.ts';
import { DynaError } from '../errors.ts';
import { type NDArray, ndarray, sizeOf } from '../graph/index.ts';
import type { Schedule } from '../nn/index.ts';
import type { Arrays, GraphSignature } from '../runtime/index.ts';
import type { ScalarInput } from './decide.ts';
import type { NoiseInput } from './prepare.ts';
import type { Batches } from './source.ts';
import { type Task, targetFeeds } from './task.ts';

/** Everything that one step is fed with. */
export interface StepFeeds {
  /** From 0, over all epochs. */
  readonly step: number;
  readonly lr: number;
  readonly feeds: Arrays;
}

export interface FeedsOptions {
  readonly batches: Batches;
  readonly task: Task;
  readonly schedule: Schedule;
  readonly seed: number;
  readonly noise: readonly NoiseInput[];
  readonly scalars: readonly ScalarInput[];
  readonly total: number;
  /** The engine drops inputs that no node reads, and refuses feeds for them. */
  readonly signature: GraphSignature;
}

const scalar = (value: number): NDArray => ndarray('float32', [], [value]);

/** Uniform numbers in [0, 1) that (seed, step, index) alone decide; the last word keeps clear of the loader's streams. */
function uniforms(shape: readonly number[], seed: number, step: number, index: number): NDArray {
  const random = new Random(seed, step, index, 3);
  return ndarray(
    'float32',
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => random.float()),
  );
}

/** A schedule's number at a step. @throws DynaError 'usage' where it is not finite */
function valueAt(schedule: Schedule, step: number, total: number, what: string): number {
  const value = schedule(step, total);
  if (!Number.isFinite(Math.fround(value)))
    throw new DynaError(
      'usage',
      `the ${what} gave ${value} for step ${step} of ${total}, a finite float32 was expected`,
    );
  return value;
}

function feedsAt(step: number, { x, y, indices }: Batch, o: FeedsOptions): StepFeeds {
  const lr = valueAt(o.schedule, step, o.total, 'schedule');
  const all: Arrays = { x, y, lr: scalar(lr), step: scalar(step + 1), ...targetFeeds(o.task, indices) };
  for (const [i, { name, shape }] of o.noise.entries()) all[name] = uniforms(shape, o.seed, step, i);
  for (const { name, schedule } of o.scalars)
    all[name] = scalar(valueAt(schedule, step, o.total, `schedule of ${name}`));
  const feeds = Object.fromEntries(o.signature.inputs.map(({ name }) => [name, all[name]!]));
  return { step, lr, feeds };
}

/** The feeds of all steps from `first` on, each a pure function of (seed, step): any step can be made again. */
export async function* feedsFrom(first: number, o: FeedsOptions): AsyncGenerator<StepFeeds> {
  const perEpoch = o.batches.batchesPerEpoch;
  let step = first;
  while (step < o.total) {
    const epoch = Math.floor(step / perEpoch);
    for await (const batch of o.batches.epoch(epoch, step % perEpoch)) yield feedsAt(step++, batch, o);
  }
}
