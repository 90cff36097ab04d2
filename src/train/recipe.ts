import { createHash } from 'node:crypto';
import { DynaError } from '../errors.ts';
import type { NDArray } from '../graph/index.ts';
import type { Schedule } from '../nn/index.ts';
import type { Settings } from './options.ts';
import { identity, type TrainingData } from './source.ts';
import type { TrainingGraphs } from './step.ts';
import { taskDigest } from './task.ts';

/** All that decides the weights after a given step: two runs of one recipe on one machine give the same bits. */
export interface Recipe {
  readonly net: string;
  /** Names and shapes of the parameters, for the message when nets differ. */
  readonly parameters: readonly string[];
  readonly batch: number;
  readonly seed: number;
  readonly optimizer: string;
  readonly augment: string;
  readonly data: string;
  readonly dataName: string;
  /** Digest of the whole training step: optimiser settings, loss, clipping, and how this release writes them. */
  readonly step: string;
  /** Digest of the weights that it started from, where they were given. */
  readonly start?: string;
  /** Channels in a block of the engine's own layout, in which the state is kept; absent where it has none. */
  readonly block?: number;
  /** Digest of what is learned, where it is not the classes of the data. */
  readonly task?: string;
}

const digest = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

function weightsDigest(weights: ReadonlyMap<string, NDArray>): string {
  const hash = createHash('sha256');
  for (const [name, { data }] of [...weights].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return hash.digest('hex');
}

export function recipeOf(graphs: TrainingGraphs, data: TrainingData, s: Settings): Recipe {
  const params = [...graphs.weights.params, ...graphs.statistics.params];
  return {
    net: digest(graphs.evaluate),
    parameters: params.map((p) => `${p.name} [${p.shape.join(', ')}]`),
    batch: s.batch,
    seed: s.seed,
    optimizer: s.optimizer.name,
    augment: JSON.stringify(s.augment ?? {}),
    data: digest(`${identity(data)} ${data.mean.join()} ${data.std.join()}`),
    dataName: data.name,
    step: digest(graphs.train),
    ...(graphs.weights.block ? { block: graphs.weights.block } : {}),
    ...(s.start ? { start: weightsDigest(s.start) } : {}),
    ...(s.task ? { task: taskDigest(s.task, data.length) } : {}),
  };
}

/** Digests of the learning rates and other scheduled numbers up to a step: a longer plan may continue a shorter one's run. */
export class RatesDigest {
  readonly #schedules: readonly Schedule[];
  readonly #total: number;
  readonly #hash = createHash('sha256');
  #steps = 0;

  constructor(schedules: readonly Schedule[], total: number) {
    this.#schedules = schedules;
    this.#total = total;
  }

  /** Of the first `steps` steps; never fewer than at the call before. */
  upTo(steps: number): string {
    const count = this.#schedules.length;
    const rates = Float64Array.from({ length: (steps - this.#steps) * count }, (_, i) =>
      this.#schedules[i % count]!(this.#steps + Math.floor(i / count), this.#total),
    );
    this.#steps = steps;
    return this.#hash.update(new Uint8Array(rates.buffer)).copy().digest('hex');
  }
}

/** What keeps a run with recipe `now` from continuing one with recipe `then`, in words; empty where nothing does. */
export function differences(then: Recipe, now: Recipe): string[] {
  const found: string[] = [];
  const named = (what: string, a: string | number, b: string | number): void => {
    if (a !== b) found.push(`${what} (${a}, now ${b})`);
  };
  // The state and both graphs hang on it: all else would differ too.
  if (then.block !== undefined && then.block !== now.block)
    return [`the engine's blocks of channels (${then.block}, now ${now.block ?? 'none'}): it was begun on another CPU`];
  if (then.net !== now.net) {
    const i = now.parameters.findIndex((p, k) => p !== then.parameters[k]);
    const known = i < 0 ? then.parameters[now.parameters.length] : then.parameters[i];
    if (known === now.parameters[i]) found.push('the net (same parameters, other layers between them)');
    else named("the net's parameters", known ?? 'none', now.parameters[i] ?? 'none');
  }
  named('batch', then.batch, now.batch);
  named('seed', then.seed, now.seed);
  named('optimizer', then.optimizer, now.optimizer);
  named('augmentation', then.augment, now.augment);
  if (then.data !== now.data)
    found.push(
      then.dataName === now.dataName
        ? `the training data (other content under the name ${now.dataName})`
        : `the training data (${then.dataName}, now ${now.dataName})`,
    );
  if (then.task !== now.task) found.push('the task (its name or its targets)');
  if (then.start !== now.start) found.push('the weights that it starts from');
  if (found.length === 0 && then.step !== now.step)
    found.push('the training step (settings of optimizer, loss or clipping, or the release of dynaneural)');
  return found;
}

export const refuseOther = (path: string, found: readonly string[]): DynaError =>
  new DynaError('training', `the checkpoint ${path} belongs to another training; what differs: ${found.join('; ')}`, {
    fix: 'choose another checkpoint folder, or train with the same settings',
  });
