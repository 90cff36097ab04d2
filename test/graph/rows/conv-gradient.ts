import { apply, ConvInputGradient, type ConvOptions, ConvWeightGradient, convAttrs } from '../../../src/graph/index.ts';
import type * as room from '../../../src/graph/ops/conv-gradient.ts';
import type { Case } from '../check.ts';
import { at, type Dense, dense, positions } from '../dense.ts';
import { conv } from '../windows.ts';
import type { RowsOf } from './rows.ts';

interface Geometry {
  readonly name: string;
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly options: ConvOptions;
}

const geometries: Geometry[] = [
  { name: '3x3', x: [2, 1, 3, 2], w: [1, 1, 3, 3], options: { padding: 1 } },
  { name: 'stride 2 with a rim', x: [1, 1, 4, 5], w: [2, 1, 3, 2], options: { stride: 2 } },
  { name: 'groups', x: [1, 4, 2, 2], w: [2, 2, 2, 1], options: { groups: 2 } },
  { name: 'dilation', x: [1, 1, 5, 5], w: [1, 1, 2, 3], options: { dilation: 2, padding: 1 } },
  { name: 'one spatial axis', x: [2, 2, 4], w: [2, 2, 3], options: { padding: 1 } },
];

const zeros = (dims: readonly number[]): Dense => dense(dims, () => 0);
const parts = ({ x, w, options }: Geometry) => {
  const attrs = convAttrs(w.slice(2), options);
  return { attrs, out: conv(zeros(x), zeros(w), undefined, attrs, attrs.group).dims };
};

/** One coordinate of the transposed map: the product of `g` with Conv of a unit array. */
const pairing = (dims: readonly number[], g: Dense, of: (unit: Dense) => Dense): Dense =>
  dense(dims, (p) => {
    const unit = dense(dims, (q) => +q.every((v, i) => v === p[i]));
    const y = of(unit);
    return positions(y.dims).reduce((total, q) => total + at(y, q)! * at(g, q)!, 0);
  });

export const convGradientRows: RowsOf<typeof room> = {
  ConvInputGradient: geometries.map((geometry): Case => {
    const { attrs, out } = parts(geometry);
    return {
      name: geometry.name,
      inputs: [{ shape: out }, { shape: geometry.w }],
      build: ([g, w]) => apply(ConvInputGradient, [g, w], { ...attrs, size: geometry.x.slice(2) }),
      reference: ([g, w]) => pairing(geometry.x, g!, (unit) => conv(unit, w!, undefined, attrs, attrs.group)),
    };
  }),
  ConvWeightGradient: geometries.map((geometry): Case => {
    const { attrs, out } = parts(geometry);
    return {
      name: geometry.name,
      inputs: [{ shape: out }, { shape: geometry.x }],
      build: ([g, x]) => apply(ConvWeightGradient, [g, x], attrs),
      reference: ([g, x]) => pairing(geometry.w, g!, (unit) => conv(x!, unit, undefined, attrs, attrs.group)),
    };
  }),
};
