import type { Checkpoint } from './checkpoint.ts';
import { Meter, type MeterState, pick, type Values } from './meter.ts';
import { type Ending, MetricsFile } from './metrics.ts';
import type { Settings } from './options.ts';
import type { DecisionMetrics, EpochMetrics } from './types.ts';

/** Steps between lines of the metrics file. */
const LOG_EVERY = 10;
const PROGRESS_EVERY_MS = 200;

/** Keeps the numbers of a training: running means, history, metrics file, progress. */
export class Reporter {
  readonly history: EpochMetrics[];
  readonly #settings: Settings;
  readonly #perEpoch: number;
  readonly #total: number;
  readonly #file: MetricsFile | undefined;
  #meter: Meter;
  /** Steps done. */
  #step: number;
  #shown = Number.NEGATIVE_INFINITY;
  /** Of this process alone: an earlier one may have run elsewhere. */
  #pace = { steps: 0, seconds: 0 };

  private constructor(settings: Settings, perEpoch: number, from: Checkpoint | undefined, file?: MetricsFile) {
    this.#settings = settings;
    this.#perEpoch = perEpoch;
    this.#total = perEpoch * settings.epochs;
    this.#file = file;
    this.history = [...(from?.history ?? [])];
    this.#meter = new Meter(from?.meter);
    this.#step = from?.step ?? 0;
  }

  static async open(settings: Settings, perEpoch: number, from: Checkpoint | undefined): Promise<Reporter> {
    const { metrics, resume } = settings;
    const at = resume ? { step: from?.step ?? 0, epochs: from?.history.length ?? 0 } : undefined;
    const file = metrics === undefined ? undefined : await MetricsFile.open(metrics, at);
    return new Reporter(settings, perEpoch, from, file);
  }

  /** What a checkpoint needs to know of us; by then all lines before it are on the disk. */
  state(): { history: readonly EpochMetrics[]; meter: MeterState } {
    this.#file?.sync();
    return { history: [...this.history], meter: this.#meter.state() };
  }

  /** Takes the outputs of step number `step` (from 1). */
  step(step: number, values: Values, lr: number, seconds: number): void {
    this.#step = step;
    this.#meter.add(values, seconds);
    this.#pace.steps++;
    this.#pace.seconds += seconds;
    const epoch = this.history.length + 1;
    const keys = Object.keys(values);
    if (this.#file && step % LOG_EVERY === 0)
      this.#file.write({
        type: 'step',
        epoch,
        step,
        lr,
        loss: values.loss!,
        norm: values.norm!,
        accuracy: pick('accuracy', keys, (key) => values[key]!),
        entropy: pick('entropy', keys, (key) => values[key]!),
        ...decided((kind) => pick(kind, keys, (key) => values[key]!), values.cost),
      });
    const now = performance.now();
    if (!this.#settings.onProgress || (step < this.#total && now - this.#shown < PROGRESS_EVERY_MS)) return;
    this.#shown = now;
    const each = this.#pace.seconds / this.#pace.steps;
    this.#settings.onProgress({
      epoch,
      epochs: this.#settings.epochs,
      step,
      steps: this.#total,
      loss: this.#meter.mean('loss'),
      accuracy: this.#meter.means('accuracy'),
      entropy: this.#meter.means('entropy'),
      ...this.#decided(),
      imagesPerSecond: this.#settings.batch / each,
      secondsLeft: each * (this.#total - step),
    });
  }

  /** Closes an epoch after step number `step`. */
  epoch(step: number, validation: Readonly<Record<string, number>> | undefined): void {
    const { seconds } = this.#meter;
    const metrics: EpochMetrics = {
      epoch: this.history.length + 1,
      loss: this.#meter.mean('loss'),
      accuracy: this.#meter.means('accuracy'),
      entropy: this.#meter.means('entropy'),
      ...this.#decided(),
      ...(validation ? { validation } : {}),
      seconds,
      imagesPerSecond: (this.#perEpoch * this.#settings.batch) / seconds,
    };
    this.history.push(metrics);
    this.#meter = new Meter();
    this.#file?.write({ type: 'epoch', step, ...metrics });
  }

  #decided(): DecisionMetrics {
    return decided((kind) => this.#meter.means(kind), this.#meter.has('cost') ? this.#meter.mean('cost') : undefined);
  }

  summary(): { epochs: number; seconds: number; imagesPerSecond: number } {
    const seconds = this.history.reduce((sum, e) => sum + e.seconds, 0);
    const epochs = this.history.length;
    return { epochs, seconds, imagesPerSecond: (epochs * this.#perEpoch * this.#settings.batch) / seconds };
  }

  /** Says how the training ended, and closes the file. */
  close(how: Ending['how'], why?: string): void {
    try {
      this.#file?.write({ type: 'end', step: this.#step, how, ...(why === undefined ? {} : { why }) });
    } finally {
      this.#file?.close();
    }
  }
}

/** Rates and expected cost, where the net has decisions that are no exits. */
function decided(rates: (kind: string) => Record<string, number>, cost: number | undefined): DecisionMetrics {
  return cost === undefined ? {} : { rate: rates('rate'), cost };
}
