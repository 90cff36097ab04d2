import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Dataset, type Net, oneCycle, openTrained, saveTrained, sgd, type Trained, train } from 'dynaneural';
import { alone, fingerprint } from 'dynaneural/data';
import type { Model } from 'dynaneural/dynamic';
import { type NDArray, order } from 'dynaneural/graph';
import type { TrainOptions } from 'dynaneural/train';
import { type Context, digest, toJson, writeWhole } from './context.ts';

/** Of every training of the gallery on CIFAR-10: little, because epochs are few. */
export const augment = { crop: 2, flip: true } as const;

/** Of every training, where its `options` say nothing else. */
const optimiser = { momentum: 0.9, nesterov: true } as const;

/** How a net is trained, as plain data: all that decides the outcome, but for net, data and where it starts. */
export interface Recipe {
  readonly epochs: number;
  readonly batch: number;
  /** Peak of one cycle. */
  readonly rate: number;
  readonly warmup: number;
  readonly decay: number;
  readonly smoothing: number;
  readonly seed: number;
  /** What `options` adds, in words and numbers; it changes when they do. */
  readonly more?: unknown;
}

export interface FitOptions {
  readonly data: Dataset;
  readonly start?: ReadonlyMap<string, NDArray>;
  readonly teacher?: { readonly model: Model; readonly weight: number; readonly temperature: number };
  /** Checked after each epoch. */
  readonly validation?: Dataset;
  /** What the recipe's `more` describes. */
  readonly options?: Partial<TrainOptions>;
  /** The outcome is rounded to 16-bit floats, so that it can be handed on in a small file. */
  readonly halves?: boolean;
}

/** Digest of a net's weights. */
export const weightsDigest = (weights: ReadonlyMap<string, NDArray>): string =>
  digest(
    [...weights]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { data }]) => [name, digest(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))]),
  );

/** Digest of what a net computes and how it starts: its parameters by name, its operators, and how they hang together. */
export function netDigest(net: Pick<Net, 'output'>): string {
  const nodes = order([net.output]);
  const at = new Map(nodes.map((n, i) => [n, i]));
  return digest(
    nodes.map(({ op, attrs, inputs, outputs }) => [
      ...[op.domain, op.name, inputs.map((t) => t && [at.get(t.node), t.index])],
      op.leaf === 'param' ? [attrs.name, outputs[0]!.shape, attrs.role, attrs.init] : attrs,
    ]),
  );
}

/** All that a training of the gallery is. */
export type Training = readonly [cx: Context, name: string, net: Net, recipe: Recipe, from: FitOptions];

/** The folder in which a training and its outcome are kept. */
function folderOf(...[cx, name, net, recipe, from]: Training): string {
  const { data, start, teacher } = from;
  const what = {
    net: netDigest(net),
    recipe,
    shared: { augment, optimiser, schedule: 'one cycle' },
    data: fingerprint(data),
    start: start && weightsDigest(start),
    teacher: teacher && [weightsDigest(teacher.model.weights), teacher.weight, teacher.temperature],
  };
  return join(cx.cache, `${name}-${digest(what)}`);
}

/** Where the outcome of a training lies: with the checkout, or in the cache. */
export function outcomeOf(...training: Training): string | undefined {
  const [cx] = training;
  const folder = folderOf(...training);
  const all = [...(cx.weights === undefined ? [] : [join(cx.weights, basename(folder))]), folder];
  return all.find((f) => existsSync(join(f, 'trained.dyna')));
}

/**
 * Trains a net once: the outcome is kept by the hash of its recipe, data and start, and an interrupted training goes on where
 * it was. Where another process trains the same one, its outcome is waited for.
 */
export async function trainOnce(...training: Training): Promise<Trained> {
  const [cx, name, net] = training;
  const done = outcomeOf(...training);
  if (done !== undefined) return openTrained(done, net);
  cx.signal?.throwIfAborted();
  const folder = folderOf(...training);
  const work = async (): Promise<Trained> => {
    const made = outcomeOf(...training);
    return made === undefined ? trainIn(folder, training) : openTrained(made, net);
  };
  return alone(folder, work, {
    signal: cx.signal,
    onWait: (pid) =>
      cx.note(
        `Process ${pid} is training "${name}" in ${folder}; waiting for its outcome. Where it ends early, this one goes on.`,
      ),
  });
}

async function trainIn(folder: string, [cx, name, net, recipe, from]: Training): Promise<Trained> {
  const { data, start, teacher, validation, options, halves = false } = from;
  const checkpoint = join(folder, 'checkpoint');
  await writeWhole(join(folder, 'recipe.json'), `${toJson({ name, ...recipe })}\n`);
  let started = false;
  const trained = await train(net, {
    data,
    epochs: recipe.epochs,
    batch: recipe.batch,
    seed: recipe.seed,
    optimizer: sgd({ ...optimiser, weightDecay: recipe.decay }),
    schedule: oneCycle(recipe.rate, { warmup: recipe.warmup }),
    smoothing: recipe.smoothing,
    augment,
    checkpoint,
    resume: true,
    every: 100,
    ...(start ? { start } : {}),
    ...(teacher ? { teacher } : {}),
    ...(validation ? { validation } : {}),
    ...(cx.signal ? { signal: cx.signal } : {}),
    ...(cx.threads === undefined ? {} : { session: { intraOpNumThreads: cx.threads } }),
    onWarning: cx.note,
    ...options,
    onProgress(p) {
      if (!started) cx.progress.start(name, p.steps);
      started = true;
      const last = Object.values(p.accuracy).at(-1);
      cx.progress.update(p.step, {
        epoch: `${p.epoch}/${p.epochs}`,
        loss: p.loss.toFixed(3),
        ...(last === undefined ? {} : { 'accuracy %': (100 * last).toFixed(1) }),
        ...(p.cost === undefined ? {} : { 'MACs %': (100 * p.cost).toFixed(0) }),
        left: `${Math.round(p.secondsLeft)} s`,
      });
    },
  });
  cx.progress.stop();
  await saveTrained(trained, folder, { halves });
  await rm(checkpoint, { recursive: true, force: true });
  return halves ? openTrained(folder, net) : trained;
}
