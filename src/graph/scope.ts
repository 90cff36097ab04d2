/** Where in the user's code nodes are being made. One net is traced at a time; tracing is synchronous. */
interface Place {
  readonly path: readonly string[];
  /** How many unnamed layers of a kind stand in each scope. */
  readonly counts: Map<string, number>;
}

let place: Place = { path: [], counts: new Map() };

function at<T>(next: Place, fn: () => T): T {
  const saved = place;
  place = next;
  try {
    return fn();
  } finally {
    place = saved;
  }
}

/**
 * Runs `fn` with `name` appended to the names of all nodes and parameters that it makes. Named scopes keep a
 * checkpoint's names when layers are inserted elsewhere.
 *
 * @example scope('stem', () => conv(x, 16)) // its weight is "stem/conv1/weight"
 */
export const scope = <T>(name: string, fn: () => T): T => at({ path: [...place.path, name], counts: place.counts }, fn);

/** The scope of a layer: its own name where the user gave one, else its kind and a number ("conv2"). */
export function layerScope<T>(kind: string, name: string | undefined, fn: () => T): T {
  if (name !== undefined) return scope(name, fn);
  const key = scoped(kind);
  const count = (place.counts.get(key) ?? 0) + 1;
  place.counts.set(key, count);
  return scope(`${kind}${count}`, fn);
}

/** The present scope, as "stage1/conv"; with `name`, that name inside it. */
export const scoped = (name?: string): string => (name === undefined ? place.path : [...place.path, name]).join('/');

/** Starts a trace: no scope, and numbering from 1. */
export const fresh = <T>(fn: () => T): T => at({ path: [], counts: new Map() }, fn);

/** Runs `fn` as if its nodes stood at `path`; passes use it to keep names. */
export const atScope = <T>(path: string, fn: () => T): T =>
  at({ path: path === '' ? [] : [path], counts: place.counts }, fn);
