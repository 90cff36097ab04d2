/** Mixes all bits of a 32-bit word into each other (the finaliser of MurmurHash3, Appleby 2011). */
function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** A 32-bit hash of a text's UTF-16 units; another `basis` gives an independent hash. */
function hash(text: string, basis: number): number {
  let h = mix(basis);
  for (let i = 0; i < text.length; i++) h = mix(h ^ Math.imul(text.charCodeAt(i) + 1, 0x9e3779b1));
  return mix(h ^ text.length);
}

/**
 * A stream of uniform 32-bit words that (seed, name) alone decide: sfc32 (Doty-Humphrey, PractRand), 128 bits of state.
 * Every parameter has its own stream, so inserting a layer changes no other layer's start. (`Random` of the data floor is
 * keyed by numbers instead. The two cannot become one without changing what committed seeds give.)
 */
export function stream(seed: number, name: string): () => number {
  const key = mix(seed ^ mix(Math.floor(seed / 2 ** 32)));
  let [a, b, c] = [1, 2, 3].map((i) => hash(name, key + Math.imul(i, 0x9e3779b9))) as [number, number, number];
  let counter = 1;
  const next = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    return t >>> 0;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}

/** Uniform in (0, 1), never an end. */
export const uniform = (next: () => number): number => (next() + 0.5) * 2 ** -32;

/** Two independent standard normal values (Box & Muller 1958). */
export function normalPair(next: () => number): [number, number] {
  const radius = Math.sqrt(-2 * Math.log(uniform(next)));
  const angle = 2 * Math.PI * uniform(next);
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}
