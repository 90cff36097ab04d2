/** How one number that is chosen for each input differs between them. */
export interface Moments {
  readonly mean: readonly number[];
  /** Standard deviation across inputs. */
  readonly sd: readonly number[];
  /** Mean size. */
  readonly size: readonly number[];
}

/** Gathers rows of equal length: mean, deviation and mean size of each of their numbers. */
export class Gathered {
  #n = 0;
  readonly #first: Float64Array;
  readonly #sum: Float64Array;
  readonly #squares: Float64Array;
  readonly #sizes: Float64Array;

  constructor(width: number) {
    [this.#first, this.#sum, this.#squares, this.#sizes] = [0, 0, 0, 0].map(() => new Float64Array(width)) as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
    ];
  }

  /** Takes whole rows, one after another. */
  take(rows: ArrayLike<number>): void {
    const width = this.#sum.length;
    for (let at = 0; at < rows.length; at += width, this.#n++)
      for (let j = 0; j < width; j++) {
        const v = rows[at + j]!;
        // Sums start from the first row, so that squares of what hardly moves lose no digits.
        if (this.#n === 0) this.#first[j] = v;
        const d = v - this.#first[j]!;
        this.#sum[j]! += d;
        this.#squares[j]! += d * d;
        this.#sizes[j]! += Math.abs(v);
      }
  }

  get moments(): Moments {
    const n = this.#n;
    const list = (f: (j: number) => number) => Array.from(this.#sum, (_, j) => f(j));
    return {
      mean: list((j) => this.#first[j]! + this.#sum[j]! / n),
      sd: list((j) => Math.sqrt(Math.max(0, (this.#squares[j]! - this.#sum[j]! ** 2 / n) / Math.max(1, n - 1)))),
      size: list((j) => this.#sizes[j]! / n),
    };
  }
}

/** Entropy in bits. */
export const bits = (shares: readonly number[]): number =>
  shares.reduce((sum, p) => (p > 0 ? sum - p * Math.log2(p) : sum), 0);
