import { laptop, type Net, net, skip } from '../../dynamic/index.ts';
import {
  Add,
  BATCH,
  formatShape,
  Identity,
  isConcrete,
  type Node,
  order,
  Relu,
  sameShape,
  substitute,
  type Tensor,
} from '../../graph/index.ts';
import { Names } from '../../graph/names.ts';
import { type Foreign, itemShape } from './foreign.ts';

/** Residual blocks of a model, one after another, that one gate can leave out. */
export interface SkipPlace {
  /** The first block's sum, as the user knows it. */
  readonly name: string;
  /** What goes in, and what goes on without the blocks. */
  readonly from: Tensor;
  /** The sum behind the last block. */
  readonly to: Tensor;
  /** How many residual sums it guards. */
  readonly blocks: number;
  /** Share of the model's MACs that it guards. */
  readonly share: number;
  /** Time that skipping saves over the time that asking costs everyone, by the model of `plan`. */
  readonly ratio: number;
}

/** A sum of a tensor and of what a few layers make of that very tensor. */
interface Block {
  readonly from: Tensor;
  readonly to: Tensor;
  readonly macs: number;
}

/** A gate should guard so many times its own cost: blocks are put behind one gate until it does. */
const WANTED = 20;
/** Below this not even a trial is worth it. */
const WORTH_TRYING = 5;
const GATE_HIDDEN = 16;

const isOp = (node: Node, op: unknown): boolean => (node.op as unknown) === op;

/** The MACs between two tensors, where all paths to `end` come from `start` and parameters alone. */
function between(start: Tensor, end: Tensor, inputs: ReadonlySet<Tensor>): number | undefined {
  const seen = new Set<Node>([start.node]);
  const open = [end];
  let macs = 0;
  while (open.length > 0) {
    const t = open.pop()!;
    if (inputs.has(t)) return undefined;
    if (seen.has(t.node)) continue;
    seen.add(t.node);
    macs += t.node.op.macs(t.node);
    for (const before of t.node.inputs) if (before) open.push(before);
  }
  return macs;
}

/** All residual blocks, in the order of the graph. */
function blocksOf({ input, logits }: Foreign): Block[] {
  const nodes = order([logits]);
  const place = new Map(nodes.map((n, i) => [n, i]));
  const uses = new Map<Tensor, number>();
  for (const n of nodes) for (const t of n.inputs) if (t) uses.set(t, (uses.get(t) ?? 0) + 1);
  const found: Block[] = [];
  for (const node of nodes) {
    if (!isOp(node, Add)) continue;
    const [a, b] = node.inputs as [Tensor, Tensor];
    const to = node.outputs[0]!;
    const alike = sameShape(a.shape, b.shape) && to.shape[0] === BATCH && isConcrete(to.shape.slice(1));
    if (!alike || to.rank < 3) continue;
    const [from, made] = place.get(a.node)! < place.get(b.node)! ? [a, b] : [b, a];
    const macs = from === input ? undefined : between(from, made, new Set([input]));
    if (macs !== undefined && macs > 0 && uses.get(made) === 1) found.push({ from, to, macs });
  }
  return found;
}

/** What a block's sum goes through before the next block takes it: an activation changes nothing for what skips. */
function settled(t: Tensor, uses: ReadonlyMap<Tensor, readonly Node[]>): Tensor {
  const users = uses.get(t) ?? [];
  const only = users[0];
  const passes = users.length === 1 && (isOp(only!, Relu) || isOp(only!, Identity));
  return passes ? settled(only!.outputs[0]!, uses) : t;
}

/**
 * Finds the residual blocks of a model and puts neighbours behind one gate, until it guards 20 times what asking costs. Gates
 * that would guard less than five times that are left out.
 *
 * @example for (const { name, share } of skipPlaces(readForeign(bytes))) console.log(name, share)
 */
export function skipPlaces(foreign: Foreign): SkipPlace[] {
  const nodes = order([foreign.logits]);
  const total = nodes.reduce((sum, n) => sum + n.op.macs(n), 0);
  const uses = new Map<Tensor, Node[]>();
  for (const n of nodes) for (const t of n.inputs) if (t) uses.set(t, [...(uses.get(t) ?? []), n]);
  const names = new Names();
  const places: SkipPlace[] = [];
  let run: Block[] = [];
  const close = () => {
    const first = run[0];
    if (!first) return;
    const macs = run.reduce((sum, b) => sum + b.macs, 0);
    const { node } = first.to;
    const asking =
      laptop.gateMicroseconds + (GATE_HIDDEN * (first.from.shape[1] as number)) / laptop.macsPerMicrosecond;
    const place = {
      name: names.fresh(node.scope ? `${node.scope}/${node.op.name}` : node.op.name),
      ...{ from: first.from, to: run.at(-1)!.to, blocks: run.length, share: macs / total },
      ratio: macs / laptop.macsPerMicrosecond / asking,
    };
    if (place.ratio >= WORTH_TRYING) places.push(place);
    run = [];
  };
  for (const block of blocksOf(foreign)) {
    const last = run.at(-1);
    if (last && settled(last.to, uses) !== block.from) close();
    run.push(block);
    const guarded = run.reduce((sum, b) => sum + b.macs, 0) / laptop.macsPerMicrosecond;
    if (guarded >= WANTED * laptop.gateMicroseconds) close();
  }
  close();
  return places;
}

/** The model with a gate at each place; parameters of gates are `skip1/...`. */
export const withSkips = (foreign: Foreign, places: readonly SkipPlace[], name: string): Net =>
  net({ input: itemShape(foreign), classes: foreign.classes.length, name, onWarning: () => undefined }, (x) => {
    const made = new Map<Tensor, Tensor>([[foreign.input, x]]);
    const onNew = (t: Tensor, own: ReadonlyMap<Tensor, Tensor> = made): Tensor => substitute([t], own)[0]!;
    for (const [i, { from, to }] of places.entries())
      made.set(
        to,
        skip(onNew(from), (y) => onNew(to, new Map([...made, [from, y]])), { name: `skip${i + 1}` }),
      );
    return onNew(foreign.logits);
  });

/** For people. */
export const describeSkip = ({ name, from, blocks, share, ratio }: SkipPlace): string =>
  `${blocks} ${blocks === 1 ? 'block' : 'blocks'} of ${formatShape(from.shape.slice(1))} up to "${name}": ${Math.round(100 * share)} % of the MACs, ${ratio.toFixed(1)} times what asking costs`;
