import type { Fork, Guard, Region } from './tree.ts';

/** Places along the way through the net and across it; the view turns them into x and y. */
export interface Place {
  readonly along: number;
  readonly across: number;
}

export type Shape =
  | {
      readonly kind: 'wire';
      readonly guard: Guard;
      readonly points: readonly Place[];
    }
  | {
      readonly kind: 'block';
      readonly guard: Guard;
      readonly at: Place;
      readonly length: number;
      readonly macs: number;
    }
  | { readonly kind: 'fork'; readonly guard: Guard; readonly at: Place; readonly fork: Fork }
  | { readonly kind: 'end'; readonly guard: Guard; readonly at: Place; readonly name: string }
  | { readonly kind: 'lane'; readonly guard: Guard; readonly at: Place; readonly name: string };

export interface Layout {
  readonly shapes: readonly Shape[];
  readonly length: number;
  /** Least and greatest place across. */
  readonly across: readonly [number, number];
}

/** Sizes in pixels. */
export interface Sizes {
  /** Of the whole map, along. */
  readonly length: number;
  /** A block is at least so long; beyond that its length is its share of the work. */
  readonly block: number;
  /** Between two things along the way. */
  readonly gap: number;
  /** From the way to an exit's answer. */
  readonly exit: number;
  /** Between the lanes of a decision's options. */
  readonly lane: number;
  /** Kept free at the end for the last answer. */
  readonly tail: number;
}

/**
 * Draws a tree of regions as a way from left to right whose blocks are as long as their work. Exits leave the way sideways;
 * the options of other decisions run side by side and join again.
 */
export function layOut(root: Region, sizes: Sizes): Layout {
  const fixed = place(root, sizes, 0);
  const dearest = longest(root);
  const scale = dearest > 0 ? Math.max(0, sizes.length - fixed.length) / dearest : 0;
  return place(root, sizes, scale);
}

/** MACs of the dearest way. */
const longest = ({ macs, forks }: Region): number =>
  forks.reduce((sum, f) => sum + Math.max(0, ...f.options.map(longest)), macs);

function place(root: Region, sizes: Sizes, scale: number): Layout {
  const shapes: Shape[] = [];
  let [low, high] = [0, 0];
  const reach = (across: number): void => {
    low = Math.min(low, across);
    high = Math.max(high, across);
  };
  const wire = (guard: Guard, ...points: Place[]): void => void shapes.push({ kind: 'wire', guard, points });

  /** Lays a region from `along` on; gives where it ends and how far it reaches to each side. */
  const region = (r: Region, along: number, across: number): { end: number; guard: Guard } => {
    let at = along;
    let { guard } = r;
    if (r.macs > 0 || r.guard.length === 0) {
      const length = sizes.block + r.macs * scale;
      shapes.push({ kind: 'block', guard, at: { along: at, across }, length, macs: r.macs });
      at += length;
    }
    for (const fork of r.forks) {
      wire(guard, { along: at, across }, { along: at + sizes.gap, across });
      at += sizes.gap;
      shapes.push({ kind: 'fork', guard, at: { along: at, across }, fork });
      if (fork.options.length === 0) continue;
      const next = fork.exit ? exit(fork, at, across) : lanes(fork, at, across);
      at = next.end;
      if (fork.exit) guard = next.guard;
    }
    return { end: at, guard };
  };

  const exit = ({ options, decision }: Fork, along: number, across: number): { end: number; guard: Guard } => {
    const [on, leave] = options as [Region, Region];
    const end = { along, across: across + sizes.exit };
    wire(leave.guard, { along, across }, end);
    shapes.push({ kind: 'end', guard: leave.guard, at: end, name: decision.name });
    reach(end.across);
    wire(on.guard, { along, across }, { along: along + sizes.gap, across });
    return region(on, along + sizes.gap, across);
  };

  const lanes = ({ options, decision, guard }: Fork, along: number, across: number): { end: number; guard: Guard } => {
    const start = along + 2 * sizes.gap;
    const rows = options.map((_, k) => across + (k - (options.length - 1) / 2) * sizes.lane);
    const ends = options.map((o, k) => region(o, start, rows[k]!).end);
    const end = Math.max(start + sizes.block, ...ends);
    for (const [k, o] of options.entries()) {
      const row = rows[k]!;
      reach(row);
      wire(o.guard, { along, across }, { along: along + sizes.gap, across: row }, { along: start, across: row });
      wire(o.guard, { along: ends[k]!, across: row }, { along: end, across: row }, { along: end + sizes.gap, across });
      shapes.push({
        kind: 'lane',
        guard: o.guard,
        at: { along: along + sizes.gap, across: row },
        name: decision.options[k]!.name,
      });
    }
    return { end: end + sizes.gap, guard };
  };

  const last = region(root, 0, 0);
  const end = { along: last.end + sizes.gap, across: 0 };
  wire(last.guard, { along: last.end, across: 0 }, end);
  shapes.push({ kind: 'end', guard: last.guard, at: end, name: 'final' });
  return { shapes, length: end.along + sizes.tail, across: [low, high] };
}
