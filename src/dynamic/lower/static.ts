import { DynaError } from '../../errors.ts';
import { constant, mul, ndarray, remake, rewrite, simplify, type Tensor } from '../../graph/index.ts';
import {
  amongPeers,
  isSelect,
  type KeepDecision,
  optionValues,
  type SelectDecision,
  type WeighDecision,
} from '../decision.ts';
import { type DecidingNode, decides, isWeigh, partsOfKeep, underMask } from '../keep.ts';
import { checkDecisions, decisionsOf, type Net } from '../traced.ts';
import { filled } from './parts.ts';
import { Uniform } from './units/uniform.ts';

/**
 * What each decision takes, by name: an option, or the numbers of the units that are kept or weigh. Decisions that are not named take
 * their first option, keep all units, and weigh as they do.
 */
export type Choices = Readonly<Record<string, string | readonly number[]>>;

const optionIndex = (decision: SelectDecision, choices: Choices): number => {
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

/** The mask [1, units] of a fixed set; undefined: all. */
function fixedMask(decision: KeepDecision | WeighDecision, choices: Choices): Tensor | undefined {
  const { name, units } = decision;
  const always = decision.kind === 'keep' ? decision.always : 0;
  const wanted = choices[name];
  if (wanted === undefined) return undefined;
  const fits =
    typeof wanted === 'object' &&
    (wanted.length > 0 || decision.kind === 'weigh') &&
    wanted.every((k) => Number.isInteger(k) && k >= 0 && k < units) &&
    Array.from({ length: always }, (_, k) => k).every((k) => wanted.includes(k));
  if (!fits)
    throw new DynaError(
      'usage',
      `decision "${name}" keeps a set of units, numbers from 0 to ${units - 1}${always > 0 ? `, the first ${always} among them` : ''}, got ${JSON.stringify(wanted)}`,
    );
  const mask = new Float32Array(units);
  for (const k of wanted) mask[k] = 1;
  return constant(ndarray('float32', [1, units], mask));
}

type OnChoice = (decision: SelectDecision, score: Tensor, option: number) => void;

function fix(net: Net, choices: Choices, all: boolean, onChoice?: OnChoice): Tensor {
  checkDecisions(net, Object.keys(choices));
  const uniform = new Uniform();
  const takes = ({ attrs: { decision } }: DecidingNode): boolean =>
    Object.hasOwn(choices, decision.name) || (all && !amongPeers(decision));
  const decided = (node: DecidingNode, inputs: readonly (Tensor | undefined)[]): readonly Tensor[] => {
    if (isSelect(node)) {
      const option = optionIndex(node.attrs.decision, choices);
      onChoice?.(node.attrs.decision, inputs[0]!, option);
      return optionValues(inputs, node.attrs, option);
    }
    if (isWeigh(node)) {
      const set = fixedMask(node.attrs.decision, choices);
      return [set ? mul(inputs[0]!, set) : inputs[0]!];
    }
    const { decision, axes } = node.attrs;
    const { previous, values } = partsOfKeep(inputs, node.attrs);
    const rows = filled(net.input, [decision.units], 1, 'float32');
    const set = fixedMask(decision, choices);
    if (set) return underMask(mul(previous ?? rows, set), values, axes);
    uniform.is(rows, 1);
    return previous && !uniform.knows(previous) ? underMask(previous, values, axes) : [rows, ...values];
  };
  const [output] = rewrite([net.output], (node, inputs) => {
    if (decides(node)) return takes(node) ? decided(node, inputs) : undefined;
    const outputs = uniform.simpler(node, inputs) ?? remake(node, inputs);
    uniform.note(node, inputs, outputs);
    return outputs;
  });
  return output!;
}

/**
 * Fixes the choices that are named; other decisions stay.
 *
 * @throws DynaError 'usage' for a decision or an option that the net does not have
 */
export const fixed = (net: Net, choices: Choices): Net => ({ ...net, output: fix(net, choices, false) });

/** A choice that was fixed, and the score that would have made it. */
export interface FixedChoice {
  readonly decision: SelectDecision;
  /** Computed as on the fixed path. */
  readonly score: Tensor;
  readonly option: number;
}

/** The scores of the decisions that choices fix, also of those that are not reached. */
export function fixedScores(net: Net, choices: Choices): readonly FixedChoice[] {
  const scores: FixedChoice[] = [];
  fix(net, choices, false, (decision, score, option) => scores.push({ decision, score, option }));
  return scores;
}

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
 * option (exits go on): the plain, full net. Among peers (experts) no option is the full one: theirs must be named.
 *
 * @throws DynaError 'usage' for a decision or an option that the net does not have, and for one among peers that is reached and
 * not named
 * @example cut(net, { exit1: 'exit' }) // the net up to its first exit
 */
export function cut(net: Net, choices: Choices = {}): Net {
  const [simple] = simplify([fix(net, choices, true)]) as [Tensor];
  const made = { ...net, output: simple };
  const open = decisionsOf(made).find(amongPeers);
  if (open) {
    const [first, ...others] = open.options.map((o) => o.name);
    throw new DynaError(
      'usage',
      `decision "${open.name}" chooses among the peers ${[first, ...others].join(', ')}: none of them is the full path`,
      { fix: `name one, as in cut(net, { ${JSON.stringify(open.name)}: '${first}' })` },
    );
  }
  return made;
}
