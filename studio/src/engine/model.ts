import { answersOf, exitOf } from '../../../src/deploy/answers.ts';
import { defaultNames, type ModelCard } from '../../../src/deploy/card.ts';
import { floor32 } from '../../../src/deploy/float32.ts';
import { feeder } from '../../../src/deploy/images.ts';
import { asStored } from '../../../src/deploy/layout.ts';
import { cardIn } from '../../../src/deploy/read-card.ts';
import { type Decision, isExit } from '../../../src/dynamic/decision.ts';
import { thresholdName } from '../../../src/dynamic/lower/choice.ts';
import { decodeTrace } from '../../../src/dynamic/trace.ts';
import { DynaError } from '../../../src/errors.ts';
import type { NDArray } from '../../../src/graph/array.ts';
import { decodeModel, encodeModel, stripDefaults } from '../../../src/graph/onnx/index.ts';
import { scoreOutput, withScores } from './observed.ts';
import { Session } from './ort.ts';
import { probabilitiesAt } from './probabilities.ts';
import type { Inputs, Ran, Seen, Thresholds, Timed } from './protocol.ts';

const NEVER = Number.POSITIVE_INFINITY;

const thresholdFeeds = (decisions: readonly Decision[], thresholds: Thresholds): Record<string, NDArray> =>
  Object.fromEntries(
    decisions.map((d) => {
      const k = d.options.length;
      const given = thresholds[d.name];
      const value: NDArray =
        d.rule !== 'argmax'
          ? { dtype: 'float32', dims: [], data: new Float32Array([floor32(Number(given ?? NEVER))]) }
          : {
              dtype: 'float32',
              dims: [k],
              data: Array.isArray(given) ? Float32Array.from(given) : new Float32Array(k),
            };
      return [thresholdName(d), value];
    }),
  );

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** One opened file: the net as it is shipped, and beside it, once asked for, the one that shows its scores. */
export class OpenModel {
  readonly card: ModelCard;
  readonly bytes: Uint8Array;
  readonly #session: Session;
  readonly #feed: ReturnType<typeof feeder>;
  #observing: Promise<Session> | undefined;

  constructor(card: ModelCard, bytes: Uint8Array, session: Session) {
    this.card = card;
    this.bytes = bytes;
    this.#session = session;
    this.#feed = feeder(card.preprocessing);
  }

  static async open(bytes: Uint8Array): Promise<OpenModel> {
    const card = cardIn(bytes);
    const session = await Session.open(stripDefaults(bytes, card.decisions.map(thresholdName)));
    const missing = card.decisions.find((d) => !session.inputs.includes(thresholdName(d)));
    if (missing) throw new DynaError('model', `the file's card and its graph do not belong together`);
    return new OpenModel(card, bytes, session);
  }

  /** Inputs as the net takes them. */
  normalise({ values, n }: Inputs): NDArray {
    const dims = [n, ...this.card.preprocessing.shape];
    return this.#feed({ dtype: values instanceof Uint8Array ? 'uint8' : 'float32', dims, data: values });
  }

  feeds(input: NDArray, thresholds: Thresholds): Record<string, NDArray> {
    const { names = defaultNames, decisions, layout } = this.card;
    return { [names.input]: asStored(input, layout), ...thresholdFeeds(decisions, thresholds) };
  }

  async #outputs(session: Session, input: NDArray, thresholds: Thresholds, outputs?: readonly string[]) {
    return session.run(this.feeds(input, thresholds), outputs);
  }

  async run(inputs: Inputs, thresholds: Thresholds): Promise<Ran> {
    const { card } = this;
    const { names = defaultNames, output: meaning = 'logits', classes, decisions } = card;
    const key = { decisions: decisions.map((d) => d.name), columns: card.columns, regions: card.regions };
    const input = this.normalise(inputs);
    const parts: Ran[] = [];
    // A file of the form "branch" takes one input at a time.
    const step = card.form === 'branch' ? 1 : inputs.n;
    for (let at = 0; at < inputs.n; at += step) {
      const results = await this.#outputs(this.#session, rows(input, at, step), thresholds);
      const noChoices: NDArray = { dtype: 'float32', dims: [step, 0], data: new Float32Array(0) };
      const traces = decodeTrace(results.trace ?? noChoices, key);
      const exits = traces.map(exitOf(card));
      const logits = asLogits(results[names.output]!, meaning);
      const exitNames = [...decisions.filter(isExit).map((d) => d.name), ''];
      const heat = exits.map((e) => card.temperatures[exitNames[e]!] ?? 1);
      parts.push({
        answers: answersOf(card)(logits, exits),
        traces,
        probabilities: probabilitiesAt(logits.data as Float32Array, classes.length, heat),
      });
    }
    if (parts.length === 1) return parts[0]!;
    return {
      answers: parts.flatMap((p) => p.answers),
      traces: parts.flatMap((p) => p.traces),
      probabilities: Float32Array.from(parts.flatMap((p) => [...p.probabilities])),
    };
  }

  /**
   * All rows go the full way once, which shows every score, and leave at each exit once, which shows its answer: exactly
   * what the shipped file computes.
   */
  async observe({ values, n }: Inputs): Promise<Seen> {
    const { card } = this;
    const { names = defaultNames, output: meaning = 'logits', classes, decisions, temperatures } = card;
    this.#observing ??= this.#openObserving();
    const session = await this.#observing;
    const all = this.normalise({ values, n });
    const width = decisions.length + 1;
    const seen = {
      scores: new Float32Array(n * decisions.length),
      answers: new Uint16Array(n * width),
      confidence: new Float32Array(n * width),
      probabilities: [] as Float32Array[],
    };
    const step = card.form === 'branch' ? 1 : n;
    for (let at = 0; at < n; at += step) {
      const input = rows(all, at, step);
      for (let exit = 0; exit < width; exit++) {
        const full = exit === decisions.length;
        const thresholds = full ? {} : { [decisions[exit]!.name]: -NEVER };
        const wanted = full ? decisions.map((d) => scoreOutput(d.name)) : [];
        const results = await this.#outputs(session, input, thresholds, [names.output, ...wanted]);
        const heat = full ? 1 : (temperatures[decisions[exit]!.name] ?? 1);
        const logits = asLogits(results[names.output]!, meaning).data as Float32Array;
        const sure = probabilitiesAt(logits, classes.length, new Array<number>(step).fill(heat));
        if (n === 1) seen.probabilities.push(sure);
        for (let i = 0; i < step; i++) {
          const best = argmax(logits, i * classes.length, classes.length);
          seen.answers[(at + i) * width + exit] = best;
          seen.confidence[(at + i) * width + exit] = sure[i * classes.length + best]!;
        }
        for (const [e, name] of wanted.entries()) {
          const scores = results[name]!.data as Float32Array;
          for (let i = 0; i < step; i++) seen.scores[(at + i) * decisions.length + e] = scores[i]!;
        }
      }
    }
    return seen;
  }

  async #openObserving(): Promise<Session> {
    const { decisions } = this.card;
    const names = decisions.map(thresholdName);
    const model = withScores(decodeModel(this.bytes), Object.fromEntries(decisions.map((d, i) => [d.name, names[i]!])));
    return Session.open(stripDefaults(encodeModel(model), names));
  }

  async time(contenders: readonly Timed[], rounds: number): Promise<number[]> {
    const ready = contenders.map(({ values, thresholds }) => ({ input: this.normalise({ values, n: 1 }), thresholds }));
    const times = ready.map((): number[] => []);
    for (let round = -1; round < rounds; round++)
      for (const [i, { input, thresholds }] of ready.entries()) {
        const started = performance.now();
        await this.#outputs(this.#session, input, thresholds);
        if (round >= 0) times[i]!.push(performance.now() - started);
      }
    return times.map(median);
  }

  async close(): Promise<void> {
    await this.#session.close();
    await (await this.#observing)?.close();
  }
}

function argmax(values: Float32Array, at: number, width: number): number {
  let best = 0;
  for (let k = 1; k < width; k++) if (values[at + k]! > values[at + best]!) best = k;
  return best;
}

/** Rows `at` to `at + n` of an array. */
function rows({ dims, data }: NDArray, at: number, n: number): NDArray {
  const size = data.length / dims[0]!;
  return {
    dtype: 'float32',
    dims: [n, ...dims.slice(1)],
    data: (data as Float32Array).subarray(at * size, (at + n) * size),
  };
}

const asLogits = (output: NDArray, meaning: string): NDArray =>
  meaning === 'probabilities' ? { ...output, data: Float32Array.from(output.data as Float32Array, Math.log) } : output;
