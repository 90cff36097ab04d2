import { extremeMacs, isExit, type Point, thresholdName } from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import type { ModelCard } from './card.ts';
import { floor32 } from './float32.ts';

/** How much one call may spend. With none of these, the file's chosen operating point holds. */
export interface BudgetOptions {
  /** Mean share of the full MACs, in (0, 1]; the nearest certified operating point is taken. */
  readonly budget?: number;
  /** MACs that no single input may exceed; the last exit within it then takes all inputs that come so far. */
  readonly maxMacs?: number;
  /** Thresholds by decision (one number, or one for each option); decisions left out keep the chosen point's. */
  readonly thresholds?: Readonly<Record<string, number | readonly number[]>>;
}

/** The operating point that a run used. */
export interface UsedPoint {
  /** Mean share of the full MACs on the certify split; null where nothing was measured for these thresholds. */
  readonly budget: number | null;
  /** Whether the file's certificate covers it. */
  readonly certified: boolean;
  readonly note?: string;
}

/** Thresholds that are ready to be fed, and what can be said about them. */
export interface Setting {
  readonly feeds: Readonly<Record<string, NDArray>>;
  readonly used: UsedPoint;
  /** Number of the card's point; undefined where the thresholds are not a point's. */
  readonly index: number | undefined;
}

type Values = Readonly<Record<string, number | readonly number[]>>;

const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;

/** Chooses thresholds for calls: by budget, by a hard cap, or as given. */
export class Operating {
  readonly #card: ModelCard;
  readonly #points: readonly Setting[];
  /** The certified points' numbers. */
  readonly #certified: readonly number[];
  readonly #cheapest: number;
  readonly #dearest: number;
  #last: { readonly from: Setting; readonly maxMacs: number; readonly capped: Setting } | undefined;

  constructor(card: ModelCard) {
    this.#card = card;
    this.#points = card.points.map((p, index) => ({ feeds: this.#feeds(p.thresholds), used: usedPoint(p), index }));
    this.#certified = [...card.points.keys()].filter((i) => card.points[i]!.certified);
    this.#cheapest = extremeMacs(card, Math.min);
    this.#dearest = extremeMacs(card, Math.max);
  }

  /**
   * @throws DynaError 'usage' for a budget that is no share, a budget or cap below the cheapest path, unknown decisions,
   *   and a budget where nothing is certified
   */
  choose({ budget, maxMacs, thresholds }: BudgetOptions = {}): Setting {
    if (budget !== undefined && thresholds !== undefined)
      throw new DynaError('usage', 'a run takes a budget or thresholds, got both');
    let setting = this.#points[this.#card.chosen]!;
    if (budget !== undefined) setting = this.#nearest(budget);
    else if (thresholds !== undefined) setting = this.#given(thresholds);
    return maxMacs === undefined ? setting : this.#capped(setting, maxMacs);
  }

  #nearest(budget: number): Setting {
    const { points, fullMacs, name } = this.#card;
    if (!(typeof budget === 'number' && budget > 0 && budget <= 1))
      throw new DynaError('usage', `a budget is a share of the full MACs, above 0 and at most 1, got ${budget}`);
    const least = this.#cheapest / fullMacs;
    if (budget < least)
      throw new DynaError(
        'usage',
        `a budget of ${percent(budget)} is below the cheapest path of "${name}", which takes ${percent(least)} of the full MACs`,
        { fix: `ask for a budget from ${percent(least)} on` },
      );
    if (this.#certified.length === 0) {
      if (budget === 1) return this.#points[0]!;
      throw new DynaError('usage', `"${name}" has no certified operating points, so no budget under 1 can be chosen`, {
        fix: 'certify it first, or give thresholds or maxMacs',
      });
    }
    let best = this.#certified[0]!;
    for (const i of this.#certified)
      if (Math.abs(points[i]!.budget - budget) < Math.abs(points[best]!.budget - budget)) best = i;
    const chosen = this.#points[best]!;
    const bold = Math.min(...this.#certified.map((i) => points[i]!.budget));
    if (budget >= bold) return chosen;
    const note = `a budget of ${percent(budget)} is not certified; the cheapest certified point takes ${percent(bold)}`;
    return { ...chosen, used: { ...chosen.used, note } };
  }

  #given(thresholds: Values): Setting {
    const { decisions, points, chosen } = this.#card;
    for (const [name, value] of Object.entries(thresholds)) {
      const decision = decisions.find((d) => d.name === name);
      if (!decision)
        throw new DynaError('usage', `there is no decision "${name}"`, {
          fix: `its decisions are ${decisions.map((d) => d.name).join(', ') || 'none'}`,
        });
      const several = decision.rule === 'argmax';
      const values: readonly unknown[] = Array.isArray(value) ? value : [value];
      const fits = Array.isArray(value) === several && values.length === (several ? decision.options.length : 1);
      if (!fits || values.some((v) => typeof v !== 'number' || Number.isNaN(v)))
        throw new DynaError(
          'usage',
          `the threshold of "${name}" should be ${several ? `${decision.options.length} numbers` : 'one number'}, got ${JSON.stringify(value)}`,
        );
      // What an input costs at the most is counted with so many of them running.
      if (decision.kind === 'select' && decision.among && !equal(value, points[chosen]!.thresholds[name]))
        throw new DynaError(
          'usage',
          `"${name}" is one of several decisions of which each input runs ${decision.among.take}: it has no threshold of its own, got ${JSON.stringify(value)}`,
        );
    }
    const all: Values = { ...points[chosen]!.thresholds, ...thresholds };
    const known = points.findIndex((p) => decisions.every((d) => equal(all[d.name], p.thresholds[d.name])));
    if (known >= 0) return this.#points[known]!;
    return {
      feeds: this.#feeds(all),
      used: { budget: null, certified: false, note: 'not certified: no certificate covers these thresholds' },
      index: undefined,
    };
  }

  /** The last exit that nobody can pass within the cap takes everyone who comes so far. */
  #capped(from: Setting, maxMacs: number): Setting {
    if (!(typeof maxMacs === 'number' && maxMacs >= 0))
      throw new DynaError('usage', `maxMacs is a number of multiply-accumulates, got ${maxMacs}`);
    if (maxMacs >= this.#dearest) return from;
    if (this.#last?.from === from && this.#last.maxMacs === maxMacs) return this.#last.capped;
    const exits = this.#card.decisions.filter(isExit);
    const last = exits.findLast(({ name }) => extremeMacs(this.#card, Math.max, { [name]: 1 }) <= maxMacs);
    if (!last)
      throw new DynaError(
        'usage',
        `maxMacs of ${maxMacs} is below the cheapest path of "${this.#card.name}" that can be guaranteed, which takes ${this.#guaranteed(exits.map((e) => e.name))} MACs`,
      );
    const used: UsedPoint = {
      budget: null,
      certified: false,
      note: `not certified: with at most ${maxMacs} MACs an input, all leave at "${last.name}" at the latest`,
    };
    const feeds = { ...from.feeds, [thresholdName(last)]: ndarray('float32', [], [Number.NEGATIVE_INFINITY]) };
    const capped: Setting = { feeds, used, index: undefined };
    this.#last = { from, maxMacs, capped };
    return capped;
  }

  #guaranteed(exits: readonly string[]): number {
    return Math.min(this.#dearest, ...exits.map((name) => extremeMacs(this.#card, Math.max, { [name]: 1 })));
  }

  #feeds(values: Values): Record<string, NDArray> {
    const feeds: Record<string, NDArray> = {};
    for (const decision of this.#card.decisions) {
      const value = values[decision.name];
      const k = decision.options.length;
      feeds[thresholdName(decision)] =
        decision.rule !== 'argmax'
          ? ndarray('float32', [], [floor32(value as number)])
          : ndarray('float32', [k], (value as readonly number[] | undefined) ?? new Float32Array(k));
    }
    return feeds;
  }
}

function usedPoint({ budget, certified }: Point): UsedPoint {
  return certified ? { budget, certified } : { budget, certified, note: 'not certified' };
}

/** Thresholds that are left out are zeros, one for each option. */
const equal = (a: number | readonly number[] = [], b: number | readonly number[] = []): boolean => {
  const [x, y] = [[a].flat(), [b].flat()];
  return Array.from({ length: Math.max(x.length, y.length) }, (_, k) => (x[k] ?? 0) === (y[k] ?? 0)).every(Boolean);
};
