import { type Decision, isSelect, optionValues } from '../dynamic/decision.ts';
import type { CertifiedModel, Model, Thresholds } from '../dynamic/index.ts';
import { choose, thresholdInput } from '../dynamic/lower/choice.ts';
import { pick } from '../dynamic/lower/masked.ts';
import { answersOf, joinsOf } from '../dynamic/traced.ts';
import { type NDArray, rewrite, type Tensor } from '../graph/index.ts';

/** What a gradient can be asked about: scores and answers as tensors without control flow, from one input. */
export interface Explainable {
  readonly input: Tensor;
  /** Score of each decision, [N] or [N, K], and the threshold that it is compared with, [] or [K]. */
  readonly decisions: readonly { readonly name: string; readonly score: Tensor; readonly threshold: Tensor }[];
  /** [N, classes] each. */
  readonly answers: readonly { readonly name: string; readonly logits: Tensor }[];
  readonly weights: ReadonlyMap<string, NDArray>;
}

/** What a model can be asked about without data: its net and its numbers. */
export type Explained = Pick<Model, 'net' | 'weights'> & Partial<Pick<CertifiedModel, 'chosen'>>;

/**
 * All scores and all answers of a model, every option computed and the hard choices made by `Where`: a gradient then
 * flows back along the path that an input takes. Thresholds are graph inputs with these defaults; the certified point's, or
 * "never", where none are given.
 */
export function explainable({ net, weights, chosen }: Explained, thresholds?: Thresholds): Explainable {
  const joins = joinsOf(net);
  const answers = answersOf(net);
  const defaults = thresholds ?? chosen?.thresholds ?? {};
  const inputs = new Map<Decision, Tensor>(
    joins.map(({ attrs: { decision } }) => [decision, thresholdInput(decision, defaults)]),
  );
  const all = rewrite([...joins.map((j) => j.inputs[0]!), ...answers.map((a) => a.logits)], (node, x) => {
    if (!isSelect(node)) return undefined;
    const { decision } = node.attrs;
    const choice = choose(decision, x[0]!, inputs.get(decision)!);
    const last = decision.options.length - 1;
    let results = optionValues(x, node.attrs, last);
    for (let k = last - 1; k >= 0; k--) {
      const values = optionValues(x, node.attrs, k);
      results = results.map((r, i) => pick(choice.mask(k), values[i]!, r));
    }
    return results;
  });
  return {
    input: net.input,
    decisions: joins.map(({ attrs: { decision } }, i) => ({
      name: decision.name,
      score: all[i]!,
      threshold: inputs.get(decision)!,
    })),
    answers: answers.map(({ name }, i) => ({ name, logits: all[joins.length + i]! })),
    weights,
  };
}
