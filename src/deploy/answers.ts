import { answerNames, argmaxAt, confidenceAt, isExit, type Trace } from '../dynamic/index.ts';
import type { NDArray } from '../graph/index.ts';
import type { ModelCard } from './card.ts';

/** What a model says about one input. */
export interface ModelAnswer {
  readonly class: string;
  readonly index: number;
  /** Probability of the class: softmax(logits / temperature of the exit taken). */
  readonly confidence: number;
  /** Where the input left: the exit's name, or "final". */
  readonly exit: string;
}

/** Where an input left: the number of the exit, or the number of exits for "final". */
export function exitOf(card: ModelCard): (trace: Trace) => number {
  const rows = card.decisions.flatMap((d, row) => (isExit(d) ? [row] : []));
  return (trace) => {
    const at = rows.findIndex((row) => trace.rows[row]!.value === 1);
    return at < 0 ? rows.length : at;
  };
}

/** Reads answers from logits; nets that give no [n, classes] have none. */
export function answersOf(card: ModelCard): (logits: NDArray, exits: readonly number[]) => ModelAnswer[] {
  const { classes, decisions, temperatures } = card;
  const width = classes.length;
  const names = answerNames(decisions);
  const heat = names.map((name) => temperatures[name] ?? 1);
  return ({ dims, data }, exits) => {
    if (dims.length !== 2 || dims[1] !== width) return [];
    return exits.map((exit, i) => {
      const values = data as Float32Array;
      const index = argmaxAt(values, i * width, width);
      const confidence = confidenceAt(values, i * width, width, heat[exit]!);
      return { class: classes[index]!, index, confidence, exit: names[exit]! };
    });
  };
}
