import { isSelect, type Join, optionValues } from '../../src/dynamic/decision.ts';
import { type Decision, decisionsOf, type Net, type Thresholds } from '../../src/dynamic/index.ts';
import {
  argMax,
  cast,
  equal,
  greater,
  input,
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
export function needed(output: Tensor, taken: (decision: string) => number, gates: boolean): Set<Node> {
  const seen = new Set<Node>();
  const stack = [output.node];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    const next = isSelect(node)
      ? [...optionValues(node.inputs, node.attrs, taken(node.attrs.decision.name)), ...(gates ? [node.inputs[0]!] : [])]
      : node.inputs;
    for (const t of next) if (t) stack.push(t.node);
  }
  return seen;
}

export const macsOf = (nodes: Iterable<Node>): number => [...nodes].reduce((sum, n) => sum + n.op.macs(n), 0);

type Threshold = number | readonly number[];

/** A threshold for scores [rows][K]: never, always, or midway between two neighbouring scores of the batch. */
export function pickThreshold(
  { rule, options }: Decision,
  scores: readonly (readonly number[])[],
  r: number,
): Threshold {
  const kind = r % 8;
  const place = Math.floor(r / 8);
  const middle = (k: number): number => {
    const sorted = [...new Set(scores.map((s) => s[k]!))].sort((a, b) => a - b);
    if (sorted.length < 2) return (sorted[0] ?? 0) + ((place + k) % 3) - 0.9;
    const at = place % (sorted.length - 1);
    return (sorted[at]! + sorted[at + 1]!) / 2;
  };
  if (rule === 'threshold') {
    if (kind === 0) return Number.NEGATIVE_INFINITY;
    return kind === 1 ? Number.POSITIVE_INFINITY : middle(0);
  }
  const one = place % options.length;
  if (kind === 0) return options.map((_, k) => (k === one ? Number.NEGATIVE_INFINITY : 0));
  if (kind === 1) return options.map((_, k) => (k === one ? Number.POSITIVE_INFINITY : 0));
  return options.map((_, k) => middle(k));
}

/** The option that a row with these scores takes, and how far it is from taking another. */
export function chooseRow(decision: Decision, scores: readonly number[], threshold: Threshold): [number, number] {
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
  readonly choices: readonly (readonly number[])[];
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
  const joins = order([net.output]).filter(isSelect);
  const scores = new Map<Join, Tensor>();
  const [output] = rewrite([net.output], (node, inputs) => {
    if (!isSelect(node)) return undefined;
    const { decision } = node.attrs;
    const [score] = inputs;
    scores.set(node, score!);
    const k = decision.options.length;
    const threshold = input(`fed ${decision.name}`, decision.rule === 'threshold' ? [] : [k]);
    const taken =
      decision.rule === 'threshold' ? cast(greater(score!, threshold), 'int64') : argMax(sub(score!, threshold), 1);
    let [result] = optionValues(inputs, node.attrs, 0);
    for (let i = 1; i < k; i++) {
      const mask = reshape(equal(taken, i), [-1, ...result!.shape.slice(1).map(() => 1)]);
      result = where(mask, optionValues(inputs, node.attrs, i)[0]!, result!);
    }
    return [result!];
  });
  const named = joins.map((j, i) => [`score ${i}`, scores.get(j)!] as const);
  const session = await open({ output: output!, ...Object.fromEntries(named) }, weights, 'disabled');
  const rows = x.dims[0]!;
  const thresholds: Record<string, Threshold> = {};
  const feeds: Record<string, NDArray> = {};
  for (const { attrs } of joins) {
    const { name, rule, options } = attrs.decision;
    const size = rule === 'threshold' ? [] : [options.length];
    feeds[`fed ${name}`] = ndarray('float32', size, new Float32Array(size[0] ?? 1));
  }
  const table = new Map<string, number[][]>();
  try {
    let ran: Ran = await session.run({ input: x, ...feeds });
    for (const [i, { attrs }] of joins.entries()) {
      const { name } = attrs.decision;
      const { dims, data } = ran[`score ${i}`]!;
      const k = dims[1] ?? 1;
      const own = Array.from({ length: rows }, (_, r) => Array.from({ length: k }, (_, c) => Number(data[r * k + c])));
      table.set(name, own);
      const threshold = pickThreshold(attrs.decision, own, picks[i % picks.length]!);
      thresholds[name] = threshold;
      const values = typeof threshold === 'number' ? [threshold] : threshold;
      feeds[`fed ${name}`] = ndarray('float32', feeds[`fed ${name}`]!.dims, values);
      ran = await session.run({ input: x, ...feeds });
    }
    const decisions = decisionsOf(net);
    const choices: number[][] = [];
    const clear: boolean[] = [];
    for (let r = 0; r < rows; r++) {
      let safe = true;
      choices.push(
        decisions.map((d) => {
          const own = table.get(d.name)![r]!;
          const [option, margin] = chooseRow(d, own, thresholds[d.name]!);
          safe &&= margin > tolerance * Math.max(1, ...own.map(Math.abs));
          return option;
        }),
      );
      clear.push(safe);
    }
    return { thresholds, decisions, output: ran.output!, choices, clear };
  } finally {
    await session.close();
  }
}
