import { DynaError } from '../../errors.ts';
import { rewrite, simplify, type Tensor } from '../../graph/index.ts';
import { type Decision, isSelect, optionValues } from '../decision.ts';
import { decisionsOf, type Net } from '../traced.ts';
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

function fix(net: Net, choices: Choices, all: boolean): Tensor {
  checkDecisions(net, Object.keys(choices));
  const [output] = rewrite([net.output], (node, inputs) =>
    isSelect(node) && (all || Object.hasOwn(choices, node.attrs.decision.name))
      ? optionValues(inputs, node.attrs, optionIndex(node.attrs.decision, choices))
      : undefined,
  );
  return output!;
}

/**
 * Fixes the choices that are named; other decisions stay.
 *
 * @throws DynaError 'usage' for a decision or an option that the net does not have
 */
export const fixed = (net: Net, choices: Choices): Net => ({ ...net, output: fix(net, choices, false) });

/**
 * The paths on which all decisions of a family take the same option, the first options first: each width of a slimmable net.
 *
 * @throws DynaError 'usage' where the net has no such decision
 * @example await train(slim, { data, epochs: 10, paths: everyWidth(slim), distill: { weight: 1, temperature: 1 } })
 */
export function everyWidth(net: Net, family = 'width'): Choices[] {
  const own = decisionsOf(net).filter((d) => d.family === family);
  if (own.length === 0) throw new DynaError('usage', `the net has no decision of the family "${family}"`);
  const most = Math.max(...own.map((d) => d.options.length));
  return Array.from({ length: most }, (_, k) =>
    Object.fromEntries(own.map((d) => [d.name, d.options[Math.min(k, d.options.length - 1)]!.name])),
  );
}

/**
 * Fixes choices: what they do not need is gone, gates included. With no choices given every decision takes its first
 * option (exits go on): the plain, full net.
 *
 * @throws DynaError 'usage' for a decision or an option that the net does not have
 * @example cut(net, { exit1: 'exit' }) // the net up to its first exit
 */
export function cut(net: Net, choices: Choices = {}): Net {
  const [simple] = simplify([fix(net, choices, true)]) as [Tensor];
  return { ...net, output: simple };
}
