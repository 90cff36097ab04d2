import { type Drift, decodeTrace, driftCheck, isExit, type Trace, thresholdName } from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import { readBytes } from '../files.ts';
import { formatShape, type NDArray, sameShape, stripDefaults } from '../graph/index.ts';
import { compile, compileInWorker, type Runner, type SessionOptions } from '../runtime/index.ts';
import { answersOf, exitOf, type ModelAnswer } from './answers.ts';
import { defaultNames, type ModelCard } from './card.ts';
import { feeder, type Images } from './images.ts';
import { asStored, storedShape } from './layout.ts';
import { logitsOf } from './meaning.ts';
import { type BudgetOptions, Operating, type UsedPoint } from './operating.ts';
import { cardIn, inFile } from './read-card.ts';

export interface LoadOptions {
  readonly session?: SessionOptions;
  /** Runs in a thread of its own, which keeps this one free; a call then takes about 0.1 ms longer. */
  readonly worker?: boolean;
}

/** What one run gave. */
export interface RunResult {
  /** [n, classes] as the file gives it: before softmax, unless the card's `output` says otherwise. */
  readonly output: NDArray;
  /** One for each input; empty where the net is no classifier. */
  readonly answers: readonly ModelAnswer[];
  /** The choices of each input, and what they cost. */
  readonly trace: readonly Trace[];
  readonly point: UsedPoint;
  /** Wall-clock time of the engine for all inputs together. */
  readonly ms: number;
}

export interface DriftOptions {
  /** Whose runs are checked: the point that this budget picks; by default the file's chosen point. */
  readonly budget?: number;
  /** Share of false alarms when nothing has changed. */
  readonly alpha?: number;
  /** Shares that differ by less are never called drift. */
  readonly tolerance?: number;
}

/** A saved model, ready to run. */
export interface LoadedModel {
  readonly card: ModelCard;
  /**
   * Answers for one or more images, within a budget.
   *
   * @throws DynaError 'shape' or 'dtype' for images that do not fit, 'usage' for a budget that cannot be kept
   */
  run(images: Images, options?: BudgetOptions): Promise<RunResult>;
  /**
   * Compares where inputs have left so far with where the certify split left at the same operating point: the first sign
   * of inputs that the certificate does not speak for.
   *
   * @throws DynaError 'certificate' where nothing is certified, 'data' before the first run at that point
   */
  drift(options?: DriftOptions): Drift;
  /** Waits for runs in flight and frees the engine's memory. */
  close(): Promise<void>;
}

/**
 * Loads what `save` wrote. The certificate is checked against the file's content.
 *
 * @param source a path, or the content of a file
 * @throws DynaError as `readCard`; 'model' where graph and card do not belong together
 * @example
 * const model = await load('fashion.onnx')
 * const { answers, trace } = await model.run(image, { budget: 0.4 })
 */
export async function load(source: string | Uint8Array, options: LoadOptions = {}): Promise<LoadedModel> {
  const name = typeof source === 'string' ? source : undefined;
  const bytes = typeof source === 'string' ? await readBytes(source) : source;
  const [card, open] = inFile(name, () => {
    const found = cardIn(bytes);
    return [found, stripDefaults(bytes, found.decisions.map(thresholdName))];
  });
  const runner = await (options.worker ? compileInWorker : compile)(open, options.session);
  try {
    inFile(name, () => checkBelongs(card, runner));
  } catch (error) {
    await runner.close();
    throw error;
  }
  return new Loaded(card, runner);
}

function checkBelongs(card: ModelCard, { inputs, outputs }: Runner): void {
  const { preprocessing, decisions, classes, layout, names = defaultNames } = card;
  const differ = (what: string) =>
    new DynaError('model', `the file's card and its graph do not belong together: ${what}`);
  const wanted = [names.input, ...decisions.map(thresholdName)];
  if (inputs.length !== wanted.length || !wanted.every((w) => inputs.some((i) => i.name === w)))
    throw differ(`expected inputs ${wanted.join(', ')}, got ${inputs.map((i) => i.name).join(', ')}`);
  const { shape, dtype } = inputs.find((i) => i.name === names.input)!;
  const item = storedShape(preprocessing.shape, layout);
  if (dtype !== 'float32' || !sameShape(shape.slice(1), item))
    throw differ(`expected ${names.input} float32 [n, ${item.join(', ')}], got ${dtype} ${formatShape(shape)}`);
  const results = decisions.length > 0 ? [names.output, 'trace'] : [names.output];
  const missing = results.find((r) => !outputs.some((o) => o.name === r));
  if (missing) throw differ(`it has no output "${missing}"`);
  const logits = outputs.find((o) => o.name === names.output)!.shape;
  if (logits.length === 2 && logits[1] !== classes.length)
    throw differ(`${classes.length} class names, but logits ${formatShape(logits)}`);
}

class Loaded implements LoadedModel {
  readonly card: ModelCard;
  readonly #runner: Runner;
  readonly #operating: Operating;
  readonly #feed: (images: Images) => NDArray;
  readonly #exitOf: (trace: Trace) => number;
  readonly #answersOf: (logits: NDArray, exits: readonly number[]) => ModelAnswer[];
  readonly #key: Parameters<typeof decodeTrace>[1];
  /** How many inputs left at each exit, point by point. */
  readonly #counts: number[][];

  constructor(card: ModelCard, runner: Runner) {
    this.card = card;
    this.#runner = runner;
    this.#operating = new Operating(card);
    this.#feed = feeder(card.preprocessing);
    this.#exitOf = exitOf(card);
    this.#answersOf = answersOf(card);
    this.#key = { decisions: card.decisions.map((d) => d.name), columns: card.columns, regions: card.regions };
    const exits = card.decisions.filter(isExit).length;
    this.#counts = card.points.map(() => new Array<number>(exits + 1).fill(0));
  }

  async run(images: Images, options?: BudgetOptions): Promise<RunResult> {
    const { feeds, used, index } = this.#operating.choose(options);
    const input = this.#feed(images);
    const n = input.dims[0]!;
    if (this.card.form === 'branch' && n > 1)
      throw new DynaError('shape', `this file takes one image at a time (form "branch"), got ${n}`, {
        fix: 'run them one by one, or save the model in the form "rows"',
      });
    const { names = defaultNames, output: meaning, layout } = this.card;
    const stored = asStored(input, layout);
    const started = performance.now();
    const results = await this.#runner.run({ [names.input]: stored, ...feeds });
    const ms = performance.now() - started;
    const { [names.output]: output, trace: choices = noChoices(n) } = results;
    const traces = decodeTrace(choices, this.#key);
    const exits = traces.map(this.#exitOf);
    if (index !== undefined) for (const exit of exits) this.#counts[index]![exit]!++;
    return {
      output: output!,
      answers: this.#answersOf(logitsOf(output!, meaning), exits),
      trace: traces,
      point: used,
      ms,
    };
  }

  drift({ budget, ...options }: DriftOptions = {}): Drift {
    const { certificate, points } = this.card;
    if (!certificate)
      throw new DynaError('certificate', `"${this.card.name}" is not certified, so there is nothing to compare with`);
    if (!this.card.decisions.some(isExit))
      throw new DynaError('usage', `"${this.card.name}" has no exits, and a drift check compares where inputs leave`, {
        fix: 'compare the traces of run() yourself',
      });
    const { index } = this.#operating.choose(budget === undefined ? {} : { budget });
    const live = this.#counts[index!]!;
    if (live.every((c) => c === 0))
      throw new DynaError('data', 'no input has been run at this operating point yet', { fix: 'call run() first' });
    return driftCheck(
      points[index!]!.shares.map((s) => Math.round(s * certificate.n)),
      live,
      options,
    );
  }

  close(): Promise<void> {
    return this.#runner.close();
  }
}

const noChoices = (n: number): NDArray => ({ dtype: 'float32', dims: [n, 0], data: new Float32Array(0) });
