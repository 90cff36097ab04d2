import { DynaError } from '../../errors.ts';
import { simplify, type Tensor } from '../../graph/index.ts';
import { answersOf, joinsOf, type Net } from '../net.ts';

/** Everything computed and shown: what calibration and reports look at. */
export interface Observed {
  /** Score of each decision, in the order of a trace's columns. */
  readonly scores: readonly { readonly decision: string; readonly score: Tensor }[];
  /** Every answer of the net, earliest first; the last is the full net's. */
  readonly answers: readonly { readonly name: string; readonly logits: Tensor }[];
}

/**
 * All scores and all answers of a net whose decisions are all exits.
 *
 * @throws DynaError 'graph' where another decision is among them
 */
export function observe(net: Net): Observed {
  const joins = joinsOf(net);
  const answers = answersOf(net);
  const other = joins.find((j) => !j.attrs.decision.options.some((o) => o.answers));
  if (other)
    throw new DynaError(
      'graph',
      `decision "${other.attrs.decision.name}" is no exit: what the net would answer then depends on its choice; fix it with cut() first`,
    );
  const all = simplify([...joins.map((j) => j.inputs[0]!), ...answers.map((a) => a.logits)]);
  return {
    scores: joins.map((j, i) => ({ decision: j.attrs.decision.name, score: all[i]! })),
    answers: answers.map((a, i) => ({ name: a.name, logits: all[joins.length + i]! })),
  };
}
