import { laptop } from '../../dynamic/index.ts';
import { DynaError } from '../../errors.ts';
import {
  Add,
  AveragePool,
  BATCH,
  BatchNormalization,
  Conv,
  ConvTranspose,
  isConcrete,
  LayerNormalization,
  MatMul,
  MaxPool,
  type Node,
  order,
  type Tensor,
  Transpose,
} from '../../graph/index.ts';
import { Names } from '../../graph/names.ts';
import type { Foreign } from './foreign.ts';
import { type HeadPlan, headOf } from './head.ts';

/** A place where an exit can stand: a tensor that every path from the input to the logits passes through. */
export interface Place {
  /** The node that makes it, as the user names it. */
  readonly name: string;
  readonly tensor: Tensor;
  /** [channels, height, width], or [tokens, features]. */
  readonly shape: readonly number[];
  /** Share of the model's MACs that is spent when it is made. */
  readonly share: number;
  readonly head: HeadPlan;
  /** What an exit here is called, where one is tried. */
  readonly exit?: string;
  /** Time that leaving here saves over the time that asking costs everyone, by the model of `plan`. */
  readonly ratio: number;
}

export interface ExitPlan {
  /** All places, earliest first. */
  readonly places: readonly Place[];
  /** Those where an exit is tried (or, in a result, stands), earliest first. */
  readonly exits: readonly Place[];
  /** So many of them stay at most. */
  readonly most: number;
  /** MACs of the original for one image. */
  readonly macs: number;
}

export interface PlanOptions {
  /** Most exits in the result; 2 by default. Three times as many are tried. */
  readonly exits?: number;
  /** Names of places, instead of the plan's own choice: all of them are tried. */
  readonly exitAt?: readonly string[];
}

/** Exits stand between these shares of the MACs: before, features say too little; behind, too little is saved. */
const EARLIEST = 0.1;
const LATEST = 0.75;
/** Places that are tried for each exit that may stay: where features begin to tell is not known beforehand. */
const TRIED = 3;
/** Where leaving saves less than so many times what asking costs everyone, not even a trial is worth it. */
const WORTH_TRYING = 5;

/**
 * Lists the places for exits and chooses among them. The choice spreads exits evenly between 10 % and 75 % of the MACs;
 * those that save less than 5 times what asking costs are left out, and where that is all of them, one stays at most. Which of
 * them stay is decided when their heads have learned.
 *
 * @throws DynaError 'model' where there is no place, 'usage' for a name that is none
 * @example for (const { name, share } of planExits(readForeign(bytes)).exits) console.log(name, share)
 */
export function planExits(foreign: Foreign, { exits = 2, exitAt }: PlanOptions = {}): ExitPlan {
  if (!Number.isInteger(exits) || exits < 1 || exits > 3)
    throw new DynaError('usage', `an adapted model has 1 to 3 exits, got ${exits}`);
  const { places, macs } = placesOf(foreign);
  if (places.length === 0)
    throw new DynaError('model', 'the model has no place for an exit: no features that all its paths pass through', {
      fix: 'adapt takes classifiers with feature maps [N, C, H, W] or tokens [N, tokens, features]',
    });
  if (exitAt) {
    const named = byName(places, exitAt);
    return planned(places, macs, named, named.length);
  }
  const fit = places.filter((p) => p.share >= EARLIEST && p.share <= LATEST);
  const among = fit.length > 0 ? fit : places;
  // Where asking costs too much at any place, one exit is more than enough.
  const most = among.some((p) => p.ratio >= WORTH_TRYING) ? exits : 1;
  const step = (LATEST - EARLIEST) / (TRIED * most);
  const nearest = Array.from({ length: TRIED * most }, (_, k) => {
    const wanted = EARLIEST + (k + 0.5) * step;
    return among.reduce((best, p) => (Math.abs(p.share - wanted) < Math.abs(best.share - wanted) ? p : best));
  });
  const all = [...new Set(nearest)];
  const worthy = all.filter((p) => p.ratio >= WORTH_TRYING);
  return planned(places, macs, worthy.length > 0 ? worthy : all, most);
}

function planned(places: readonly Place[], macs: number, chosen: readonly Place[], most: number): ExitPlan {
  const named = places.map((p) => (chosen.includes(p) ? { ...p, exit: `exit${chosen.indexOf(p) + 1}` } : p));
  return { places: named, macs, most, exits: named.filter((p) => p.exit !== undefined) };
}

function byName(places: readonly Place[], names: readonly string[]): Place[] {
  const known = places.map((p) => p.name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new DynaError('usage', `an exit cannot stand at "${unknown}"`, { fix: `places are ${known.join(', ')}` });
  if (names.length > 3) throw new DynaError('usage', `an adapted model has at most 3 exits, got ${names.length}`);
  return places.filter((p) => names.includes(p.name));
}

/** Makers of features that lie along the last axis; what convolutions and poolings make has them along axis 1. */
const LAST = new Set<unknown>([MatMul, LayerNormalization]);
const FIRST = new Set<unknown>([Conv, ConvTranspose, MaxPool, AveragePool, BatchNormalization]);

/** Whether a node's maps are positions of features, [N, H, W, C], as transformers with windows keep them. */
function keepsFeaturesLast({ op, attrs, inputs }: Node, last: ReadonlySet<Tensor>): boolean {
  if (LAST.has(op)) return true;
  if (FIRST.has(op)) return false;
  if (op === (Transpose as unknown)) return (attrs.perm as readonly number[]).at(-1) === 1;
  return inputs.some((t) => t && last.has(t));
}

/** Maps anywhere; tokens where a transformer's blocks join, because other tensors of two axes may be anything. */
const hasFeatures = ({ op }: Node, shape: readonly number[], featuresLast: boolean): boolean =>
  (shape.length === 3 && !featuresLast) ||
  (shape.length === 2 && shape[0]! > 1 && [Add, LayerNormalization].includes(op as never));

/** Places in the order of the graph; of neighbours with the same MACs before them the last, which is usually the smallest. */
function placesOf({ input, logits }: Foreign): { places: Place[]; macs: number } {
  const nodes = order([logits]);
  const live = new Set<Tensor>([input]);
  const lastUse = new Map<Tensor, number>();
  const last = new Set<Tensor>();
  for (const [i, node] of nodes.entries()) {
    for (const t of node.inputs) if (t) lastUse.set(t, i);
    if (keepsFeaturesLast(node, last)) for (const t of node.outputs) last.add(t);
    if (node.inputs.some((t) => t && live.has(t))) for (const t of node.outputs) live.add(t);
  }
  const macs = nodes.reduce((sum, n) => sum + n.op.macs(n), 0);
  const names = new Names();
  const found: Place[] = [];
  let spent = 0;
  let open = -1; // the last node that needs something made so far
  for (const [i, node] of nodes.entries()) {
    spent += node.op.macs(node);
    const own = node.outputs.filter((t) => live.has(t) && lastUse.has(t));
    // All that was made before is used up here at the latest, so whatever follows passes through this node's tensor.
    if (own.length === 1 && own[0] !== input && open <= i) {
      const tensor = own[0]!;
      const [batch, ...shape] = tensor.shape;
      if (
        batch === BATCH &&
        isConcrete(shape) &&
        hasFeatures(node, shape, last.has(tensor)) &&
        spent > 0 &&
        spent < macs
      ) {
        const head = headOf(shape, logits.shape[1] as number, macs);
        const asking = laptop.gateMicroseconds + head.macs / laptop.macsPerMicrosecond;
        const ratio = (macs - spent) / laptop.macsPerMicrosecond / asking;
        const name = names.fresh(node.scope ? `${node.scope}/${node.op.name}` : node.op.name);
        const place = { name, tensor, shape, share: spent / macs, head, ratio };
        if (found.at(-1)?.share === place.share) found.pop();
        found.push(place);
      }
    }
    for (const t of own) open = Math.max(open, lastUse.get(t)!);
  }
  return { places: found, macs };
}
