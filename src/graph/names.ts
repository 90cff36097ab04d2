/** Hands out names that are each used once: "conv", "conv_1", "conv_2". */
export class Names {
  readonly #counts = new Map<string, number>();

  reserve(name: string): boolean {
    if (this.#counts.has(name)) return false;
    this.#counts.set(name, 0);
    return true;
  }

  fresh(name: string): string {
    let candidate = name;
    while (!this.reserve(candidate)) {
      const next = this.#counts.get(name)! + 1;
      this.#counts.set(name, next);
      candidate = `${name}_${next}`;
    }
    return candidate;
  }
}
