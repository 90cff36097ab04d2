import { basename, extname, resolve } from 'node:path';
import { type Net, parametersOf } from '../../dynamic/index.ts';
import { DynaError } from '../../errors.ts';
import { sizeOf } from '../../graph/index.ts';
import { requireMetrics } from '../../studio/index.ts';
import { table } from '../../table.ts';
import {
  saveTrained,
  type Trained,
  TrainingStopped,
  type TrainProgress,
  train as trainNet,
} from '../../train/index.ts';
import type { CommonOptions, Context, Outcome } from '../context.ts';
import { Interrupted } from '../exit.ts';
import { count, duration, percent, whole } from '../format.ts';
import { openNet } from '../nets.ts';
import {
  filesOf,
  isStarted,
  netName,
  netRecord,
  type RunRecord,
  readRecord,
  runParts,
  writeRecord,
} from '../run-folder.ts';
import { dataId, openParts, type Parts } from '../sets.ts';

export interface TrainOptions extends CommonOptions {
  readonly data?: string;
  readonly out?: string;
  readonly resume?: boolean;
  readonly epochs?: number;
  readonly batch?: number;
  readonly lr?: number;
  readonly clip?: number;
  readonly seed?: number;
  readonly crop?: number;
  readonly flip?: boolean;
  readonly tune?: number;
  readonly certify?: number;
  readonly test?: number;
  readonly size?: [number, number];
  readonly channels?: '1' | '3';
  readonly metrics?: string;
  readonly checkpointEvery?: number;
  readonly threads?: number;
  readonly studio?: boolean;
}

/** Trains a net into a run folder, or goes on with one. */
export async function train(name: string | undefined, options: TrainOptions, cx: Context): Promise<Outcome> {
  const { folder, record, parts, fresh, metrics } = options.resume
    ? await resumed(name, options, cx)
    : await started(name, options, cx);
  const files = filesOf(folder);
  const source = await openNet(netName(folder, record.net));
  const net = source.build({ input: record.shape, classes: record.classes.length });
  const { epochs, batch, lr, clip, seed, crop, flip } = record.training;
  const { threads, checkpointEvery } = { ...record.training, ...pick(options, habits) };
  if (fresh) await writeRecord(folder, record);
  const interrupted = cx.interruptible('Stopping after this step; press Ctrl-C again to stop at once.');
  const watched = options.studio ? await watch(basename(folder), metrics, cx) : undefined;
  const signal = watched ? AbortSignal.any([interrupted, watched.stopped]) : interrupted;
  let trained: Trained;
  try {
    trained = await trainNet(net, {
      data: parts.train,
      validation: parts.tune,
      epochs,
      batch,
      seed,
      ...(lr === undefined ? {} : { lr }),
      ...(clip === undefined ? {} : { clip }),
      ...(crop || flip ? { augment: { ...(crop ? { crop } : {}), ...(flip ? { flip } : {}) } } : {}),
      checkpoint: files.checkpoint,
      ...(checkpointEvery ? { every: checkpointEvery } : {}),
      resume: options.resume ?? false,
      metrics,
      onProgress: progressOf(cx),
      onWarning: cx.note,
      signal,
      ...(threads ? { session: { intraOpNumThreads: threads } } : {}),
    });
  } catch (error) {
    if (!(error instanceof TrainingStopped) || error.reason !== 'interrupted') throw error;
    cx.progress.stop();
    throw new Interrupted(
      `training was stopped; everything so far is kept, go on with: dyna train --out ${folder} --resume`,
    );
  } finally {
    await watched?.close();
  }
  cx.progress.stop();
  await saveTrained(trained, files.trained);
  return summary(folder, record, net, trained);
}

/** Shows the training in a page while it runs; the page may stop it, as Ctrl-C does. */
async function watch(name: string, path: string, cx: Context) {
  const [{ startStudio }, { openInBrowser }] = await Promise.all([
    import('./studio.ts'),
    import('../../studio/index.ts'),
  ]);
  const stop = new AbortController();
  let ended = false;
  const studio = await startStudio(
    { runs: [{ name, path }] },
    { onStop: () => stop.abort(new Interrupted('stopped from the studio')), ended: () => ended },
  );
  cx.note(`The studio is at ${studio.url}`);
  openInBrowser(studio.url);
  return {
    stopped: stop.signal,
    close: async () => {
      ended = true;
      await studio.close();
    },
  };
}

/** Settings that do not change the weights: on --resume they may be given anew. */
const habits = ['threads', 'checkpointEvery'] as const;

interface Start {
  readonly folder: string;
  readonly record: Omit<RunRecord, 'schema'>;
  readonly parts: Parts;
  readonly fresh: boolean;
  readonly metrics: string;
}

async function started(name: string | undefined, options: TrainOptions, cx: Context): Promise<Start> {
  const { data, epochs = 4, batch = 64, seed = 1 } = options;
  if (name === undefined)
    throw new DynaError('usage', 'dyna train expects a net, got none', {
      fix: 'name a built-in one or a module, or give --out and --resume to go on with a run',
    });
  if (data === undefined)
    throw new DynaError('usage', 'dyna train expects --data, got none', {
      fix: 'give fashion-mnist, mnist, cifar10 or a folder of images',
    });
  const source = await openNet(name);
  const folder = options.out ?? `out/${basename(name, extname(name))}`;
  if (await isStarted(folder))
    throw new DynaError('usage', `${folder} already holds a run`, {
      fix: 'go on with it by --resume, or choose another --out',
    });
  const metrics = options.metrics ?? filesOf(folder).metrics;
  await requireMetrics(metrics);
  const request = { seed, ...pick(options, ['tune', 'certify', 'test']) };
  const like = {
    ...(source.input ? { shape: source.input } : {}),
    ...(options.size ? { size: options.size } : {}),
    ...(options.channels ? { channels: Number(options.channels) as 1 | 3 } : {}),
  };
  const parts = await openParts(dataId(data), request, like, cx);
  const { shape, mean, std, classes } = parts.train;
  const record = {
    net: netRecord(folder, source),
    data: dataId(data),
    split: parts.split,
    shape,
    mean,
    std,
    classes,
    training: {
      epochs,
      batch,
      seed,
      ...pick(options, ['lr', 'clip', 'crop', 'flip', 'threads', 'checkpointEvery']),
      ...(options.metrics === undefined ? {} : { metrics: resolve(options.metrics) }),
    },
  };
  return { folder, record, parts, fresh: true, metrics };
}

/** The run's own settings count; one that is given again must be the same. */
async function resumed(name: string | undefined, options: TrainOptions, cx: Context): Promise<Start> {
  if (options.out === undefined)
    throw new DynaError('usage', '--resume expects --out with the folder of the run, got none');
  const folder = options.out;
  const { schema: _, ...record } = await readRecord(folder);
  const { training, split } = record;
  const asked: [string, unknown, unknown][] = [
    ['the net', name && netName(folder, netRecord(folder, await openNet(name))), netName(folder, record.net)],
    ['--data', options.data && dataId(options.data), record.data],
    ['--size', options.size?.join('x'), record.shape.slice(1).join('x')],
    ['--channels', options.channels && Number(options.channels), record.shape[0]],
    ...(['epochs', 'batch', 'lr', 'clip', 'seed', 'crop', 'flip'] as const).map((key): [string, unknown, unknown] => [
      `--${key}`,
      options[key],
      training[key],
    ]),
    ...(['tune', 'certify', 'test'] as const)
      .filter((key) => Number.isInteger(options[key]))
      .map((key): [string, unknown, unknown] => [`--${key}`, options[key], split[key]]),
  ];
  for (const [what, now, then] of asked)
    if (now !== undefined && now !== then)
      throw new DynaError('usage', `the run in ${folder} was started with ${what} ${then ?? 'left out'}, got ${now}`, {
        fix: 'resume it without that, or start another run',
      });
  const metrics = options.metrics ?? training.metrics ?? filesOf(folder).metrics;
  await requireMetrics(metrics);
  return { folder, record, parts: await runParts(record, cx), fresh: false, metrics };
}

function pick<T, K extends keyof T>(from: T, keys: readonly K[]): Partial<Pick<T, K>> {
  return Object.fromEntries(keys.filter((k) => from[k] !== undefined).map((k) => [k, from[k]])) as Partial<Pick<T, K>>;
}

/** The training bar: loss, accuracy and entropy of each answer, speed, what is left. */
function progressOf(cx: Context): (p: TrainProgress) => void {
  let open = false;
  const each = (values: Readonly<Record<string, number>>, show: (v: number) => string): string =>
    Object.entries(values)
      .map(([name, v]) => `${name} ${show(v)}`)
      .join(' ');
  return (p) => {
    if (!open) cx.progress.start('train', p.steps);
    open = true;
    cx.progress.update(p.step, {
      epoch: `${p.epoch}/${p.epochs}`,
      loss: p.loss.toFixed(3),
      ETA: duration(p.secondsLeft),
      '': `${Math.round(p.imagesPerSecond)} img/s`,
      acc: each(p.accuracy, (v) => (100 * v).toFixed(1)),
      entropy: each(p.entropy, (v) => v.toFixed(2)),
    });
  };
}

function summary(
  folder: string,
  { data, split }: Pick<RunRecord, 'data' | 'split'>,
  net: Net,
  trained: Trained,
): Outcome {
  const { training, history } = trained;
  const last = history.at(-1);
  const parameters = parametersOf(net).reduce((n, p) => n + sizeOf(p.shape), 0);
  const rows = Object.keys(last?.accuracy ?? {}).map((name) => [
    name,
    percent(last?.accuracy[name]),
    percent(last?.validation?.[name]),
  ]);
  return {
    json: {
      run: folder,
      net: net.name,
      parameters,
      data,
      split,
      training,
      accuracy: last?.accuracy,
      validation: last?.validation,
      history,
    },
    text: [
      `${net.name}: ${count(parameters)} parameters, ${training.epochs} epochs in ${duration(training.seconds)} (${whole(Math.round(training.imagesPerSecond))} images/s)`,
      ...table([['answer', 'training', 'tune split'], ...rows]),
      `Kept in ${folder}. Next: dyna certify ${folder}`,
    ],
  };
}
