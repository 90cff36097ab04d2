import type { ModelAnswer } from '../../../src/deploy/answers.ts';
import type { ModelCard } from '../../../src/deploy/card.ts';
import type { Trace } from '../../../src/dynamic/trace.ts';
import type { Curve } from '../../../src/explain/algorithms.ts';

/** Thresholds by decision: one number (+Infinity is "never"), or one for each option. */
export type Thresholds = Readonly<Record<string, number | readonly number[]>>;

/** Raw values of `n` inputs, as a data set or a canvas holds them; the worker normalises bytes. */
export interface Inputs {
  readonly values: Uint8Array | Float32Array;
  readonly n: number;
}

/** A model that the worker holds. */
export interface Opened {
  readonly card: ModelCard;
  /** Size of the file. */
  readonly bytes: number;
  /** Threads of the engine. */
  readonly threads: number;
}

export interface Ran {
  readonly answers: readonly ModelAnswer[];
  readonly traces: readonly Trace[];
  /** [n, classes] probabilities at the temperature of the exit taken. */
  readonly probabilities: Float32Array;
}

/** What the net scores and would answer at every exit. */
export interface Seen {
  /** [n, exits] */
  readonly scores: Float32Array;
  /** [n, exits + 1]: the class of each answer, the full path last. */
  readonly answers: Uint16Array;
  /** [n, exits + 1]: its probability. */
  readonly confidence: Float32Array;
  /** Of a single input: the probabilities of all classes at every exit. */
  readonly probabilities: readonly Float32Array[];
}

/** One thing to be timed: an input, and the thresholds that it runs with. */
export interface Timed {
  readonly values: Uint8Array | Float32Array;
  readonly thresholds: Thresholds;
}

/** How a map is made: the gradient, its mean over noisy copies, times the input, along a path, or from masks alone. */
export type Method = 'gradient' | 'smooth' | 'product' | 'integrated' | 'rise';

/** What a score rests on. */
export interface Why {
  /** [height * width]: how much each place counts. */
  readonly map: Float32Array;
  /** The method that was used: RISE where there is no gradient. */
  readonly method: Method;
  readonly deletion: Curve;
  readonly insertion: Curve;
  /** The same for places in random order, mean of three. */
  readonly randomDeletion: Curve;
  readonly randomInsertion: Curve;
}

/** How alike maps still are after the weights from the last layer down to this one were shuffled. */
export interface Likeness {
  readonly layer: string;
  /** Mean rank correlation of the maps' sizes. */
  readonly alike: number;
}

export type Checked = readonly Likeness[];

/** What the page may ask of the worker. */
export interface Engine {
  /** @throws a sentence for files that are no model of ours */
  open(bytes: Uint8Array): Promise<Opened>;
  run(inputs: Inputs, thresholds: Thresholds): Promise<Ran>;
  /** Everything that every exit would say. For nets whose decisions are all exits. */
  observe(inputs: Inputs): Promise<Seen>;
  /** What a decision's score ("decision/exit1") or the answer ("answer/answer") rests on, for one input. */
  why(input: Inputs, target: string, method: Method, thresholds: Thresholds): Promise<Why>;
  /** The check by random weights, from the last layer to the first. */
  check(inputs: Inputs, target: string, thresholds: Thresholds): Promise<Checked>;
  /** The gradient graph of a target, as an ONNX file. */
  gradientFile(target: string): Promise<Uint8Array>;
  /** Median milliseconds of one input each, taken in turns. */
  time(contenders: readonly Timed[], rounds: number): Promise<number[]>;
}

export type EngineMethod = keyof Engine;

export interface Ask {
  readonly id: number;
  readonly method: EngineMethod;
  readonly args: readonly unknown[];
}

export type Reply = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: string };
