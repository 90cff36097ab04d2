import { DynaError } from '../errors.ts';
import {
  apply,
  applyAll,
  BATCH,
  formatShape,
  fresh,
  input,
  layerScope,
  nesting,
  order,
  placement,
  scope,
  scoped,
  type Tensor,
} from '../graph/index.ts';
import { paramsOf, withClasses } from '../nn/index.ts';
import { type Among, type Exactness, FINAL, type Option, Select, type SelectDecision } from './decision.ts';
import { seen } from './keep.ts';
import { plan } from './plan.ts';
import { confidence, type Policy, type PolicyName, policyOf } from './policies.ts';
import { decisionsOf, MOST_NESTED, type Net, type NetSpec } from './traced.ts';

export interface NetOptions extends NetSpec {
  /** Told of each decision that guards too little to be worth its own time; a process warning by default. */
  readonly onWarning?: (message: string) => void;
}

interface PendingExit {
  readonly decision: SelectDecision;
  readonly score: Tensor;
  readonly logits: Tensor;
}

/** The net that is being traced. */
interface Tracing {
  readonly exits: PendingExit[];
  /** The option of a decision that is being traced, as "skip1/run". */
  option: string | undefined;
}

let tracing: Tracing | undefined;

/**
 * Traces a network, once, into a graph. Decisions that guard less than about 20 times their own time are warned of (see `plan`).
 *
 * @param spec shape of one input and number of classes
 * @param fn the network as a plain function of its input [N, ...spec.input]; it may contain decisions
 * @throws DynaError 'graph' for equal parameter names and for more than 31 nested decisions
 * @example
 * const shirts = net({ input: [1, 28, 28], classes: 10 }, (x) => {
 *   x = exit(conv(x, 16), { head: classify })
 *   return classify(residual(x, 32, { stride: 2 }))
 * })
 */
export function net({ onWarning = warnOnce, ...spec }: NetOptions, fn: (x: Tensor) => Tensor): Net {
  if (tracing) throw new DynaError('graph', 'net() was called while another net is being traced; call it outside');
  const exits: PendingExit[] = [];
  tracing = { exits, option: undefined };
  try {
    return fresh(() => {
      const x = input('input', [BATCH, ...spec.input]);
      let output = spec.classes === undefined ? fn(x) : withClasses(spec.classes, () => fn(x));
      for (const { decision, score, logits } of exits.reverse())
        output = apply(Select, [score, output, logits], { decision, results: 1 });
      const made: Net = { name: spec.name ?? 'net', spec, input: x, output };
      check(made);
      for (const { warning, refused } of plan(made))
        for (const said of [warning, refused]) if (said) onWarning(`${made.name}: ${said}`);
      return made;
    });
  } finally {
    tracing = undefined;
  }
}

const warned = new Set<string>();

/** A loop that traces one net many times should not say so many times what it is. */
function warnOnce(message: string): void {
  if (warned.has(message)) return;
  warned.add(message);
  const { process } = globalThis;
  process?.emitWarning?.(message, { type: 'PlanWarning', code: 'DYNA_PLAN' });
}

function check(made: Net): void {
  paramsOf([made.output]);
  const foreign = order([made.output]).find((n) => n.op.leaf === 'input' && n !== made.input.node);
  if (foreign)
    throw new DynaError(
      'graph',
      `the net uses input "${foreign.attrs.name}" ${formatShape(foreign.outputs[0]!.shape)}, which is not its own; compute from the tensor that net() hands to its function`,
    );
  const names = new Set<string>();
  for (const { name } of decisionsOf(made)) {
    if (names.has(name)) throw new DynaError('graph', `two decisions are named "${name}"; give each its own name`);
    names.add(name);
  }
  const depth = nesting(placement([made.output]));
  if (depth > MOST_NESTED)
    throw new DynaError('graph', `the net nests ${depth} decisions, ONNX Runtime loads at most ${MOST_NESTED}`, {
      fix: 'exits nest one in the other: use fewer, and put other decisions side by side',
    });
}

export interface ExitOptions {
  /** Turns features into an answer of the net's signature. */
  readonly head: (x: Tensor) => Tensor;
  /** How sure the head is; higher is surer. Default: log of the largest probability. */
  readonly policy?: PolicyName | Policy;
  readonly name?: string;
}

/**
 * A decision: stop here with the head's answer when it is sure enough, else go on with the rest of the net.
 *
 * @returns `x`, for the rest of the net
 * @example x = exit(x, { head: classify })
 */
export function exit(x: Tensor, options: ExitOptions): Tensor {
  if (!tracing) throw new DynaError('graph', 'exit() was called outside net()');
  if (tracing.option !== undefined)
    throw new DynaError(
      'graph',
      `exit() was called inside option "${tracing.option}" of a decision; an exit ends the whole net, so put it before or after the decision`,
    );
  const previous = tracing.exits;
  return layerScope('exit', options.name, () => {
    if (scoped() === FINAL)
      throw new DynaError('usage', `an exit cannot be named "${FINAL}": that is the last answer's name`);
    const logits = options.head(x);
    const score = policyOf(options.policy ?? confidence)({ logits, previous });
    previous.push({
      decision: decisionOf('exit', 'threshold', [
        { name: 'continue', exactness: 'exact' },
        { name: 'exit', exactness: 'exact', answers: true },
      ]),
      score,
      logits,
    });
    return x;
  });
}

const decisionOf = (
  family: string,
  rule: SelectDecision['rule'],
  options: readonly Option[],
  rank: Pick<SelectDecision, 'peers' | 'among'> = {},
): SelectDecision => ({ name: scoped(), kind: 'select', family, options, rule, ...rank });

export interface SelectOptions {
  /**
   * [N] (two options: the second is taken where score > threshold) or [N, K] (the largest score wins). As a function it
   * is called first, and its parameters are named inside the decision.
   */
  readonly score: Tensor | (() => Tensor);
  /** Each option's name and what it computes; all return tensors of the same shape. */
  readonly options: Readonly<Record<string, () => Tensor>>;
  readonly family?: string;
  readonly exactness?: Readonly<Record<string, Exactness>>;
  /** No option is the plain way: what is trained to choose among experts always chooses for itself. */
  readonly peers?: boolean;
  /** Its place among decisions of which each input takes the first option of so many, as they score; peers too. */
  readonly among?: Among;
  readonly name?: string;
}

/**
 * The general decision: runs one of K regions for each input and joins their results.
 *
 * @example
 * const gate = reshape(linear(flatten(globalAveragePool(x)), 1), [0])
 * x = select({ score: gate, options: { skip: () => x, run: () => residual(x, 64) } })
 */
export function select({
  score: given,
  options,
  family = 'select',
  exactness = {},
  peers,
  among,
  name,
}: SelectOptions): Tensor {
  const names = Object.keys(options);
  const number = names.find((option) => /^\d+$/.test(option));
  if (number !== undefined)
    throw new DynaError('usage', `an option cannot be named "${number}": JavaScript would put it before the others`, {
      fix: `name it with a letter: r${number}`,
    });
  if (names.length < 2) throw new DynaError('graph', `a decision needs at least two options, got ${names.length}`);
  const unknown = Object.keys(exactness).find((option) => !names.includes(option));
  if (unknown !== undefined)
    throw new DynaError(
      'usage',
      `there is no option "${unknown}" to be ${JSON.stringify(exactness[unknown])}; options are ${names.join(', ')}`,
    );
  return layerScope(family, name, () => {
    const score = seen(typeof given === 'function' ? given() : given);
    const outer = tracing?.option;
    const values = names.map((option) => {
      if (tracing) tracing.option = scoped(option);
      try {
        return scope(option, options[option]!);
      } finally {
        if (tracing) tracing.option = outer;
      }
    });
    const rule = score.rank === 1 ? 'threshold' : 'argmax';
    if (rule === 'threshold' && names.length !== 2)
      throw new DynaError(
        'graph',
        `a score [N] chooses between two options, got ${names.length}; give a score [N, ${names.length}]`,
      );
    const decision = decisionOf(
      family,
      rule,
      names.map((n) => ({ name: n, exactness: exactness[n] ?? 'exact' })),
      { ...(peers || among ? { peers: true } : {}), ...(among ? { among } : {}) },
    );
    return applyAll(Select, [score, ...values], { decision, results: 1 })[0]!;
  });
}
