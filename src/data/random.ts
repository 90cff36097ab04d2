import { DynaError } from '../errors.ts';

const rotl = (x: number, k: number): number => (x << k) | (x >>> (32 - k));

/**
 * A seeded generator of random numbers, the same on every machine: xoshiro128** (Blackman and Vigna, 2018,
 * "Scrambled linear pseudorandom number generators"), 128 bits of state, 32-bit output.
 *
 * It is made from a *key* of any number of integers, e.g. (seed, epoch, item). Generators of different keys are
 * independent streams, so any item of any epoch can be drawn without drawing those before it: the whole state of a
 * shuffled, augmented training run is (seed, epoch, position). The key is absorbed word by word into the 128 bits
 * with ChaCha's quarter round.
 *
 * @example
 * const random = new Random(42, epoch)
 * const order = random.permutation(50_000)
 */
export class Random {
  private a = 0x61707865; // ChaCha's constants, "expand 32-byte k"
  private b = 0x3320646e;
  private c = 0x79622d32;
  private d = 0x6b206574;

  /** @throws DynaError 'usage' when a key is not a safe integer */
  constructor(...key: number[]) {
    for (const word of key) {
      if (!Number.isSafeInteger(word))
        throw new DynaError('usage', `a random seed is a whole number between -2^53 and 2^53, got ${word}`);
      this.absorb(word | 0);
      this.absorb(Math.floor(word / 2 ** 32) | 0);
    }
    this.absorb(key.length);
    if ((this.a | this.b | this.c | this.d) === 0) this.a = 1; // the one state xoshiro never leaves
  }

  /** The generator that continues from a saved `state()`. */
  static from(state: readonly number[]): Random {
    if (state.length !== 4 || !state.every(Number.isInteger) || state.every((word) => word === 0))
      throw new DynaError('usage', `a generator's state is four 32-bit words, not all zero, got [${state.join(', ')}]`);
    const random = new Random();
    [random.a, random.b, random.c, random.d] = state.map((word) => word | 0) as [number, number, number, number];
    return random;
  }

  /** Four unsigned 32-bit words from which `Random.from` continues. */
  state(): number[] {
    return [this.a >>> 0, this.b >>> 0, this.c >>> 0, this.d >>> 0];
  }

  private absorb(word: number): void {
    let { a, b, c, d } = this;
    a ^= word;
    for (let round = 0; round < 4; round++) {
      a = (a + b) | 0;
      d = rotl(d ^ a, 16);
      c = (c + d) | 0;
      b = rotl(b ^ c, 12);
      a = (a + b) | 0;
      d = rotl(d ^ a, 8);
      c = (c + d) | 0;
      b = rotl(b ^ c, 7);
    }
    this.a = a;
    this.b = b;
    this.c = c;
    this.d = d;
  }

  /** A whole number, uniform in [0, 2^32). */
  next(): number {
    const result = Math.imul(rotl(Math.imul(this.b, 5), 7), 9) >>> 0;
    const t = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= t;
    this.d = rotl(this.d, 11);
    return result;
  }

  /** A multiple of 2^-24, uniform in [0, 1): exact in float32 too, where it never rounds up to 1. */
  float(): number {
    return (this.next() >>> 8) * 2 ** -24;
  }

  /** A whole number, uniform in [0, n), without the bias of a plain remainder. `n` is 1 to 2^32. */
  int(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32)
      throw new DynaError('usage', `random.int(n) expects a whole n between 1 and 2^32, got ${n}`);
    const limit = 2 ** 32 - (2 ** 32 % n);
    let x = this.next();
    while (x >= limit) x = this.next();
    return x % n;
  }

  /** A standard normal value (Box-Muller); at most 5.8 in size. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.float()));
    return radius * Math.cos(2 * Math.PI * this.float());
  }

  /** Puts the items in a random order, in place (Fisher-Yates), and returns them. */
  shuffle<T extends { [index: number]: unknown; readonly length: number }>(items: T): T {
    const list = items as { [index: number]: unknown };
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      const kept = list[i];
      list[i] = list[j];
      list[j] = kept;
    }
    return items;
  }

  /** The numbers 0 to n - 1 in random order. */
  permutation(n: number): Int32Array {
    return this.shuffle(Int32Array.from({ length: n }, (_, i) => i));
  }
}
