import { type Net, parametersOf } from '../dynamic/index.ts';
import { ndarray } from '../graph/index.ts';
import { materialize } from '../nn/index.ts';
import { type Arrays, blockSize, openStateInWorker, type StateRunner } from '../runtime/index.ts';
import { whereNotFinite } from './diagnose.ts';
import { accuracies } from './evaluate.ts';
import { feedsFrom, type StepFeeds } from './feeds.ts';
import { Keeper } from './keeper.ts';
import { flatten, unflatten } from './layout.ts';
import type { Values } from './meter.ts';
import { taskOf } from './objective.ts';
import { checkTrainable, type Settings, settingsOf, type TrainOptions } from './options.ts';
import { Reporter } from './reporter.ts';
import { type Batches, batchesOf, holdsBytes } from './source.ts';
import { type TrainingGraphs, trainingGraphs } from './step.ts';
import { TrainingStopped } from './stopped.ts';
import type { Trained } from './types.ts';

/**
 * Trains a net. The caller's event loop stays free: steps run in a thread of their own.
 *
 * With a checkpoint folder and `resume`, a training that was stopped in any way continues to the same weights, bit for bit,
 * as one that was not (same machine, engine and number of threads; otherwise it warns).
 *
 * @returns the net with its weights, class names, preprocessing and history
 * @throws DynaError 'data' | 'usage' before the first step; 'training' for a checkpoint of another recipe; 'file' when a
 *   checkpoint cannot be written; TrainingStopped when `signal` aborts or the loss is not finite
 * @example
 * const trained = await train(fashion, { data, epochs: 4, checkpoint: 'out/fashion', resume: true });
 */
export async function train(net: Net, options: TrainOptions): Promise<Trained> {
  const settings = settingsOf(options);
  checkTrainable(net, settings);
  const { data, checkpoint } = settings;
  const graphs = trainingGraphs(net, { ...settings, block: await blockSize() });
  const batches = batchesOf(data, settings);
  const total = settings.epochs * batches.batchesPerEpoch;
  const keeper = checkpoint === undefined ? undefined : await Keeper.open(checkpoint, graphs, settings, total);
  const runner = await openStateInWorker(
    settings.validation ? { train: graphs.train, evaluate: graphs.evaluate } : { train: graphs.train },
    {
      state: graphs.state,
      initial: keeper?.found?.state ?? initialState(net, graphs, settings),
      session: settings.session,
    },
  );
  let reporter: Reporter | undefined;
  try {
    reporter = await Reporter.open(settings, batches.batchesPerEpoch, keeper?.found);
    const trained = await new Training(net, settings, graphs, batches, runner, reporter, keeper).run();
    reporter.close('finished');
    return trained;
  } catch (error) {
    if (reporter) closeAfter(error, reporter);
    throw error;
  } finally {
    await runner.close();
  }
}

function closeAfter(error: unknown, reporter: Reporter): void {
  try {
    if (error instanceof TrainingStopped && error.reason === 'interrupted') reporter.close('stopped');
    else reporter.close('failed', error instanceof Error ? error.message : String(error));
  } catch {
    // What ended the training says more than that the end could not be written.
  }
}

function initialState(net: Net, { weights, statistics, slots }: TrainingGraphs, { seed, start }: Settings): Arrays {
  const values = new Map([...materialize(parametersOf(net), seed), ...(start ?? [])]);
  const state: Arrays = { weights: flatten(values, weights) };
  for (const name of slots) state[name] = ndarray('float32', [weights.size], new Float32Array(weights.size));
  if (statistics.size > 0) state.statistics = flatten(values, statistics);
  return state;
}

class Training {
  readonly #net: Net;
  readonly #settings: Settings;
  readonly #graphs: TrainingGraphs;
  readonly #batches: Batches;
  readonly #runner: StateRunner;
  readonly #reporter: Reporter;
  readonly #keeper: Keeper | undefined;
  /** Steps done. */
  #step: number;

  constructor(
    net: Net,
    settings: Settings,
    graphs: TrainingGraphs,
    batches: Batches,
    runner: StateRunner,
    reporter: Reporter,
    keeper: Keeper | undefined,
  ) {
    this.#net = net;
    this.#settings = settings;
    this.#graphs = graphs;
    this.#batches = batches;
    this.#runner = runner;
    this.#reporter = reporter;
    this.#keeper = keeper;
    this.#step = keeper?.found?.step ?? 0;
  }

  async run(): Promise<Trained> {
    if (!this.#keeper?.found) await this.#save(); // a folder that cannot be written should not be found out after an epoch
    await this.#finishEpoch(); // a run may have been stopped between an epoch's last step and its end
    const feeds = this.#feedsFrom(this.#step);
    let next = await feeds.next();
    while (!next.done) {
      await this.#stopIfAsked();
      const begin = performance.now();
      const { step, lr } = next.value;
      const running = this.#runner.call('train', next.value.feeds, { transfer: true });
      // The next batch is made meanwhile.
      const [results, following] = await Promise.all([running, feeds.next()]);
      next = following;
      const values = numbers(results);
      if (!Number.isFinite(values.loss! + values.norm!)) await this.#diverged(step, lr, values);
      this.#step++;
      this.#reporter.step(this.#step, values, lr, (performance.now() - begin) / 1000);
      await this.#finishEpoch();
      const { every } = this.#settings;
      if (every !== undefined && this.#step % every === 0 && this.#keeper?.saved?.step !== this.#step)
        await this.#save();
    }
    return this.#result();
  }

  #feedsFrom(step: number): AsyncGenerator<StepFeeds> {
    const { schedule, seed, epochs } = this.#settings;
    return feedsFrom(step, {
      batches: this.#batches,
      task: taskOf(this.#settings),
      schedule,
      seed,
      noise: this.#graphs.noise,
      scalars: this.#graphs.scalars,
      total: epochs * this.#batches.batchesPerEpoch,
      signature: this.#runner.graphs.train!,
    });
  }

  /** Validates and closes the epoch if its last step was the last one done. */
  async #finishEpoch(): Promise<void> {
    if (this.#step !== (this.#reporter.history.length + 1) * this.#batches.batchesPerEpoch) return;
    const { validation, signal } = this.#settings;
    let measured: Record<string, number> | undefined;
    if (validation) {
      const stopped = () => signal?.aborted === true;
      measured = await accuracies(this.#runner, this.#graphs.answers, validation, stopped);
      if (!measured) await this.#stopIfAsked();
    }
    this.#reporter.epoch(this.#step, measured);
    await this.#save();
  }

  async #save(): Promise<void> {
    await this.#keeper?.save(this.#step, await this.#runner.read(), this.#reporter);
  }

  async #stopIfAsked(): Promise<void> {
    if (!this.#settings.signal?.aborted) return;
    if (this.#keeper && this.#keeper.saved?.step !== this.#step) await this.#save();
    const path = this.#keeper?.saved?.path;
    throw new TrainingStopped('interrupted', `training was stopped after step ${this.#step}`, {
      fix: path ? `${path} holds it, resume continues` : 'nothing was kept: no checkpoint folder was given',
      checkpoint: path,
    });
  }

  async #diverged(step: number, lr: number, { loss, norm }: Values): Promise<never> {
    // The engine left the state as it was before this step, and the step's feeds can be made again.
    const state = await this.#runner.read();
    const { feeds } = (await this.#feedsFrom(step).next()).value as StepFeeds;
    const where = await whereNotFinite(
      this.#net,
      { ...this.#settings, block: this.#graphs.weights.block },
      state,
      feeds,
      this.#settings.session,
    );
    const what = Number.isFinite(loss) ? `gradient's norm became ${norm}` : `loss became ${loss}`;
    const epoch = Math.floor(step / this.#batches.batchesPerEpoch) + 1;
    const saved = this.#keeper?.saved;
    const kept = saved ? `the last good checkpoint is ${saved.path} (step ${saved.step})` : 'no checkpoint was kept';
    throw new TrainingStopped(
      'diverged',
      `the ${what} at epoch ${epoch}, step ${step + 1}, learning rate ${lr}: ${where}; ${kept}`,
      { fix: 'lower the learning rate or clip the gradient', checkpoint: saved?.path },
    );
  }

  async #result(): Promise<Trained> {
    const state = await this.#runner.read();
    const { weights, statistics } = this.#graphs;
    const values = unflatten(state.weights!, weights);
    if (state.statistics) for (const [name, value] of unflatten(state.statistics, statistics)) values.set(name, value);
    const { data, seed } = this.#settings;
    return {
      net: this.#net,
      weights: new Map(parametersOf(this.#net).map(({ name }) => [name, values.get(name)!])),
      classes: data.classes,
      preprocessing: {
        shape: data.shape,
        scale: (await holdsBytes(data)) ? 1 / 255 : 1,
        mean: data.mean,
        std: data.std,
      },
      seed,
      history: this.#reporter.history,
      training: this.#reporter.summary(),
    };
  }
}

const numbers = (results: Arrays): Values =>
  Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Number(data[0])]));
