import { DynaError } from '../../errors.ts';
import { type Cut, cutIndex, cutsOf } from './cuts.ts';
import { rows } from './exits.ts';

/**
 * How many of the surest inputs each exit may take, [exits]: a threshold vector as ranks. 0 is "never", n is "all".
 * More at any exit means that every input leaves at least as early.
 */
export type Ranks = readonly number[];

/** Limits for a search: `from` at least, `to` at most, at every exit. */
export interface Box {
  readonly from: Ranks;
  readonly to: Ranks;
}

const LAMBDA_STEPS = 14;
const PAIR_CUTS = 24;

/**
 * Chooses thresholds for all exits at once: least total cost with the total loss under a limit.
 *
 * With the other thresholds fixed, the best cut of one exit is found exactly by one walk down its sorted scores. Coordinate
 * descent on cost + λ loss, with λ bisected, finds the neighbourhood; exact moves of one and of two thresholds finish it.
 */
export class ThresholdSearch {
  readonly n: number;
  readonly exits: number;
  /** The cuts of each exit, from "never" to "all". */
  readonly cuts: readonly (readonly Cut[])[];
  private readonly order: readonly Int32Array[];
  private readonly rankOf: readonly Int32Array[];
  /** [n, exits + 1]: the full path's zeros stand in the last column. */
  private readonly losses: Float64Array;
  private readonly costs: Float64Array;
  private readonly scratch: Int32Array;

  /**
   * @param scores [n, exits]; higher is surer
   * @param losses [n, exits]: the loss of leaving there (the full path loses 0)
   * @param costs [exits + 1]: the cost of leaving at each exit, the full path's last
   */
  constructor(scores: ArrayLike<number>, losses: ArrayLike<number>, costs: ArrayLike<number>) {
    this.exits = costs.length - 1;
    this.n = rows(scores, this.exits);
    this.costs = Float64Array.from(costs);
    if (losses.length !== scores.length) {
      throw new DynaError('shape', `expected ${scores.length} losses, one for each score, got ${losses.length}`);
    }
    const { n, exits } = this;
    this.scratch = new Int32Array(n);
    this.losses = new Float64Array(n * (exits + 1));
    for (let i = 0; i < n; i++)
      for (let e = 0; e < exits; e++) this.losses[i * (exits + 1) + e] = losses[i * exits + e];
    const order: Int32Array[] = [];
    const rankOf: Int32Array[] = [];
    const cuts: Cut[][] = [];
    for (let e = 0; e < exits; e++) {
      const score = Float64Array.from({ length: n }, (_, i) => scores[i * exits + e]);
      const nan = score.findIndex(Number.isNaN);
      if (nan >= 0) throw new DynaError('data', `the score of input ${nan} at exit ${e} is NaN`);
      const sorted = Int32Array.from({ length: n }, (_, i) => i).sort((a, b) => compare(score[b], score[a]) || a - b);
      const rank = new Int32Array(n);
      sorted.forEach((input, r) => {
        rank[input] = r;
      });
      order.push(sorted);
      rankOf.push(rank);
      cuts.push(cutsOf(sorted.length ? Array.from(sorted, (i) => score[i]) : []));
    }
    this.order = order;
    this.rankOf = rankOf;
    this.cuts = cuts;
  }

  get never(): Ranks {
    return new Array<number>(this.exits).fill(0);
  }

  get all(): Ranks {
    return this.cuts.map((c) => c[c.length - 1].rank);
  }

  thresholds(ranks: Ranks): number[] {
    return ranks.map((rank, e) => this.cuts[e][cutIndex(this.cuts[e], rank)].threshold);
  }

  /** The largest allowed rank of an exit that is not over `rank`. */
  snap(exit: number, rank: number): number {
    return this.cuts[exit][cutIndex(this.cuts[exit], rank)].rank;
  }

  /** Total cost, total loss, inputs with a loss that is not 0, and inputs at each exit. */
  evaluate(ranks: Ranks): { cost: number; loss: number; changed: number; counts: number[] } {
    const counts = new Array<number>(this.exits + 1).fill(0);
    let loss = 0;
    let changed = 0;
    for (let i = 0; i < this.n; i++) {
      const e = this.leaves(i, 0, ranks);
      const here = this.lossAt(i, e);
      counts[e]++;
      loss += here;
      if (here !== 0) changed++;
    }
    return { cost: counts.reduce((sum, c, e) => sum + c * this.costs[e], 0), loss, changed, counts };
  }

  /** The cheapest ranks found inside the box with total loss <= limit; `box.from` must keep the limit itself. */
  cheapest(limit: number, box: Box): Ranks {
    let best: { ranks: Ranks; cost: number } = { ranks: box.from, cost: this.evaluate(box.from).cost };
    const offer = (ranks: Ranks): boolean => {
      const { cost, loss } = this.evaluate(ranks);
      if (loss > limit) return false;
      if (cost < best.cost) best = { ranks, cost };
      return true;
    };
    const unit = Math.max(
      ...Array.from({ length: this.exits }, (_, e) => Math.abs(this.costs[this.exits] - this.costs[e])),
    );
    for (const start of [box.from, box.to]) {
      let [tooSmall, enough] = [Math.log(unit * 1e-3), Math.log(unit * 1e5)];
      let ranks: Ranks = start;
      for (let k = 0; k < LAMBDA_STEPS; k++) {
        const lambda = (tooSmall + enough) / 2;
        ranks = this.descend(ranks, Math.exp(lambda), box);
        if (offer(ranks)) enough = lambda;
        else tooSmall = lambda;
      }
    }
    offer(this.polish(best.ranks, limit, box));
    return best.ranks;
  }

  /** Coordinate descent on cost + lambda loss. */
  private descend(start: Ranks, lambda: number, box: Box): Ranks {
    const ranks = [...start];
    for (let sweep = 0; sweep < 8; sweep++) {
      let moved = false;
      for (let e = 0; e < this.exits; e++) {
        let least = Infinity;
        let at = ranks[e];
        this.walk(e, ranks, box, (rank, cost, loss) => {
          if (cost + lambda * loss < least) {
            least = cost + lambda * loss;
            at = rank;
          }
        });
        moved ||= at !== ranks[e];
        ranks[e] = at;
      }
      if (!moved) break;
    }
    return ranks;
  }

  /** Moves one threshold, or two together, as long as that lowers the cost within the limit. */
  private polish(start: Ranks, limit: number, box: Box): Ranks {
    const ranks = [...start];
    let cost = this.evaluate(ranks).cost;
    for (let sweep = 0; sweep < 8; sweep++) {
      const before = cost;
      for (let e = 0; e < this.exits; e++) {
        for (const trial of this.exits === 1 ? [ranks[e]] : this.trials(e, ranks[e], box)) {
          for (let f = 0; f < this.exits; f++) {
            if (f === e && this.exits > 1) continue;
            const candidate = [...ranks];
            candidate[e] = trial;
            let at = -1;
            this.walk(f, candidate, box, (rank, c, loss) => {
              if (loss <= limit && c < cost - 1e-12 * Math.abs(cost)) {
                cost = c;
                at = rank;
              }
            });
            if (at < 0) continue;
            ranks[e] = trial;
            ranks[f] = at;
          }
        }
      }
      if (cost === before) break;
    }
    return ranks;
  }

  /** Cuts of one exit worth trying: the present one, its neighbours at growing distances. */
  private trials(e: number, rank: number, box: Box): number[] {
    const cuts = this.cuts[e];
    const first = cutIndex(cuts, box.from[e]);
    const last = cutIndex(cuts, box.to[e]);
    const here = cutIndex(cuts, rank);
    const indices = new Set([here]);
    if (last - first <= PAIR_CUTS) for (let k = first; k <= last; k++) indices.add(k);
    for (let step = 1; step < last - first; step *= 2) {
      indices.add(Math.min(last, here + step));
      indices.add(Math.max(first, here - step));
    }
    return [...indices].map((k) => cuts[k].rank);
  }

  /** Calls `visit` with the total cost and loss for every cut of exit e in the box, the other exits as in `ranks`. */
  private walk(e: number, ranks: Ranks, box: Box, visit: (rank: number, cost: number, loss: number) => void): void {
    let cost = 0;
    let loss = 0;
    const { n, costs, rankOf } = this;
    const later = this.scratch;
    for (let i = 0; i < n; i++) {
      let f = 0;
      while (f < e && rankOf[f][i] >= ranks[f]) f++;
      const exit = f < e ? f : this.leaves(i, e + 1, ranks);
      later[i] = f === e ? exit : -1;
      cost += costs[exit];
      loss += this.lossAt(i, exit);
    }
    let taken = 0;
    for (const { rank } of this.cuts[e]) {
      if (rank > box.to[e]) break;
      for (; taken < rank; taken++) {
        const i = this.order[e][taken];
        if (later[i] < 0) continue;
        cost += costs[e] - costs[later[i]];
        loss += this.lossAt(i, e) - this.lossAt(i, later[i]);
      }
      if (rank >= box.from[e]) visit(rank, cost, loss);
    }
  }

  private leaves(input: number, from: number, ranks: Ranks): number {
    let e = from;
    while (e < this.exits && this.rankOf[e][input] >= ranks[e]) e++;
    return e;
  }

  private lossAt(input: number, exit: number): number {
    return this.losses[input * (this.exits + 1) + exit];
  }
}

const compare = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : 0);
