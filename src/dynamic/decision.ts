import { DynaError } from '../errors.ts';
import { formatShape, type Node, type Operator, refuse, sameShape, type Tensor } from '../graph/index.ts';

/** How exactly an option computes: with the same numerics as the plain net, or only to a tolerance. */
export type Exactness = 'exact' | { readonly approximate: number };

/** One way that a decision offers. */
export interface Option {
  readonly name: string;
  readonly exactness: Exactness;
  /** Its value is an answer of the whole net: what follows is skipped. */
  readonly answers?: true;
}

/** What all decisions have: a score computed from features before them, and thresholds that are inputs of the graph. */
interface Deciding {
  readonly name: string;
  /** The field's name for this use of a decision ("exit", "tokens"), for reports only. */
  readonly family: string;
  /** select: its regions; keep: a unit is kept or dropped; weigh: the units that are weighed. */
  readonly options: readonly Option[];
}

/** Each input takes one of several regions, whose results join as values of one signature. */
export interface SelectDecision extends Deciding {
  readonly kind: 'select';
  /**
   * `threshold`: two options, the second where score [N] > threshold (a scalar).
   * `argmax`: option k where score [N, K] - thresholds [K] is largest.
   */
  readonly rule: 'threshold' | 'argmax';
  /** Its options are of one rank, as experts are: none of them is the plain way, which is then the trained choice. */
  readonly peers?: true;
  /** It is one of several of which each input runs so many: the best two experts. It is then always chosen hard. */
  readonly among?: Among;
}

/** A place in a group of decisions of two options, the first of which is taken by `take` of them for every input. */
export interface Among {
  readonly group: string;
  readonly place: number;
  readonly take: number;
}

/** Each input keeps some of n units: channels, tokens, heads. */
export interface KeepDecision extends Deciding {
  readonly kind: 'keep';
  /**
   * `top`: as many of the highest scores [N, n] as the threshold says (a scalar; +Infinity: all).
   * `threshold`: units whose score is above it; never fewer than one.
   */
  readonly rule: 'top' | 'threshold';
  readonly units: number;
  /** The first units are kept whatever they score: a class token. */
  readonly always: number;
  /** What it was traced with: how many are kept, or the threshold. */
  readonly own: number;
}

/** Each input weighs n units, and drops those whose weight is not above the threshold (a scalar). */
export interface WeighDecision extends Deciding {
  readonly kind: 'weigh';
  readonly rule: 'threshold';
  readonly units: number;
  /** The threshold that it was traced with. */
  readonly own: number;
}

/** A place where each input chooses for itself. */
export type Decision = SelectDecision | KeepDecision | WeighDecision;

/** Whether a decision's options are of one rank, so that there is no full path through it. */
export const amongPeers = (decision: Decision): decision is SelectDecision =>
  decision.kind === 'select' && decision.peers === true;

/** The option on the full path, as costs are counted: the first one; of a group so many run as do for every input. */
export const plainOption = (decision: Decision): number =>
  decision.kind === 'select' && decision.among && decision.among.place >= decision.among.take ? 1 : 0;

/** The groups among some decisions. */
export function groupsOf(
  decisions: readonly Decision[],
): readonly { readonly members: readonly SelectDecision[]; readonly take: number }[] {
  const found = new Map<string, { members: SelectDecision[]; take: number }>();
  for (const d of decisions)
    if (d.kind === 'select' && d.among) {
      const { group, take } = d.among;
      found.set(group, { take, members: [...(found.get(group)?.members ?? []), d] });
    }
  return [...found.values()];
}

/** Whether an input may leave the net here: the second option answers for all that follows. */
export const isExit = ({ options }: Pick<Decision, 'options'>): boolean => options[1]?.answers === true;

/** What the answer of the last layer is called. */
export const FINAL = 'final';

/** What a net's answers are called, earliest first: its exits' names, then "final". */
export const answerNames = (decisions: readonly Decision[]): string[] => [
  ...decisions.filter(isExit).map((d) => d.name),
  FINAL,
];

/** The threshold with which a decision changes nothing: the plain path (of peers the trained one), everything kept, every weight as it is. */
export const neutral = (d: Decision): number | number[] => {
  if (d.rule === 'argmax') return new Array<number>(d.options.length).fill(0);
  if (d.kind === 'select' && d.among) return 0;
  return d.kind === 'select' || d.rule === 'top' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
};

/**
 * What trained decisions mean by themselves: two options part at the score 0, among more the largest wins, units are kept as
 * traced; nobody exits.
 */
export const ownThresholds = (decisions: readonly Decision[]): Record<string, number | readonly number[]> =>
  Object.fromEntries(
    decisions.map((d) => [d.name, d.kind !== 'select' ? d.own : d.rule === 'argmax' || isExit(d) ? neutral(d) : 0]),
  );

export interface SelectAttrs {
  readonly decision: SelectDecision;
  /** Values that each option returns. */
  readonly results: number;
}

const signature = (values: readonly Tensor[]): string =>
  values.map((t) => `${t.dtype}${formatShape(t.shape)}`).join(', ');

/** The join of a decision: inputs are the score, then the results of each option in turn. */
export const Select: Operator<SelectAttrs> = {
  name: 'Select',
  domain: 'dynaneural',
  arity: [2, Number.POSITIVE_INFINITY],
  infer: ([score, ...values], { decision, results }) => {
    const { name, options, rule } = decision;
    const wanted = rule === 'threshold' ? 1 : 2;
    if (score!.rank !== wanted || (rule === 'argmax' && score!.shape[1] !== options.length))
      throw new DynaError(
        'shape',
        `decision "${name}": its score must be ${rule === 'threshold' ? '[N]' : `[N, ${options.length}]`}, got ${formatShape(score!.shape)}`,
      );
    const first = values.slice(0, results);
    for (const [k, option] of options.entries()) {
      const own = values.slice(k * results, (k + 1) * results);
      if (
        own.length !== results ||
        own.some((t, i) => t.dtype !== first[i]!.dtype || !sameShape(t.shape, first[i]!.shape))
      )
        throw new DynaError(
          'shape',
          `decision "${name}": option "${options[0]!.name}" returns ${signature(first)} but option "${option.name}" returns ${signature(own)}; all options must return the same signature`,
        );
    }
    const strange = first.find((t) => t.shape[0] !== score!.shape[0]);
    if (strange)
      throw new DynaError(
        'shape',
        `decision "${name}": each input chooses for itself, so options must return [${score!.shape[0]}, ...], got ${formatShape(strange.shape)}`,
      );
    return first.map(({ dtype, shape }) => ({ dtype, shape }));
  },
  gradient: () => refuse('a hard choice; differentiate its options instead: every answer has a loss of its own'),
  macs: () => 0,
  block: ({ attrs }, input) =>
    input === 0 ? undefined : attrs.decision.options[Math.floor((input - 1) / attrs.results)]!.name,
};

/** A join in a traced net. */
export type Join = Node & { readonly attrs: SelectAttrs };

export const isSelect = (node: Node): node is Join => node.op === (Select as unknown as Operator);

/** The values that option `k` of a join returns. */
export const optionValues = (inputs: readonly (Tensor | undefined)[], { results }: SelectAttrs, k: number): Tensor[] =>
  inputs.slice(1 + k * results, 1 + (k + 1) * results) as Tensor[];
