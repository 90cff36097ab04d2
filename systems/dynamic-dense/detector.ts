import { batchNorm, conv, dense, net, relu, scope, type Tensor } from 'dynaneural';
import type { Net } from 'dynaneural/dynamic';
import { add, apply, averagePool, constant, mul, ndarray, Resize } from 'dynaneural/graph';

/** Pixels of the image for one cell of the answer. */
export const STRIDE = 8;

/** How a detector is built; every node has `width` channels. */
export interface Shape {
  /** [height, width] of images; sides divide by 32. */
  readonly size: readonly [height: number, width: number];
  readonly width: number;
  /** Channels at a quarter of the image. */
  readonly stem: number;
}

export const FULL: Shape = { size: [256, 320], width: 32, stem: 32 };
export const QUICK: Shape = { size: [64, 96], width: 8, stem: 8 };

/** The scale of each node, in pixels: down to where a white blood cell is four wide, and back. The stem's result is at 8. */
const DOWN_AND_BACK: readonly number[] = [8, 16, 32, 16, 8, 8];
/** As many nodes that never go down. */
export const ONE_SCALE: readonly number[] = DOWN_AND_BACK.map(() => STRIDE);

/** An edge leads from a source (0: the stem, k: node k) to a later node. */
export interface Edge {
  readonly node: number;
  readonly source: number;
}

/** Edges that skip layers, in the order of their nodes and sources; those from each node to the next are always there. */
export const crossEdges: readonly Edge[] = DOWN_AND_BACK.flatMap((_, i) =>
  Array.from({ length: i }, (_, source): Edge => ({ node: i + 1, source })),
);

/** What encoder-decoder nets usually have: from each scale on the way down to the same on the way up. */
export const usualEdges: readonly Edge[] = [
  { node: 4, source: 2 },
  { node: 5, source: 1 },
];

/** Each element repeated. */
const repeated = (x: Tensor, factor: number): Tensor =>
  apply(Resize, [x, undefined, constant(ndarray('float32', [4], [1, 1, factor, factor]))], {
    mode: 'nearest',
    coordinate_transformation_mode: 'asymmetric',
    nearest_mode: 'floor',
  });

/** A 3x3 convolution from one scale to another, computed at the coarser of both. */
function convolved(x: Tensor, from: number, to: number, width: number): Tensor {
  if (to > from) {
    const near = to > 2 * from ? averagePool(x, to / from / 2) : x;
    return conv(near, width, { stride: 2, bias: false });
  }
  const y = conv(x, width, { bias: false });
  return to === from ? y : repeated(y, from / to);
}

/** How a node gathers the features before it, oldest first; the last source is the node before. */
export type Gather = (node: number, sources: readonly Tensor[], edge: (x: Tensor, source: number) => Tensor) => Tensor;

/** Sums what some edges make of their sources: DenseNet's convolution of a concatenation, edge by edge. */
export const fixedEdges =
  (kept: readonly Edge[]): Gather =>
  (node, sources, edge) =>
    scope(`node${node}`, () =>
      sources
        .flatMap((x, source) => {
          const there = source === node - 1 || kept.some((e) => e.node === node && e.source === source);
          return there ? [scope(`edge${source + 1}`, () => edge(x, source))] : [];
        })
        .reduce((a, b) => add(a, b)),
    );

/** All edges, each times a weight that the image gives it; those of little weight are dropped. */
export const dynamicEdges =
  (threshold: number): Gather =>
  (node, sources, edge) =>
    sources.length === 1
      ? fixedEdges([])(node, sources, edge)
      : dense(sources, edge, { threshold, name: `node${node}` });

/** A red cell is about five cells of the maps wide. */
const EXTENT = 5;

/** Logits of centres (few cells are one: Lin et al. 2017), extents and offsets, where all start at what is usual. */
function maps(x: Tensor, classes: number): Tensor {
  const layers = (heat: number, extent: number, offset: number): Tensor => {
    const values = [...new Array<number>(classes).fill(heat), extent, extent, offset, offset];
    return constant(ndarray('float32', [1, classes + 4, 1, 1], values));
  };
  return add(mul(conv(x, classes + 4, { kernel: 1, name: 'maps' }), layers(1, EXTENT, 1)), layers(-2.2, EXTENT, 0.5));
}

/**
 * An anchor-free detector (CenterNet; Zhou et al. 2019, arXiv:1904.07850) whose nodes gather the features before them.
 *
 * @param scales of its six nodes
 * @returns a net with one answer [N, classes + 4, height / 8, width / 8]
 */
export function detector(
  name: string,
  { size, width, stem }: Shape,
  classes: number,
  gather: Gather,
  scales: readonly number[] = DOWN_AND_BACK,
): Net {
  // Edges are finer than what pays on the clock everywhere; the system's notes tell how it came out.
  return net({ input: [3, ...size], name, onWarning: () => {} }, (x) => {
    const fine = conv(x, stem, {
      kernel: 4,
      stride: 4,
      padding: 'valid',
      norm: 'batch',
      activation: 'relu',
      name: 'patches',
    });
    const sources = [conv(fine, width, { stride: 2, norm: 'batch', activation: 'relu', name: 'stem' })];
    for (const [i, to] of scales.entries()) {
      const from = (source: number): number => (source === 0 ? STRIDE : scales[source - 1]!);
      const sum = gather(i + 1, sources, (y, source) => convolved(y, from(source), to, width));
      sources.push(relu(batchNorm(sum, { name: `norm${i + 1}` })));
    }
    return maps(conv(sources.at(-1)!, width, { norm: 'batch', activation: 'relu', name: 'head' }), classes);
  });
}
