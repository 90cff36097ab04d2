import { DynaError } from '../errors.ts';
import {
  add,
  argMax,
  cast,
  div,
  equal,
  exp,
  logSoftmax,
  mul,
  param,
  reduceMax,
  reduceSum,
  type Tensor,
} from '../graph/index.ts';

/** What an exit's policy may look at: its own head's answer, and those of the exits before it. */
export interface ExitView {
  /** [N, classes], before softmax. */
  readonly logits: Tensor;
  readonly previous: readonly { readonly logits: Tensor; readonly score: Tensor }[];
}

/**
 * Scores how sure an exit is: [N], higher is surer. Ours are logarithms, which spread the unsure; near certainty
 * float32 still ends at steps of 1e-7.
 */
export type Policy = (view: ExitView) => Tensor;

/** Logits over a temperature that calibration fits (Guo et al. 2017); 1 until then. */
const tempered = (logits: Tensor): Tensor =>
  div(logits, param('temperature', [], { kind: 'constant', value: 1 }, 'statistic'));

/** log max softmax(logits / T): the log-probability of the answer (BranchyNet's successors; MSDNet, Huang et al. 2018). */
export const confidence: Policy = ({ logits }) => reduceMax(logSoftmax(tempered(logits)), [1]);

/** Negative entropy of softmax(logits / T), in nats (BranchyNet, Teerapittayanon et al. 2016). */
export const entropy: Policy = ({ logits }) => {
  const logp = logSoftmax(tempered(logits));
  return reduceSum(mul(exp(logp), logp), [1]);
};

/** Scores that count agreeing heads: the next count may build on them. */
const counts = new WeakSet<Tensor>();

function agreeing(logits: Tensor, previous: ExitView['previous']): Tensor {
  const last = previous.at(-1);
  const top = argMax(logits, 1);
  if (!last) return cast(equal(top, add(top, 1)), 'float32'); // zeros of [N]
  const before = counts.has(last.score) ? last.score : agreeing(last.logits, previous.slice(0, -1));
  return mul(add(before, 1), cast(equal(top, argMax(last.logits, 1)), 'float32'));
}

/** How many heads before this one, in a row, agree with it (PABEE, Zhou et al. 2020); 0 at the first exit. */
export const patience: Policy = ({ logits, previous }) => {
  const score = agreeing(logits, previous);
  counts.add(score);
  return score;
};

const named: Record<string, Policy> = { confidence, entropy, patience };
/** Policies that are chosen by name. */
export type PolicyName = 'confidence' | 'entropy' | 'patience';

export function policyOf(policy: PolicyName | Policy): Policy {
  const found = typeof policy === 'function' ? policy : named[policy];
  if (!found)
    throw new DynaError('usage', `unknown exit policy "${String(policy)}"; known are ${Object.keys(named).join(', ')}`);
  return found;
}
