import { isSelect, optionValues } from '../../src/dynamic/decision.ts';
import { type Decision, decisionsOf, type KeepDecision, type Net, type Thresholds } from '../../src/dynamic/index.ts';
import { type DecidingNode, decides, isKeep } from '../../src/dynamic/keep.ts';
import {
  argMax,
  cast,
  equal,
  greater,
  input,
  mul,
  type NDArray,
  type Node,
  ndarray,
  order,
  reshape,
  rewrite,
  sub,
  type Tensor,
  where,
} from '../../src/graph/index.ts';
import { open, type Ran } from './run.ts';

/**
 * The nodes that an input needs which chooses so: from the answer backwards, through each join only into the option
 * that it takes. Knows nothing of blocks and placements. With `gates`, the scores of the decisions on the way too.
 */
export function needed(output: Tensor, taken: (decision: string) => Did, gates: boolean): Set<Node> {
  const seen = new Set<Node>();
  const stack = [output.node];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    const next = isKeep(node)
      ? node.inputs.slice(gates ? 0 : 1)
      : isSelect(node)
        ? [
            ...optionValues(node.inputs, node.attrs, taken(node.attrs.decision.name) as number),
            ...(gates ? [node.inputs[0]!] : []),
          ]
        : node.inputs;
    for (const t of next) if (t) stack.push(t.node);
  }
  return seen;
}

export const macsOf = (nodes: Iterable<Node>): number => [...nodes].reduce((sum, n) => sum + n.op.macs(n), 0);

type Threshold = number | readonly number[];
/** What a row does at a decision: an option's number, the units that it keeps, or all weights. */
export type Did = number | readonly number[];

/** A threshold for scores [rows][K]: never, always, or midway between two neighbouring scores of the batch. */
export function pickThreshold(decision: Decision, scores: readonly (readonly number[])[], r: number): Threshold {
  const kind = r % 8;
  const place = Math.floor(r / 8);
  const between = (values: readonly number[]): number => {
    const sorted = [...new Set(values)].sort((a, b) => a - b);
    if (sorted.length < 2) return (sorted[0] ?? 0) + (place % 3) - 0.9;
    const gap = (k: number): number => sorted[k + 1]! - sorted[k]!;
    let at = place % (sorted.length - 1);
    // Among the scores of many units hardly a gap is wide: the widest of some.
    if (decision.kind !== 'select')
      for (let k = at; k < Math.min(at + 12, sorted.length - 1); k++) if (gap(k) > gap(at)) at = k;
    return (sorted[at]! + sorted[at + 1]!) / 2;
  };
  const { rule, options } = decision;
  if (rule === 'top') return kind === 0 ? Number.POSITIVE_INFINITY : 1 + (place % decision.units);
  if (rule === 'threshold') {
    if (kind === 0) return Number.NEGATIVE_INFINITY;
    // Of weights all would be dropped.
    if (kind === 1 && decision.kind !== 'weigh') return Number.POSITIVE_INFINITY;
    return between(scores.flat());
  }
  const one = place % options.length;
  if (kind === 0) return options.map((_, k) => (k === one ? Number.NEGATIVE_INFINITY : 0));
  if (kind === 1) return options.map((_, k) => (k === one ? Number.POSITIVE_INFINITY : 0));
  return options.map((_, k) => between(scores.map((s) => s[k]! + k * 1e-9)));
}

/** The units that a row with these scores keeps, and how far it is from keeping others. `before`: what it had left. */
function keepRow(
  { rule, always }: KeepDecision,
  scores: readonly number[],
  threshold: number,
  before: readonly number[],
): [readonly number[], number] {
  const free = before.filter((k) => k >= always).sort((a, b) => scores[b]! - scores[a]! || a - b);
  const sure = before.filter((k) => k < always);
  const least = Math.max(1, always);
  const count =
    rule === 'top'
      ? Math.max(0, Math.min(before.length, Math.max(least, Math.trunc(Math.min(threshold, 1e9)))) - sure.length)
      : Math.max(free.filter((k) => scores[k]! > Math.fround(threshold)).length, sure.length > 0 ? 0 : 1);
  const kept = free.slice(0, count);
  const gap =
    count > 0 && count < free.length ? scores[free[count - 1]!]! - scores[free[count]!]! : Number.POSITIVE_INFINITY;
  const near = Math.min(...free.map((k) => Math.abs(scores[k]! - threshold)), Number.POSITIVE_INFINITY);
  return [[...sure, ...kept].sort((a, b) => a - b), rule === 'top' ? gap : Math.min(near, count === 1 ? gap : near)];
}

/** What a row with these scores does, and how far it is from doing something else. */
export function chooseRow(
  decision: Decision,
  scores: readonly number[],
  threshold: Threshold,
  before: readonly number[] = scores.map((_, k) => k),
): [Did, number] {
  if (decision.kind === 'keep') return keepRow(decision, scores, threshold as number, before);
  if (decision.kind === 'weigh') {
    const limit = Math.fround(threshold as number);
    return [scores.map((w) => (w > limit ? w : 0)), Math.min(...scores.map((w) => Math.abs(w - limit)))];
  }
  if (typeof threshold === 'number')
    return [scores[0]! > Math.fround(threshold) ? 1 : 0, Math.abs(scores[0]! - threshold)];
  const moved = decision.options.map((_, k) => scores[k]! - threshold[k]!);
  const best = moved.indexOf(Math.max(...moved));
  const margin = Math.min(...moved.filter((_, k) => k !== best).map((v) => moved[best]! - v));
  return [best, margin];
}

export interface Expected {
  readonly thresholds: Thresholds;
  readonly decisions: readonly Decision[];
  readonly output: NDArray;
  /** [rows][decisions], in the order of a trace's columns, of all decisions, reached or not. */
  readonly choices: readonly (readonly Did[])[];
  /** Rows none of whose scores lies too near to its threshold. */
  readonly clear: readonly boolean[];
}

/**
 * The law's own account of a net: every option computed, scores shown, thresholds fed one by one in the order of the
 * net; the choices are made here, not in the graph.
 */
export async function expectedOf(
  net: Net,
  weights: ReadonlyMap<string, NDArray>,
  x: NDArray,
  picks: readonly number[],
  tolerance = 1e-4,
): Promise<Expected> {
  const deciders = order([net.output]).filter(decides);
  const scores = new Map<DecidingNode, Tensor>();
  const masks = new Map<Tensor, string>();
  const [output] = rewrite([net.output], (node, inputs) => {
    if (!decides(node)) return undefined;
    const { name } = node.attrs.decision;
    scores.set(node, inputs[0]!);
    if (!isSelect(node)) {
      // What is kept, and what weighs, is fed.
      const fed = input(`fed ${name}`, inputs[0]!.shape);
      if (!isKeep(node)) return [fed];
      masks.set(node.outputs[0]!, name);
      const values = inputs.slice(node.attrs.within ? 2 : 1) as Tensor[];
      const { units } = node.attrs.decision;
      const wide = (x: Tensor, axis: number) =>
        reshape(
          fed,
          x.shape.map((_, i) => (i === axis ? units : i === 0 ? 0 : 1)),
        );
      return [fed, ...values.map((x, k) => mul(x, wide(x, node.attrs.axes[k]!)))];
    }
    const { decision } = node.attrs;
    const [score] = inputs;
    const k = decision.options.length;
    const threshold = input(`fed ${name}`, decision.rule === 'threshold' ? [] : [k]);
    const taken =
      decision.rule === 'threshold' ? cast(greater(score!, threshold), 'int64') : argMax(sub(score!, threshold), 1);
    let [result] = optionValues(inputs, node.attrs, 0);
    for (let i = 1; i < k; i++) {
      const mask = reshape(equal(taken, i), [-1, ...result!.shape.slice(1).map(() => 1)]);
      result = where(mask, optionValues(inputs, node.attrs, i)[0]!, result!);
    }
    return [result!];
  });
  const named = deciders.map((j, i) => [`score ${i}`, scores.get(j)!] as const);
  const session = await open({ output: output!, ...Object.fromEntries(named) }, weights, 'disabled');
  const rows = x.dims[0]!;
  const thresholds: Record<string, Threshold> = {};
  const feeds: Record<string, NDArray> = {};
  for (const { attrs } of deciders) {
    const { decision } = attrs;
    const { name, rule, options } = decision;
    if (decision.kind !== 'select')
      feeds[`fed ${name}`] = ndarray(
        'float32',
        [rows, decision.units],
        new Float32Array(rows * decision.units).fill(1),
      );
    else {
      const size = rule === 'threshold' ? [] : [options.length];
      feeds[`fed ${name}`] = ndarray('float32', size, new Float32Array(size[0] ?? 1));
    }
  }
  /** What each row does at each decision, and how sure that is. */
  const did = new Map<string, (readonly [Did, number])[]>();
  const table = new Map<string, number[][]>();
  try {
    let ran: Ran = await session.run({ input: x, ...feeds });
    for (const [i, node] of deciders.entries()) {
      const { decision } = node.attrs;
      const { name } = decision;
      const { dims, data } = ran[`score ${i}`]!;
      const k = dims[1] ?? 1;
      const own = Array.from({ length: rows }, (_, r) => Array.from({ length: k }, (_, c) => Number(data[r * k + c])));
      table.set(name, own);
      const threshold = pickThreshold(decision, own, picks[i % picks.length]!);
      thresholds[name] = threshold;
      const earlier = isKeep(node) && node.attrs.within ? did.get(masks.get(node.inputs[1]!)!) : undefined;
      const choices = own.map((s, r) => chooseRow(decision, s, threshold, earlier && (earlier[r]![0] as number[])));
      did.set(name, choices);
      const fed = `fed ${name}`;
      if (decision.kind === 'select') {
        const values = typeof threshold === 'number' ? [threshold] : threshold;
        feeds[fed] = ndarray('float32', feeds[fed]!.dims, values);
      } else {
        const all = choices.flatMap(([chosen]) => {
          const list = chosen as readonly number[];
          return decision.kind === 'weigh' ? list : Array.from({ length: k }, (_, u) => (list.includes(u) ? 1 : 0));
        });
        feeds[fed] = ndarray('float32', [rows, k], all);
      }
      ran = await session.run({ input: x, ...feeds });
    }
    const decisions = decisionsOf(net);
    const choices: Did[][] = [];
    const clear: boolean[] = [];
    for (let r = 0; r < rows; r++) {
      let safe = true;
      choices.push(
        decisions.map((d) => {
          const own = table.get(d.name)![r]!;
          const [chosen, margin] = did.get(d.name)![r]!;
          safe &&= margin > tolerance * Math.max(1, ...own.map(Math.abs));
          return chosen;
        }),
      );
      clear.push(safe);
    }
    return { thresholds, decisions, output: ran.output!, choices, clear };
  } finally {
    await session.close();
  }
}
