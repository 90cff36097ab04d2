// Plain arrays of doubles and the plainest loops: what the operators are compared with. Nothing here knows the library.

export interface Dense {
  readonly dims: readonly number[];
  readonly data: readonly number[];
}

export const count = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** All positions of an array, the last axis fastest. */
export function positions(dims: readonly number[]): number[][] {
  let list: number[][] = [[]];
  for (const d of dims) list = list.flatMap((at) => Array.from({ length: d }, (_, i) => [...at, i]));
  return list;
}

export const dense = (dims: readonly number[], value: (at: number[]) => number): Dense => ({
  dims,
  data: positions(dims).map(value),
});

export const scalar = (v: number): Dense => ({ dims: [], data: [v] });
export const filled = (dims: readonly number[], v: number): Dense => dense(dims, () => v);

/** The element at a position; outside the array it is undefined. */
export function at(a: Dense, index: readonly number[]): number | undefined {
  let flat = 0;
  for (let i = 0; i < a.dims.length; i++) {
    if (index[i]! < 0 || index[i]! >= a.dims[i]!) return undefined;
    flat = flat * a.dims[i]! + index[i]!;
  }
  return a.data[flat];
}

/** The element that stands at a position of a larger array after broadcasting. */
const spread = (a: Dense, index: readonly number[]): number =>
  at(
    a,
    a.dims.map((d, i) => (d === 1 ? 0 : index[i + index.length - a.dims.length]!)),
  )!;

export function broadcast(...shapes: (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, i) => {
    const sizes = shapes.map((s) => s[i - rank + s.length] ?? 1);
    return sizes.find((d) => d !== 1) ?? 1;
  });
}

/** Element by element, with broadcasting. */
export const each = (f: (...v: number[]) => number, ...x: Dense[]): Dense =>
  dense(broadcast(...x.map((a) => a.dims)), (index) => f(...x.map((a) => spread(a, index))));

export const expand = (a: Dense, dims: readonly number[]): Dense =>
  dense(broadcast(a.dims, dims), (index) => spread(a, index));

export const reshape = (a: Dense, dims: readonly number[]): Dense => ({ dims, data: a.data });

export const transpose = (a: Dense, perm: readonly number[]): Dense =>
  dense(
    perm.map((p) => a.dims[p]!),
    (index) => {
      const from: number[] = [];
      perm.forEach((p, i) => {
        from[p] = index[i]!;
      });
      return at(a, from)!;
    },
  );

/** Puts the values along `axes` through `f`. */
export function reduce(a: Dense, axes: readonly number[], keep: boolean, f: (values: number[]) => number): Dense {
  const groups = new Map<string, number[]>();
  const kept = a.dims.map((d, i) => (axes.includes(i) ? 1 : d));
  for (const p of positions(kept)) groups.set(p.join(), []);
  positions(a.dims).forEach((p, flat) => {
    groups.get(p.map((v, i) => (axes.includes(i) ? 0 : v)).join())!.push(a.data[flat]!);
  });
  const dims = keep ? kept : a.dims.filter((_, i) => !axes.includes(i));
  return { dims, data: [...groups.values()].map(f) };
}

export const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
export const mean = (values: readonly number[]): number => sum(values) / values.length;

/** Puts every run of values along one axis through `f`. */
export function along(a: Dense, axis: number, f: (values: number[]) => number[]): Dense {
  const out = [...a.data];
  const flatOf = (p: readonly number[]): number => p.reduce((flat, v, i) => flat * a.dims[i]! + v, 0);
  for (const p of positions(a.dims.map((d, i) => (i === axis ? Math.min(d, 1) : d)))) {
    const places = Array.from({ length: a.dims[axis]! }, (_, k) => flatOf(p.with(axis, k)));
    f(places.map((i) => a.data[i]!)).forEach((v, k) => {
      out[places[k]!] = v;
    });
  }
  return { dims: a.dims, data: out };
}

export const concat = (list: readonly Dense[], axis: number): Dense => {
  const dims = list[0]!.dims.with(axis, sum(list.map((a) => a.dims[axis]!)));
  return dense(dims, (index) => {
    let k = index[axis]!;
    for (const a of list) {
      if (k < a.dims[axis]!) return at(a, index.with(axis, k))!;
      k -= a.dims[axis]!;
    }
    return Number.NaN;
  });
};

/** The positions `take[axis]` of each axis named in `take`. */
export const pick = (a: Dense, take: Readonly<Record<number, readonly number[]>>): Dense =>
  dense(
    a.dims.map((d, i) => take[i]?.length ?? d),
    (index) =>
      at(
        a,
        index.map((v, i) => (take[i] ? take[i]![v]! : v)),
      )!,
  );

export const pad = (a: Dense, pads: readonly number[], value = 0): Dense =>
  dense(
    a.dims.map((d, i) => d + pads[i]! + pads[i + a.dims.length]!),
    (index) =>
      at(
        a,
        index.map((v, i) => v - pads[i]!),
      ) ?? value,
  );
