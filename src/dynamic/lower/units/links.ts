import {
  AveragePool,
  BatchNormalization,
  Cast,
  Clip,
  Concat,
  Conv,
  type ConvAttrs,
  constantOf,
  Gather,
  Gemm,
  GlobalAveragePool,
  LayerNormalization,
  LogSoftmax,
  MatMul,
  MaxPool,
  type Node,
  type Operator,
  ReduceMax,
  ReduceMean,
  ReduceSum,
  Slice,
  Softmax,
  Split,
  Squeeze,
  Transpose,
  Unsqueeze,
  Where,
} from '../../../graph/index.ts';
import { isSelect } from '../../decision.ts';
import { isKeep } from '../../keep.ts';

/** An axis of one of a node's inputs or outputs. */
export type Place = readonly [index: number, axis: number];

/**
 * One loop of an operator: the axes that it runs over together. `each`: every unit for itself, on the axes `outs` of the
 * outputs; `sum`: added up over; `max`: the largest is taken.
 */
export interface Link {
  readonly ins: readonly Place[];
  readonly outs: readonly Place[];
  readonly how: 'each' | 'sum' | 'max';
}

const each = (ins: readonly Place[], outs: readonly Place[]): Link => ({ ins, outs, how: 'each' });
const over = (how: 'sum' | 'max', ins: readonly Place[]): Link => ({ ins, outs: [], how });
const axesOf = (rank: number): number[] => Array.from({ length: rank }, (_, i) => i);
const rankOf = (node: Node, input: number): number => node.inputs[input]?.rank ?? 0;
/** An axis that may be counted from the end. */
const at = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);
const known = (node: Node, input: number): number[] =>
  Array.from((constantOf(node.inputs[input])?.data ?? []) as ArrayLike<number | bigint>, Number);

/** Element by element, shapes broadcast: an input of size 1 goes with all. */
function pointwise(node: Node): Link[] {
  const [out] = node.outputs;
  return axesOf(out!.rank).map((o) => {
    const ins = node.inputs.flatMap((t, i): Place[] => {
      const axis = t ? o - (out!.rank - t.rank) : -1;
      return axis >= 0 && (t!.shape[axis] !== 1 || out!.shape[o] === 1) ? [[i, axis]] : [];
    });
    return each(ins, [[0, o]]);
  });
}

/** The axes of input 0 on their places in the outputs, but for those that `where` has no place for. */
const moved = (node: Node, where: (axis: number) => number | undefined): Link[] =>
  axesOf(rankOf(node, 0)).flatMap((axis) => {
    const to = where(axis);
    return to === undefined
      ? []
      : [
          each(
            [[0, axis]],
            node.outputs.map((_, k): Place => [k, to]),
          ),
        ];
  });

const allBut = (node: Node, gone: (axis: number) => boolean): Link[] =>
  moved(node, (axis) => (gone(axis) ? undefined : axis));

/** Where the axes of input 0 go when `gone` fall away. */
const without = (gone: readonly number[]) => (axis: number) =>
  gone.includes(axis) ? undefined : axis - gone.filter((g) => g < axis).length;

function reduction(node: Node, how: 'sum' | 'max' | undefined): Link[] {
  const rank = rankOf(node, 0);
  const { axes, keepdims } = node.attrs as { axes?: readonly number[]; keepdims: 0 | 1 };
  const named = (axes ?? known(node, 1)).map((a) => at(a, rank));
  const gone = named.length > 0 ? named : axesOf(rank);
  return [
    ...moved(node, keepdims ? (a) => (gone.includes(a) ? undefined : a) : without(gone)),
    ...(how ? gone.map((axis) => over(how, [[0, axis]])) : []),
  ];
}

function product(node: Node): Link[] {
  const [a, b, out] = [rankOf(node, 0), rankOf(node, 1), node.outputs[0]!.rank];
  const batch = axesOf(out - 2).map((o) => {
    const ins: Place[] = [];
    for (const [i, rank] of [a, b].entries()) {
      const axis = o - (out - rank);
      if (axis >= 0 && node.inputs[i]!.shape[axis] !== 1) ins.push([i, axis]);
    }
    return each(ins, [[0, o]]);
  });
  return [
    ...batch,
    each([[0, a - 2]], [[0, out - 2]]),
    each([[1, b - 1]], [[0, out - 1]]),
    over('sum', [
      [0, a - 1],
      [1, b - 2],
    ]),
  ];
}

function gemm(node: Node): Link[] {
  const { transA, transB } = node.attrs as { transA: 0 | 1; transB: 0 | 1 };
  const bias = node.inputs[2];
  const columns: Place[] = [[1, transB ? 0 : 1]];
  if (bias && bias.shape.at(-1) !== 1) columns.push([2, bias.rank - 1]);
  const rows: Place[] = [[0, transA ? 1 : 0]];
  if (bias?.rank === 2 && bias.shape[0] !== 1) rows.push([2, 0]);
  return [
    each(rows, [[0, 0]]),
    each(columns, [[0, 1]]),
    over('sum', [
      [0, transA ? 0 : 1],
      [1, transB ? 1 : 0],
    ]),
  ];
}

function convolution(node: Node): Link[] {
  const rows = each([[0, 0]], [[0, 0]]);
  // The number of groups is an attribute, which cannot follow the channels that an input keeps.
  if ((node.attrs as unknown as ConvAttrs).group !== 1) return [rows];
  const outs: Place[] = node.inputs[2]
    ? [
        [1, 0],
        [2, 0],
      ]
    : [[1, 0]];
  return [
    rows,
    each(outs, [[0, 1]]),
    over('sum', [
      [0, 1],
      [1, 1],
    ]),
  ];
}

function normalisation(node: Node): Link[] {
  return axesOf(rankOf(node, 0)).map((axis) =>
    each(
      axis === 1
        ? [
            [0, 1],
            [1, 0],
            [2, 0],
            [3, 0],
            [4, 0],
          ]
        : [[0, axis]],
      [[0, axis]],
    ),
  );
}

function unsqueezed(node: Node): Link[] {
  const out = node.outputs[0]!.rank;
  const made = known(node, 1).map((a) => at(a, out));
  const rest = axesOf(out).filter((o) => !made.includes(o));
  return moved(node, (axis) => rest[axis]);
}

const channels = (node: Node): Link[] => allBut(node, (axis) => axis > 1);
const ownAxis = (node: Node): number => at((node.attrs as { axis: number }).axis, rankOf(node, 0));
const joined = (node: Node): Link[] =>
  axesOf(rankOf(node, 0))
    .filter((axis) => axis !== ownAxis(node))
    .map((axis) =>
      each(
        node.inputs.map((_, i): Place => [i, axis]),
        [[0, axis]],
      ),
    );

function gathered(node: Node): Link[] {
  const [own, index] = [ownAxis(node), rankOf(node, 1)];
  return moved(node, (axis) => (axis === own ? undefined : axis < own ? axis : axis - 1 + index));
}

/** All options of a join, result by result. */
function join(node: Node): Link[] {
  if (!isSelect(node)) return [];
  const { decision, results } = node.attrs;
  return node.outputs.flatMap((t, r) =>
    axesOf(t.rank).map((axis) =>
      each(
        decision.options.map((_, k): Place => [1 + k * results + r, axis]),
        [[r, axis]],
      ),
    ),
  );
}

/** The axes of values that do not hold the units of the decision itself. */
function keeping(node: Node): Link[] {
  if (!isKeep(node)) return [];
  const { axes, within } = node.attrs;
  const first = within ? 2 : 1;
  return axes.flatMap((own, k) =>
    axesOf(node.outputs[1 + k]!.rank)
      .filter((axis) => axis !== own)
      .map((axis) => each([[first + k, axis]], [[1 + k, axis]])),
  );
}

const table = new Map<unknown, (node: Node) => Link[]>([
  ...[Where, Cast, Clip].map((op): [unknown, (node: Node) => Link[]] => [op, pointwise]),
  [MatMul, product],
  [Gemm, gemm],
  [Conv, convolution],
  [BatchNormalization, normalisation],
  [LayerNormalization, (node) => allBut(node, (axis) => axis >= ownAxis(node))],
  [Softmax, (node) => allBut(node, (axis) => axis === ownAxis(node))],
  [LogSoftmax, (node) => allBut(node, (axis) => axis === ownAxis(node))],
  [MaxPool, channels],
  [AveragePool, channels],
  [GlobalAveragePool, channels],
  [ReduceSum, (node) => reduction(node, 'sum')],
  [ReduceMax, (node) => reduction(node, 'max')],
  [ReduceMean, (node) => reduction(node, undefined)],
  [Transpose, (node) => moved(node, (axis) => (node.attrs.perm as readonly number[]).indexOf(axis))],
  [Unsqueeze, unsqueezed],
  [Squeeze, (node) => moved(node, without(known(node, 1).map((a) => at(a, rankOf(node, 0)))))],
  [Concat, joined],
  [Split, (node) => allBut(node, (axis) => axis === ownAxis(node))],
  [
    Slice,
    (node) => {
      const given = node.inputs[3] ? known(node, 3) : axesOf(known(node, 1).length);
      const cut = given.map((a) => at(a, rankOf(node, 0)));
      return allBut(node, (axis) => cut.includes(axis));
    },
  ],
  [Gather, gathered],
]);

/** The loops of a node, as far as they are known; an axis that stands in none cannot be shortened there. */
export function linksOf(node: Node): readonly Link[] {
  if (isSelect(node)) return join(node);
  if (isKeep(node)) return keeping(node);
  const own = table.get(node.op as Operator);
  if (own) return own(node);
  return node.op.pointwise ? pointwise(node) : [];
}
