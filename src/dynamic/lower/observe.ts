import { simplify, type Tensor } from '../../graph/index.ts';
import { answersOf, joinsOf, type Net } from '../traced.ts';
import type { Thresholds } from './choice.ts';
import { settled } from './settled.ts';

/** Everything computed and shown: what calibration and reports look at. */
export interface Observed {
  /** Score of each exit, [N], in the order of a trace's columns. */
  readonly scores: readonly { readonly decision: string; readonly score: Tensor }[];
  /** Every answer of the net, earliest first; the last is the full net's. */
  readonly answers: readonly { readonly name: string; readonly logits: Tensor }[];
  /** What the decisions that are no exits chose: their score, and the option's number for each row, [N, 1]. */
  readonly choices: readonly { readonly decision: string; readonly score: Tensor; readonly column: Tensor }[];
  /** What decisions about units scored, [N, units], and how many they kept, [N, 1]. */
  readonly kept: readonly { readonly decision: string; readonly score: Tensor; readonly count: Tensor }[];
}

/**
 * All scores and all answers of a net's exits. Other decisions choose for themselves, at `thresholds`.
 *
 * @param thresholds of decisions that are no exits; others part where trained gates do
 */
export function observe(net: Net, thresholds: Thresholds = {}): Observed {
  const { net: open, choices, kept } = settled(net, thresholds);
  const joins = joinsOf(open);
  const answers = answersOf(open);
  const all = simplify([
    ...joins.map((j) => j.inputs[0]!),
    ...answers.map((a) => a.logits),
    ...[...choices.values()].flatMap((c) => [c.score, c.column]),
    ...[...kept.values()].flatMap((k) => [k.score, k.count]),
  ]);
  const first = joins.length + answers.length;
  return {
    scores: joins.map((j, i) => ({ decision: j.attrs.decision.name, score: all[i]! })),
    answers: answers.map((a, i) => ({ name: a.name, logits: all[joins.length + i]! })),
    choices: [...choices.keys()].map((decision, i) => ({
      decision,
      score: all[first + 2 * i]!,
      column: all[first + 2 * i + 1]!,
    })),
    kept: [...kept.keys()].map((decision, i) => ({
      decision,
      score: all[first + 2 * (choices.size + i)]!,
      count: all[first + 2 * (choices.size + i) + 1]!,
    })),
  };
}
