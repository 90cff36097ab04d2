/** Plain numbers of one step, by the names of the step's outputs ("loss", "accuracy/exit1"). */
export type Values = Readonly<Record<string, number>>;

/** What a meter needs to go on in another process. */
export interface MeterState {
  readonly count: number;
  readonly sums: Values;
  readonly seconds: number;
}

/** Means over the steps of an epoch. */
export class Meter {
  #count = 0;
  #sums: Record<string, number> = {};
  #seconds = 0;

  constructor(from?: MeterState) {
    if (!from) return;
    this.#count = from.count;
    this.#sums = { ...from.sums };
    this.#seconds = from.seconds;
  }

  add(values: Values, seconds: number): void {
    this.#count++;
    this.#seconds += seconds;
    for (const [name, v] of Object.entries(values)) this.#sums[name] = (this.#sums[name] ?? 0) + v;
  }

  mean(name: string): number {
    return this.#count === 0 ? 0 : (this.#sums[name] ?? 0) / this.#count;
  }

  has(name: string): boolean {
    return name in this.#sums;
  }

  /** The means of "kind/name", by name. */
  means(kind: string): Record<string, number> {
    return pick(kind, Object.keys(this.#sums), (name) => this.mean(name));
  }

  get seconds(): number {
    return this.#seconds;
  }

  state(): MeterState {
    return { count: this.#count, sums: { ...this.#sums }, seconds: this.#seconds };
  }
}

/** The entries of "kind/name", by name. */
export function pick(kind: string, keys: readonly string[], value: (key: string) => number): Record<string, number> {
  const own = keys.filter((key) => key.startsWith(`${kind}/`));
  return Object.fromEntries(own.map((key) => [key.slice(kind.length + 1), value(key)]));
}
