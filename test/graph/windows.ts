// Products, convolutions and windows by their definitions, loop by loop.
import { at, broadcast, count, type Dense, dense, positions, sum, transpose } from './dense.ts';

export interface Window {
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
}

const swapped = (a: Dense): Dense => {
  const axes = a.dims.map((_, i) => i);
  return transpose(a, [...axes.slice(0, -2), axes.at(-1)!, axes.at(-2)!]);
};

/** op(A) op(B) on the last two axes. */
export function matMul(a: Dense, b: Dense, transA = false, transB = false): Dense {
  const [p, q] = [transA ? swapped(a) : a, transB ? swapped(b) : b];
  const batch = broadcast(p.dims.slice(0, -2), q.dims.slice(0, -2));
  const own = (x: Dense, index: readonly number[], row: number, column: number): number => {
    const lead = x.dims.slice(0, -2);
    const here = lead.map((d, i) => (d === 1 ? 0 : index[i + batch.length - lead.length]!));
    return at(x, [...here, row, column])!;
  };
  return dense([...batch, p.dims.at(-2)!, q.dims.at(-1)!], (index) => {
    const [row, column] = index.slice(-2) as [number, number];
    let total = 0;
    for (let k = 0; k < p.dims.at(-1)!; k++) total += own(p, index, row, k) * own(q, index, k, column);
    return total;
  });
}

const outSize = (size: number, k: number, i: number, w: Window, ceil: boolean): number => {
  const half = w.pads.length / 2;
  const places = [];
  // Every start of a window that lies inside the padded input; the last may stick out under `ceil`, but must begin
  // before the padding at the end.
  const extent = w.dilations[i]! * (k - 1) + 1;
  for (let start = -w.pads[i]!; ; start += w.strides[i]!) {
    const inside = start + extent <= size + w.pads[i + half]!;
    const previousEnd = start - w.strides[i]! + extent;
    const sticksOut = ceil && start < size && previousEnd < size + w.pads[i + half]!;
    if (!inside && !sticksOut) return places.length;
    places.push(start);
  }
};

/** Calls `visit` with what lies under each window: the position in the kernel, and the value or undefined (padding). */
export function windows(
  x: Dense,
  kernel: readonly number[],
  w: Window,
  ceil: boolean,
  f: (seen: { k: number[]; at: number[]; value: number | undefined }[]) => number,
): Dense {
  const out = kernel.map((k, i) => outSize(x.dims[i + 2]!, k, i, w, ceil));
  const taps = positions(kernel);
  return dense([x.dims[0]!, x.dims[1]!, ...out], ([n, c, ...p]) =>
    f(
      taps.map((k) => {
        const place = [n!, c!, ...p.map((v, i) => v * w.strides[i]! - w.pads[i]! + k[i]! * w.dilations[i]!)];
        return { k, at: place, value: at(x, place) };
      }),
    ),
  );
}

export function conv(x: Dense, weight: Dense, bias: Dense | undefined, w: Window, group = 1): Dense {
  const [outs, ins, ...kernel] = weight.dims as number[];
  const half = w.pads.length / 2;
  const size = kernel.map((k, i) => {
    const room = x.dims[i + 2]! + w.pads[i]! + w.pads[i + half]! - w.dilations[i]! * (k - 1) - 1;
    return Math.floor(room / w.strides[i]!) + 1;
  });
  const taps = positions(kernel);
  return dense([x.dims[0]!, outs!, ...size], ([n, o, ...p]) => {
    const first = Math.floor(o! / (outs! / group)) * ins!;
    let total = bias?.data[o!] ?? 0;
    for (let i = 0; i < ins!; i++)
      for (const k of taps) {
        const place = p.map((v, j) => v * w.strides[j]! - w.pads[j]! + k[j]! * w.dilations[j]!);
        total += (at(x, [n!, first + i, ...place]) ?? 0) * at(weight, [o!, i, ...k])!;
      }
    return total;
  });
}

/** Each input value stamps its kernel onto the output. */
export function convTranspose(
  x: Dense,
  weight: Dense,
  bias: Dense | undefined,
  w: Window & { readonly output_padding: readonly number[] },
  group = 1,
): Dense {
  const [ins, outs, ...kernel] = weight.dims as number[];
  const half = w.pads.length / 2;
  const size = kernel.map(
    (k, i) =>
      (x.dims[i + 2]! - 1) * w.strides[i]! +
      w.dilations[i]! * (k - 1) +
      1 -
      w.pads[i]! -
      w.pads[i + half]! +
      w.output_padding[i]!,
  );
  const dims = [x.dims[0]!, outs! * group, ...size];
  const data = new Array<number>(count(dims)).fill(0);
  const flat = (p: readonly number[]): number => p.reduce((f, v, i) => f * dims[i]! + v, 0);
  positions(dims).forEach((p, i) => {
    data[i] = bias?.data[p[1]!] ?? 0;
  });
  positions(x.dims).forEach(([n, c, ...p], from) => {
    const part = Math.floor(c! / (ins! / group));
    for (let o = 0; o < outs!; o++)
      for (const k of positions(kernel)) {
        const place = p.map((v, j) => v * w.strides[j]! - w.pads[j]! + k[j]! * w.dilations[j]!);
        if (place.some((v, j) => v < 0 || v >= size[j]!)) continue;
        const to = flat([n!, part * outs! + o, ...place]);
        data[to] = data[to]! + x.data[from]! * at(weight, [c!, o, ...k])!;
      }
  });
  return { dims, data };
}

export const maxPool = (x: Dense, kernel: readonly number[], w: Window, ceil = false): Dense =>
  windows(x, kernel, w, ceil, (seen) => Math.max(...seen.map((s) => s.value ?? Number.NEGATIVE_INFINITY)));

/** Where each maximum stands, counted through the whole tensor. */
export const maxPoolPlaces = (x: Dense, kernel: readonly number[], w: Window, ceil = false): Dense =>
  windows(x, kernel, w, ceil, (seen) => {
    const inside = seen.filter((s) => s.value !== undefined);
    const best = inside.reduce((a, b) => (b.value! > a.value! ? b : a));
    return best.at.reduce((flat, v, i) => flat * x.dims[i]! + v, 0);
  });

export const averagePool = (x: Dense, kernel: readonly number[], w: Window, countPads: boolean, ceil = false): Dense =>
  windows(x, kernel, w, ceil, (seen) => {
    const half = w.pads.length / 2;
    const total = sum(seen.map((s) => s.value ?? 0));
    const counted = seen.filter(
      (s) =>
        s.value !== undefined ||
        (countPads && s.at.slice(2).every((v, i) => v < x.dims[i + 2]! + w.pads[i + half]! && v >= -w.pads[i]!)),
    );
    return total / counted.length;
  });
