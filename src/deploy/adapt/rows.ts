import {
  add,
  applyAll,
  BATCH,
  constant,
  constantOf,
  Expand,
  Gather,
  ints,
  isConcrete,
  mul,
  type Node,
  ndarray,
  reduceMean,
  rewrite,
  type Shape,
  Slice,
  Split,
  Squeeze,
  sizeOf,
  squeeze,
  type Tensor,
  Transpose,
  transpose,
  unsqueeze,
} from '../../graph/index.ts';
import type { Foreign } from './foreign.ts';

type Inputs = readonly (Tensor | undefined)[];

const isOp = (node: Node, op: unknown): boolean => (node.op as unknown) === op;

/** What a node repeats for each image, where that is all it does. */
function repeated(node: Node): Shape | undefined {
  const to = isOp(node, Expand) ? (node.attrs.to as Shape | undefined) : undefined;
  return to?.[0] === BATCH && isConcrete(to.slice(1)) ? to : undefined;
}

/** A class token, say, for each image: added to zeros of the images, so that it fits a batch of any fixed size too. */
function repeatedFor(images: Tensor, [token]: Inputs, to: Shape): Tensor {
  const item = to.slice(1) as number[];
  const places = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
  const zero = mul(reduceMean(images, places(images.rank - 1)), 0); // [N]
  const zeros = constant(ndarray('float32', [1, ...item], new Float32Array(sizeOf(item))));
  return add(add(token!, zeros), unsqueeze(zero, places(item.length)));
}

/** Numbers of a constant; none of anything else. */
const numbersOf = (t: Tensor | undefined): number[] =>
  Array.from((constantOf(t)?.data ?? []) as ArrayLike<number | bigint>, Number);

/** The axes of a transposed tensor without one of them. */
const without = (perm: readonly number[], at: number): number[] =>
  perm.filter((_, i) => i !== at).map((axis) => (axis > perm[at]! ? axis - 1 : axis));

/**
 * Takes a transposed tensor apart before it is transposed. Exports of attention stack queries, keys and values, bring the
 * stack to the front and then take it apart: the images, which stood in front, need never have moved.
 */
function apart(node: Node, inputs: Inputs): readonly Tensor[] | undefined {
  const [t, second] = inputs;
  if (!t || !isOp(t.node, Transpose)) return undefined;
  const [x] = t.node.inputs as [Tensor];
  const perm = t.node.attrs.perm as readonly number[];
  if (x.shape[0] !== BATCH || perm[0] === 0) return undefined;
  const axisOf = (axis: number): number => (axis < 0 ? axis + t.rank : axis);
  if (isOp(node, Split))
    return applyAll(Split, [x, second], { axis: perm[axisOf(node.attrs.axis)]! }).map((piece) =>
      transpose(piece, perm),
    );
  if (isOp(node, Slice)) {
    const [, starts, ends, given, steps] = inputs;
    const axes = given ? numbersOf(given) : Array.from({ length: starts!.shape[0] as number }, (_, i) => i);
    if (axes.length === 0) return undefined;
    return applyAll(Slice, [x, starts, ends, ints(axes.map((axis) => perm[axisOf(axis)]!)), steps], {}).map((part) =>
      transpose(part, perm),
    );
  }
  if (isOp(node, Squeeze)) {
    const axes = numbersOf(second);
    if (axes.length !== 1) return undefined;
    const at = axisOf(axes[0]!);
    return [transpose(squeeze(x, [perm[at]!]), without(perm, at))];
  }
  if (isOp(node, Gather) && second?.rank === 0) {
    const at = axisOf(node.attrs.axis);
    return applyAll(Gather, [x, second], { axis: perm[at]! }).map((taken) => transpose(taken, without(perm, at)));
  }
  return undefined;
}

/** The same classifier with its images in front wherever they can be, and for batches of any fixed size: training has such. */
export function imagesInFront(foreign: Foreign): Foreign {
  const { input, logits } = foreign;
  const [moved] = rewrite([logits], (node, inputs) => {
    const to = repeated(node);
    return to ? [repeatedFor(input, inputs, to)] : apart(node, inputs);
  });
  return { ...foreign, logits: moved! };
}
