import { describe, expect, it } from 'vitest';
import { largestDifference } from '../../../test/support/difference.ts';
import { outputsOf, row, runAll } from '../../../test/support/run.ts';
import {
  add,
  apply,
  Compress,
  ConstantOfShape,
  CumSum,
  cast,
  constant,
  expandLike,
  fullLike,
  GatherND,
  ints,
  mul,
  type NDArray,
  ndarray,
  reduceMean,
  reduceSum,
  reshape,
  ShapeOf,
  scatterNd,
  slice,
  type Tensor,
} from '../../graph/index.ts';
import { linear } from '../../nn/index.ts';
import { net, select } from '../net.ts';
import { masked } from './masked.ts';
import { sparse } from './sparse.ts';

const score = (x: Tensor): Tensor => reshape(slice(x, [{ axis: 1, start: 0, end: 1 }]), [0]);
const onto = (run: (x: Tensor) => Tensor, shape: readonly number[] = [6]) =>
  net({ input: shape, onWarning() {} }, (x) =>
    select({
      score: score(x.rank === 2 ? x : reshape(x, [0, shape.reduce((a, b) => a * b, 1)])),
      options: { skip: () => x, run: () => run(x) },
      name: 'choice',
    }),
  );

const values = (rows: number, shape: readonly number[]): NDArray => {
  const size = shape.reduce((a, b) => a * b, 1);
  return ndarray(
    'float32',
    [rows, ...shape],
    Float32Array.from({ length: rows * size }, (_, i) => Math.sin(7.3 * i + 1)),
  );
};

/** Masked and sparse forms, in a batch, one by one and on no rows. */
async function agree(made: ReturnType<typeof onto>): Promise<void> {
  const shape = made.spec.input;
  const x = values(7, shape);
  const own = { choice: 0 };
  const [want] = await runAll(outputsOf(masked(made, own)), new Map(), [x], 'disabled');
  for (const level of ['all', 'disabled'] as const) {
    const [got, first, none] = await runAll(
      outputsOf(sparse(made, own)),
      new Map(),
      [x, row(x, 0), values(0, shape)],
      level,
    );
    expect(largestDifference(got!.output!.data, want!.output!.data)).toBeLessThan(1e-5);
    expect(largestDifference(first!.output!.data, row(want!.output!, 0).data)).toBeLessThan(1e-5);
    expect(none!.output!.dims).toEqual([0, ...shape]);
    const [single] = await runAll(outputsOf(sparse(made, own, { form: 'branch' })), new Map(), [row(x, 1)], level);
    expect(largestDifference(single!.output!.data, row(want!.output!, 1).data)).toBeLessThan(1e-5);
  }
}

describe('inside a region', () => {
  it("the number of rows may be asked for: it is the region's own", async () => {
    await agree(onto((x) => add(x, fullLike(x, 2))));
    await agree(onto((x) => mul(x, expandLike(reduceMean(x, [1], true), x))));
  });

  it('sizes that were asked for outside are asked again', async () => {
    const made = net({ input: [6], onWarning() {} }, (x) => {
      const sizes = apply(ShapeOf, [x], {});
      const twos = (): Tensor => apply(ConstantOfShape, [sizes], { value: ndarray('float32', [1], [2]), to: x.shape });
      const options = { skip: () => x, run: () => mul(x, twos()) };
      return add(select({ score: score(x), options, name: 'choice' }), twos());
    });
    await agree(made);
  });

  it('how many rows there are is nothing to calculate with', () => {
    const count = (x: Tensor): Tensor => mul(x, reduceSum(cast(apply(ShapeOf, [x], {}), 'float32'), [0], true));
    expect(() => sparse(onto(count))).toThrow(
      /calculates with the number of rows, which is another one inside a region/,
    );
    const outside = net({ input: [6], onWarning() {} }, (x) => {
      const rows = reduceSum(cast(apply(ShapeOf, [x], {}), 'float32'), [0], true);
      const other = select({ score: score(x), options: { skip: () => x, run: () => mul(x, rows) }, name: 'choice' });
      return mul(other, rows);
    });
    expect(() => sparse(outside)).toThrow(/calculates with the number of rows/);
  });

  it('other axes may be known by name only', async () => {
    const some = constant(ndarray('bool', [5], [1, 0, 1, 1, 0]));
    await agree(
      onto((x) => add(x, reduceMean(mul(apply(Compress, [x, some], { axis: 1, rows: 'kept' }), 2), [1], true)), [5, 4]),
    );
  });

  it('running sums within a row are fine', async () => {
    await agree(onto((x) => apply(CumSum, [x, constant(ndarray('int64', [], [1]))], {})));
  });

  it.each<[string, (x: Tensor) => Tensor]>([
    ['CumSum', (x) => apply(CumSum, [x, constant(ndarray('int64', [], [0]))], {})],
    ['CumSum', (x) => apply(CumSum, [x, constant(ndarray('int64', [], [-2]))], {})],
    ['GatherND', (x) => add(x, apply(GatherND, [x, constant(ndarray('int64', [1, 1], [0]))], {}))],
    [
      'ScatterND',
      (x) =>
        scatterNd(
          x,
          constant(ndarray('int64', [1, 1], [0])),
          constant(ndarray('float32', [1, 6], new Float32Array(6))),
        ),
    ],
    ['Reshape', (x) => reshape(reshape(x, [-1, 3]), [-1, 6])],
  ])('%s over the rows is refused', (name, mix) => {
    expect(() => sparse(onto((x) => mix(linear(x, 6))))).toThrow(new RegExp(`${name}.*merges the batch axis`));
  });
});

it('positions in a table of weights are no rows', async () => {
  const table = constant(values(3, [6]));
  await agree(onto((x) => add(x, apply(GatherND, [table, ints([1])], {}))));
});
