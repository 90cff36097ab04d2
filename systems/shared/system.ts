import type { Context } from './context.ts';

/** One row of the gallery: what the field claims, what is built here, and how it is measured. */
export interface Row {
  readonly id: string;
  readonly title: string;
  /** The figure that the field's overview gives; with "~" where it has no public source. */
  readonly claim: string;
  readonly builds: string;
  /** Published methods whose ratios are there to be beaten, at our size. */
  readonly anchors: string;
  /** The honest one: what is measured here. */
  readonly metric: string;
}

/** What a figure is to reach, named before it was measured. */
export interface Wanted {
  readonly figure: string;
  /** In the figure's unit; shares and points from 0 to 1. */
  readonly least: number;
}

export interface Works extends Row {
  readonly state: 'works';
  readonly wanted?: readonly Wanted[];
  readonly run: (cx: Context) => Promise<Findings>;
}

export interface Planned extends Row {
  readonly state: 'planned';
}

export type System = Works | Planned;

/** Over seeds; `sd` is the sample's standard deviation, 0 for one value. */
export interface Stat {
  readonly mean: number;
  readonly sd: number;
  readonly n: number;
}

/**
 * What a contender is beside the dynamic net: its own last answer (`full`), the same architecture trained without decisions
 * (`static`), a smaller static net trained at the same mean MACs, the net's own paths given out at random or one of them to
 * all, and the cheapest path that is right.
 */
export type Role = 'dynamic' | 'full' | 'static' | 'same-macs' | 'random' | 'constant' | 'oracle';

export interface Contender {
  readonly name: string;
  readonly role: Role;
  /** On the test split; null where it has no meaning. */
  readonly accuracy: Stat | null;
  /** Mean of an input, counted from what ran. */
  readonly macs: Stat | null;
  /** Milliseconds of one image, median. */
  readonly ms1?: Stat;
  /** Milliseconds of one image in batches of 64. */
  readonly ms64?: Stat;
  /** 95th percentile of one image, milliseconds. */
  readonly p95?: Stat;
  /** One image that takes the full path through all decisions, milliseconds. */
  readonly worst?: Stat;
  readonly note?: string;
}

export interface Figure {
  readonly name: string;
  readonly value: Stat;
  /** 'x': a ratio; '%': a share, 0 to 1; 'points': a difference of shares. */
  readonly unit: 'x' | '%' | 'points' | 's' | 'ms' | 'epochs' | 'MB' | '';
  readonly note?: string;
}

/** How decisions differ across inputs. */
export interface Spread {
  readonly name: string;
  /** Share of inputs that take each option of each decision, by "decision/option"; over those that reach it. */
  readonly rates: Readonly<Record<string, number>>;
  /** Different ways through the net that at least 1 % of inputs take. */
  readonly paths: number;
  /** Entropy of the ways taken, in bits. */
  readonly bits: number;
  /** Whether choices depend on the input: else the net is static, whatever it is called. */
  readonly dynamic: boolean;
}

export interface CurvePoint {
  readonly series: string;
  readonly macs: number;
  readonly accuracy: number;
}

/** What a system finds out. */
export interface Findings {
  readonly data: string;
  /** What stands under `accuracy`, where it is something else, e.g. "mAP@.5". */
  readonly measure?: string;
  /** Names of the figures that say it in one line. */
  readonly headline: readonly string[];
  readonly contenders: readonly Contender[];
  readonly figures: readonly Figure[];
  readonly spread: readonly Spread[];
  readonly curve: readonly CurvePoint[];
  readonly notes: readonly string[];
}

/** `results/ID.json`. */
export interface SystemResult extends Findings {
  readonly id: string;
  readonly command: string;
  readonly seeds: readonly number[];
  readonly quick: boolean;
  readonly machine: string;
  readonly commit: string;
}
