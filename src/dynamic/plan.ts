import type { Node, Tensor } from '../graph/index.ts';
import { costTable, macsOf, type RegionCost } from './cost.ts';
import { crossingBytes } from './crossing.ts';
import { type Decision, isSelect, type Join, type KeepDecision, optionValues } from './decision.ts';
import { type DecidingNode, isKeep, type KeepNode } from './keep.ts';
import { leastKept } from './lower/kept.ts';
import { gatheredBytes, refusals } from './lower/units/outlook.ts';
import { extremeMacs } from './paths.ts';
import { decidersOf, type Net } from './traced.ts';

/** What the time model knows of a machine. */
export interface Machine {
  /** What one decision costs beside its arithmetic, at batch 1: scoring, comparing, the branch. */
  readonly gateMicroseconds: number;
  /** How fast the rows that take an option are carried into it and back; infinitely fast where it is not told. */
  readonly bytesPerMicrosecond?: number;
  /** How much arithmetic a microsecond does; in truth it differs by layer (3x3 convolutions above, 1x1 below). */
  readonly macsPerMicrosecond: number;
}

/**
 * Two cores of a laptop or a small server, as measured with ONNX Runtime 1.30: a skip of residual blocks adds 22 us at 16
 * channels of 16x16 and 44 us at 64 (a little less in the form `branch`); blocks of 16 channels do 80,000 MACs a microsecond.
 */
export const laptop: Machine = { gateMicroseconds: 16, bytesPerMicrosecond: 5000, macsPerMicrosecond: 80_000 };

/** A decision should save at least this many times what it costs. */
export const LEAST_RATIO = 20;

/** What a decision costs everyone, against what it can save. */
export interface DecisionPlan {
  readonly decision: string;
  /**
   * What need not run where the decision takes its cheapest option (the other options, their dearest paths), or keeps as few
   * units as it may, for one input.
   */
  readonly guardedMacs: number;
  /** What exists only to decide: the gate's layers, an exit's head. Shared parts count for the earliest decision. */
  readonly ownMacs: number;
  /**
   * What one input carries into the option that reads most, and back; of a decision about units the weights that are gathered
   * for those that it keeps, in a file for one input.
   */
  readonly copiedBytes: number;
  readonly guardedMicroseconds: number;
  readonly ownMicroseconds: number;
  /** guarded / own time. */
  readonly ratio: number;
  /** A sentence for the author, where the ratio is below 20. */
  readonly warning?: string;
  /** Another one, where files of some form cannot leave out what it drops. */
  readonly refused?: string;
}

/** MACs that lie behind each option of a decision, each on its dearest path. */
const behind = (
  regions: readonly RegionCost[],
  decisions: readonly Decision[],
  { name, options }: Decision,
): number[] => {
  const paths = { decisions, regions: regions.filter((r) => r.guard.some((g) => g.decision === name)) };
  const outer = paths.regions[0]?.guard ?? [];
  const fixed = Object.fromEntries(
    outer
      .slice(
        0,
        outer.findIndex((g) => g.decision === name),
      )
      .map((g) => [g.decision, g.option]),
  );
  return options.map((_, option) => extremeMacs(paths, Math.max, { ...fixed, [name]: option }));
};

/** All nodes that `from` needs, decisions seen through their options and values only: no scores, no heads of exits. */
function body(from: readonly Tensor[]): Set<Node> {
  const found = new Set<Node>();
  const stack = from.map((t) => t.node);
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (found.has(node)) continue;
    found.add(node);
    for (const t of isSelect(node) ? goingOn(node) : isKeep(node) ? node.inputs.slice(1) : node.inputs)
      if (t) stack.push(t.node);
  }
  return found;
}

/** MACs that a decision about units saves where it keeps as few as it may. */
const saved = (table: readonly RegionCost[], decision: KeepDecision): number => {
  const fewest = (name: string) => (name === decision.name ? leastKept(decision) : undefined);
  return table.reduce((sum, r) => sum + r.macs - macsOf(r, fewest), 0);
};

const goingOn = ({ inputs, attrs }: Join): Tensor[] =>
  attrs.decision.options.flatMap((o, k) => (o.answers ? [] : optionValues(inputs, attrs, k)));

/** What a decision looks at and answers with: its score, an exit's head. */
const deciding = (node: DecidingNode): Tensor[] => [
  node.inputs[0]!,
  ...(isSelect(node)
    ? node.attrs.decision.options.flatMap((o, k) => (o.answers ? optionValues(node.inputs, node.attrs, k) : []))
    : []),
];

/**
 * Tells for each decision of a net whether it is worth its own time, by a simple model of time at batch 1:
 * a fixed price for each decision, what it copies, and MACs over a machine's speed. Only a measurement knows the truth.
 *
 * @param machine what the model assumes; `laptop` by default
 * @returns one entry for each decision, in the order of a trace's rows
 * @example for (const { warning } of plan(shirts)) if (warning) console.warn(warning)
 */
export function plan(net: Pick<Net, 'output'>, machine: Machine = laptop): DecisionPlan[] {
  const table = costTable(net);
  const alone = costTable(net, 'branch');
  const crossing = crossingBytes(net);
  const { bytesPerMicrosecond = Number.POSITIVE_INFINITY } = machine;
  // Weights guard nothing: all that they weigh is computed.
  const joins = decidersOf(net).filter((n): n is Join | KeepNode => isSelect(n) || isKeep(n));
  const units = joins.some(isKeep);
  const gathered = units ? gatheredBytes(net) : new Map<string, number>();
  const impossible = units ? refusals(net) : new Map<string, string>();
  const claimed = body([net.output]);
  const own = new Map<DecidingNode, number>();
  // In the order in which they were written: a join's score is made there, an exit's join only at the end.
  for (const join of [...joins].sort((a, b) => a.inputs[0]!.node.id - b.inputs[0]!.node.id)) {
    const fresh = [...body(deciding(join))].filter((n) => !claimed.has(n));
    for (const node of fresh) claimed.add(node);
    own.set(
      join,
      fresh.reduce((sum, n) => sum + n.op.macs(n), 0),
    );
  }
  const decisions = joins.map((join) => join.attrs.decision);
  return joins.map((join) => {
    const { decision } = join.attrs;
    const ownMacs = own.get(join)!;
    const guardedMacs = decision.kind === 'keep' ? saved(alone, decision) : guarded(behind(table, decisions, decision));
    const guardedMicroseconds = guardedMacs / machine.macsPerMicrosecond;
    const copiedBytes = crossing.get(join) ?? gathered.get(decision.name) ?? 0;
    const ownMicroseconds =
      machine.gateMicroseconds + copiedBytes / bytesPerMicrosecond + ownMacs / machine.macsPerMicrosecond;
    const ratio = guardedMicroseconds / ownMicroseconds;
    const numbers = { guardedMacs, ownMacs, copiedBytes, guardedMicroseconds, ownMicroseconds, ratio };
    const refused = impossible.get(decision.name);
    return {
      ...{ decision: decision.name, ...numbers },
      ...(ratio >= LEAST_RATIO ? {} : { warning: warn(decision, numbers) }),
      ...(refused === undefined ? {} : { refused }),
    };
  });
}

const guarded = (costs: readonly number[]): number => costs.reduce((a, b) => a + b, 0) - Math.min(...costs);

function warn(
  { name, family }: Decision,
  { guardedMicroseconds, ownMicroseconds, ratio }: Omit<DecisionPlan, 'decision'>,
): string {
  const us = (v: number) => (v < 10 ? v.toFixed(1) : v.toFixed(0));
  return `${family} "${name}" guards about ${us(guardedMicroseconds)} us and costs about ${us(ownMicroseconds)} us of its own (${us(ratio)}x, wanted ${LEAST_RATIO}x): let it guard more layers, or leave it out`;
}
