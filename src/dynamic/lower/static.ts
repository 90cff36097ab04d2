import { DynaError } from '../../errors.ts';
import { rewrite, simplify, type Tensor } from '../../graph/index.ts';
import { type Decision, isSelect, optionValues } from '../decision.ts';
import type { Net } from '../traced.ts';
import { checkDecisions } from './choice.ts';

/** The option that each decision takes, by name; decisions that are not named take their first option. */
export type Choices = Readonly<Record<string, string>>;

const optionIndex = (decision: Decision, choices: Choices): number => {
  const wanted = choices[decision.name];
  if (wanted === undefined) return 0;
  const k = decision.options.findIndex((o) => o.name === wanted);
  if (k < 0)
    throw new DynaError(
      'usage',
      `decision "${decision.name}" has no option "${wanted}"; it has ${decision.options.map((o) => o.name).join(', ')}`,
    );
  return k;
};

/**
 * Fixes choices: what they do not need is gone, gates included. With no choices given every decision takes its first
 * option (exits go on): the plain, full net.
 *
 * @throws DynaError 'usage' for a decision or an option that the net does not have
 * @example cut(net, { exit1: 'exit' }) // the net up to its first exit
 */
export function cut(net: Net, choices: Choices = {}): Net {
  checkDecisions(net, Object.keys(choices));
  const [output] = rewrite([net.output], (node, inputs) =>
    isSelect(node) ? optionValues(inputs, node.attrs, optionIndex(node.attrs.decision, choices)) : undefined,
  );
  const [simple] = simplify([output!]) as [Tensor];
  return { ...net, output: simple };
}
