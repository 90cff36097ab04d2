import { simplify, type Tensor } from '../../graph/index.ts';
import { answersOf, joinsOf, type Net } from '../net.ts';

/** Everything computed and shown: what calibration and reports look at. */
export interface Observed {
  /** Score of each decision, in the order of a trace's columns. */
  readonly scores: readonly { readonly decision: string; readonly score: Tensor }[];
  /** Every answer of the net, earliest first; the last is the full net's. */
  readonly answers: readonly { readonly name: string; readonly logits: Tensor }[];
}

/** All scores and all answers of a net whose decisions all lie on the way to its answer (exits). */
export function observe(net: Net): Observed {
  const joins = joinsOf(net);
  const answers = answersOf(net);
  const all = simplify([...joins.map((j) => j.inputs[0]!), ...answers.map((a) => a.logits)]);
  return {
    scores: joins.map((j, i) => ({ decision: j.attrs.decision.name, score: all[i]! })),
    answers: answers.map((a, i) => ({ name: a.name, logits: all[joins.length + i]! })),
  };
}
