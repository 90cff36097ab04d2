import type { ModelCard } from '../../../src/deploy/card.ts';
import { floor32 } from '../../../src/deploy/float32.ts';
import { pathCost } from '../../../src/dynamic/cost.ts';
import { isExit } from '../../../src/dynamic/decision.ts';
import type { Trace } from '../../../src/dynamic/trace.ts';
import type { Ran, Seen, Thresholds } from '../engine/protocol.ts';

/** What a model does with each input at one setting. */
export interface Outcome {
  readonly n: number;
  /** Class numbers. */
  readonly answers: Uint16Array;
  readonly confidence: Float32Array;
  /** Which of the table's paths each input takes. */
  readonly paths: Uint16Array;
}

/** What is known of a model and a set of inputs, enough to turn the knob without running it again. */
export interface Table {
  /** Inputs so far. */
  readonly n: number;
  /** The ways through the net that were seen, in the order in which outcomes number them. */
  readonly paths: readonly Trace[];
  /** @param index of the setting among the knob's, for tables that hold settings one by one */
  outcome(thresholds: Thresholds, index: number): Outcome;
}

/** The trace of an input that passes `exit` exits and leaves at the next; the number of exits: it leaves nowhere. */
export function exitTrace({ decisions, regions }: ModelCard, exit: number): Trace {
  const exits = decisions.filter(isExit).map((d) => d.name);
  const option = (name: string): number | undefined => {
    const at = exits.indexOf(name);
    return at < exit ? 0 : at === exit ? 1 : undefined;
  };
  const cost = pathCost(regions, option);
  const rows = decisions.map(({ name }) => {
    const value = option(name);
    return { decision: name, step: 0, kind: 'index' as const, value: value ?? null, reached: value !== undefined };
  });
  return { rows, macs: cost.macs, cost };
}

/** Scores and answers of all exits: any thresholds are a matter of comparing numbers. */
export class ExitTable implements Table {
  readonly paths: readonly Trace[];
  readonly scores: Float32Array;
  readonly #names: readonly string[];
  readonly #answers: Uint16Array;
  readonly #confidence: Float32Array;
  n = 0;

  /** @param capacity inputs that it will hold at most */
  constructor(card: ModelCard, capacity: number) {
    this.#names = card.decisions.map((d) => d.name);
    const exits = this.#names.length;
    this.paths = Array.from({ length: exits + 1 }, (_, e) => exitTrace(card, e));
    this.scores = new Float32Array(capacity * exits);
    this.#answers = new Uint16Array(capacity * (exits + 1));
    this.#confidence = new Float32Array(capacity * (exits + 1));
  }

  add(seen: Seen): void {
    const exits = this.#names.length;
    this.scores.set(seen.scores, this.n * exits);
    this.#answers.set(seen.answers, this.n * (exits + 1));
    this.#confidence.set(seen.confidence, this.n * (exits + 1));
    this.n += seen.answers.length / (exits + 1);
  }

  outcome(thresholds: Thresholds): Outcome {
    const { n, scores } = this;
    const exits = this.#names.length;
    const limits = this.#names.map((name) => floor32(Number(thresholds[name] ?? Number.POSITIVE_INFINITY)));
    const answers = new Uint16Array(n);
    const confidence = new Float32Array(n);
    const paths = new Uint16Array(n);
    for (let i = 0; i < n; i++) {
      let e = 0;
      while (e < exits && !(scores[i * exits + e]! > limits[e]!)) e++;
      const at = i * (exits + 1) + e;
      paths[i] = e;
      answers[i] = this.#answers[at]!;
      confidence[i] = this.#confidence[at]!;
    }
    return { n, answers, confidence, paths };
  }
}

const keyOf = (trace: Trace): string => trace.rows.map((r) => r.value).join();

/** Nets with decisions of other kinds: what each of the file's operating points did. */
export class PointTable implements Table {
  readonly paths: Trace[] = [];
  readonly #known = new Map<string, number>();
  readonly #outcomes: readonly Outcome[];
  n = 0;

  constructor(settings: number, capacity: number) {
    this.#outcomes = Array.from({ length: settings }, () => ({
      n: 0,
      answers: new Uint16Array(capacity),
      confidence: new Float32Array(capacity),
      paths: new Uint16Array(capacity),
    }));
  }

  /** @param runs the same inputs at each setting */
  add(runs: readonly Ran[]): void {
    for (const [s, { answers, traces }] of runs.entries()) {
      const to = this.#outcomes[s]!;
      for (const [i, trace] of traces.entries()) {
        to.answers[this.n + i] = answers[i]?.index ?? 0;
        to.confidence[this.n + i] = answers[i]?.confidence ?? 0;
        to.paths[this.n + i] = this.#number(trace);
      }
    }
    this.n += runs[0]?.traces.length ?? 0;
  }

  #number(trace: Trace): number {
    const key = keyOf(trace);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#known.set(key, this.paths.length);
    return this.paths.push(trace) - 1;
  }

  outcome(_: Thresholds, index: number): Outcome {
    return { ...this.#outcomes[index]!, n: this.n };
  }
}
