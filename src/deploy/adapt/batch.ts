import { DynaError } from '../../errors.ts';
import {
  apply,
  BATCH,
  Concat,
  concat,
  constantOf,
  type Dim,
  Expand,
  formatShape,
  input as graphInput,
  ints,
  isConcrete,
  type Node,
  Reshape,
  remake,
  reshape,
  rewrite,
  type Shape,
  ShapeOf,
  sameShape,
  type Tensor,
} from '../../graph/index.ts';

/**
 * Opens the batch axis of a graph that was exported for one image: the input becomes [N, ...]. Reshapes to a fixed
 * [1, ...] copy axis 0 instead, and what is joined with the images without depending on them (a class token) is
 * repeated for each. Every other operator takes any batch or is refused: by its own shape rule, or because it would
 * mix the images.
 *
 * @throws DynaError 'model' where the batch of 1 is built into a node
 */
export function openBatch(input: Tensor, output: Tensor): { readonly input: Tensor; readonly output: Tensor } {
  const x = graphInput(input.node.attrs.name, [BATCH, ...input.shape.slice(1)]);
  const outer = new Map<Tensor, number>();
  let at = '';
  const refuse = (why: string, cause?: unknown): DynaError =>
    new DynaError('model', `the batch of 1 is built into the model${at}: ${why}`, {
      fix: 'export it with an open batch axis',
      ...(cause === undefined ? {} : { cause }),
    });
  const visit: Parameters<typeof rewrite>[1] = (node, inputs) => {
    at = ` near ${node.op.name}${node.scope ? ` "${node.scope}"` : ''}`;
    if (node === input.node) return [x];
    const own = reshaped(node, inputs, outer) ?? joined(node, inputs, x);
    const results = own ? [own] : remake(node, inputs);
    const problem = mixes(node, inputs, results);
    if (problem) throw refuse(problem);
    const known = inputs.flatMap((t) => (t && outer.has(t) ? [outer.get(t)!] : []));
    if (new Set(known).size > 1) throw refuse('images that lie differently in memory come together');
    if (!own && known.length > 0) for (const t of results) outer.set(t, known[0]!);
    return results;
  };
  let result: Tensor;
  try {
    [result] = rewrite([output], visit) as [Tensor];
  } catch (cause) {
    if (!(cause instanceof DynaError)) throw cause;
    if (cause.code === 'model') throw cause;
    throw refuse(cause.message, cause);
  }
  at = '';
  if (result.rank > 0 && result.shape[0] !== BATCH && output.shape[0] === 1)
    throw refuse(`its output stays ${formatShape(result.shape)} for any batch`);
  return { input: x, output: result };
}

type Inputs = readonly (Tensor | undefined)[];

const product = (dims: readonly Dim[]): number => dims.reduce<number>((p, d) => p * Number(d), 1);

/**
 * A Reshape with the images where they were in memory. `outer` knows of an axis that images share with others ("4*N")
 * how many of those others lie around the images: 1 for [N, 4] joined, 4 for [4, N].
 */
function reshaped(node: Node, [t, target]: Inputs, outer: Map<Tensor, number>): Tensor | undefined {
  const [axis] = t ? batchAxes(t) : [];
  if ((node.op as unknown) !== Reshape || axis === undefined || !constantOf(target)) return undefined;
  const [before, after] = [node.inputs[0]!.shape, node.outputs[0]!.shape];
  if (!isConcrete(after)) return undefined;
  const around = product(before.slice(0, axis)) * (outer.get(t!) ?? 1);
  const lead = (i: number): number => product(after.slice(0, i));
  const alone = after.flatMap((d, i) => (d === 1 && lead(i) === around ? [i] : []));
  const place = alone.includes(axis) ? axis : (alone[0] ?? shared(before.slice(axis + 1), after, around));
  if (place < 0) return undefined;
  const copies = place === axis && alone.includes(axis) && t!.shape[axis] === BATCH;
  const y = reshape(
    t!,
    after.map((d, i) => (i === place ? (copies ? 0 : -1) : d)),
  );
  outer.set(y, around / lead(place));
  return y;
}

/**
 * The axis that takes the images in where none is left for them. Both neighbours hold them in memory; what follows
 * decides, and refuses the other. Rows of a matrix, or the axis before where what stands behind stays as it is ([L, N, D]
 * to [L*N, D]); else the axis behind ([L, N, D] to [L, N*heads, D / heads]).
 */
function shared(behind: Shape, after: readonly number[], around: number): number {
  const lead = (i: number): number => product(after.slice(0, i));
  const before = after.findIndex((d, i) => lead(i) * d === around);
  if (before >= 0 && (after.length === 2 || sameShape(after.slice(before + 1), behind))) return before;
  return after.findIndex((d, i) => around % lead(i) === 0 && around < lead(i) * d && d % (around / lead(i)) === 0);
}

/** A Concat along another axis than the batch, its fixed parts repeated for each image. */
function joined(node: Node, inputs: Inputs, x: Tensor): Tensor | undefined {
  const all = inputs as readonly Tensor[];
  const along = (node.op as unknown) === Concat && node.attrs.axis !== 0 && node.attrs.axis !== -all[0]!.rank;
  if (!along || !all.some((t) => t.shape[0] === BATCH)) return undefined;
  // A rebuilt tensor depends on the image: that it has one row is then no accident of the export.
  const fixed = (t: Tensor, i: number): boolean => t.shape[0] === 1 && t === node.inputs[i];
  if (!all.some(fixed)) return undefined;
  const rows = apply(ShapeOf, [x], { start: 0, end: 1 });
  const parts = all.map((t, i) => {
    if (!fixed(t, i)) return t;
    const ones = new Array<number>(t.rank - 1).fill(1);
    return apply(Expand, [t, concat([rows, ints(ones)], 0)], { to: [BATCH, ...ones] });
  });
  return concat(parts, node.attrs.axis);
}

/** The axes that the images lie along, alone (N) or joined with others (4*N). */
const batchAxes = (t: Tensor): number[] =>
  t.shape.flatMap((d, i) => (typeof d === 'string' && d.split(/[*+]/).includes(BATCH) ? [i] : []));

/** Why a node would mix images with each other or lose them; undefined where each stays for itself. */
function mixes(node: Node, inputs: Inputs, results: readonly Tensor[]): string | undefined {
  if ((node.op as unknown) === ShapeOf || !inputs.some((t) => t && batchAxes(t).length > 0)) return undefined;
  for (const t of results) {
    const axes = batchAxes(t);
    const alone = axes.length === 1 && !String(t.shape[axes[0]!]).includes('+');
    if (!alone) return `from the batch on it gives ${formatShape(t.shape)}, which is not one result for each image`;
  }
  const { axis } = node.attrs;
  const along = typeof axis === 'number' ? (axis < 0 ? axis + inputs[0]!.rank : axis) : undefined;
  if (along !== undefined && batchAxes(inputs[0]!).includes(along)) return 'it works along the batch';
  return undefined;
}
