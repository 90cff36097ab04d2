import { describe, expect, test } from 'vitest';
import { check, checkEvaluate } from '../../test/graph/check.ts';
import { controlRows, leafRows } from '../../test/graph/rows/control.ts';
import { convRows } from '../../test/graph/rows/conv.ts';
import { convGradientRows } from '../../test/graph/rows/conv-gradient.ts';
import { elementwiseRows } from '../../test/graph/rows/elementwise.ts';
import { indexingRows } from '../../test/graph/rows/indexing.ts';
import { linearRows } from '../../test/graph/rows/linear.ts';
import { moreRows } from '../../test/graph/rows/more.ts';
import { normRows } from '../../test/graph/rows/norm.ts';
import { poolRows } from '../../test/graph/rows/pool.ts';
import { reduceRows } from '../../test/graph/rows/reduce.ts';
import { reshapeRows } from '../../test/graph/rows/reshape.ts';
import { samplingRows } from '../../test/graph/rows/sampling.ts';
import { slicingRows } from '../../test/graph/rows/slicing.ts';
import { topKRows } from '../../test/graph/rows/top-k.ts';
import * as control from './ops/control.ts';
import * as conv from './ops/conv.ts';
import * as convGradient from './ops/conv-gradient.ts';
import * as elementwise from './ops/elementwise.ts';
import * as indexing from './ops/indexing.ts';
import * as leaf from './ops/leaf.ts';
import * as linear from './ops/linear.ts';
import * as more from './ops/more.ts';
import * as norm from './ops/norm.ts';
import * as pool from './ops/pool.ts';
import * as reduce from './ops/reduce.ts';
import * as reshape from './ops/reshape.ts';
import * as sampling from './ops/sampling.ts';
import * as slicing from './ops/slicing.ts';
import * as topK from './ops/top-k.ts';
import { operators } from './table.ts';
import type { Operator } from './tensor.ts';

type Rows = Readonly<Record<string, Parameters<typeof check>[1][]>>;

const rooms = [
  [elementwise, elementwiseRows],
  [linear, linearRows],
  [conv, convRows],
  [convGradient, convGradientRows],
  [pool, poolRows],
  [norm, normRows],
  [reduce, reduceRows],
  [reshape, reshapeRows],
  [slicing, slicingRows],
  [sampling, samplingRows],
  [indexing, indexingRows],
  [topK, topKRows],
  [control, controlRows],
  [leaf, leafRows],
  [more, moreRows],
] as unknown as readonly (readonly [Readonly<Record<string, Operator>>, Rows])[];

const rows = rooms.flatMap(([room, list]) =>
  Object.entries(list).map(([key, cases]) => ({ key, op: room[key]!, cases })),
);

test('every operator of the table has a row', () => {
  const covered = new Set(rows.map((r) => r.op));
  expect(operators.filter((op) => !covered.has(op)).map((op) => op.name)).toEqual([]);
  for (const { key, op, cases } of rows) if (!op.leaf) expect(cases.length, key).toBeGreaterThan(0);
});

test('second derivatives are checked wherever first ones are, as docs/operators.md says', () => {
  const without = rows.flatMap((r) => r.cases.filter((c) => c.second).map((c) => `${r.key}: ${c.name}`));
  expect(without).toEqual([]);
  const flat = (op: Operator): boolean =>
    typeof op.gradient === 'function'
      ? typeof op.gradient(0) !== 'function'
      : op.gradient.every((r) => typeof r !== 'function');
  const unchecked = rows.filter((r) => !flat(r.op) && r.cases.every((c) => c.wrt?.length === 0));
  expect(unchecked.map((r) => r.key)).toEqual([]);
});

describe.each(rows.filter((r) => r.cases.length > 0))('$key', ({ op, cases }) => {
  test.each(cases.map((c) => [c.name, c] as const))('%s', async (_, c) => {
    await check(op, c);
  });

  if (op.evaluate && !op.leaf)
    test('folds to the same', () => {
      expect(cases.filter((c) => checkEvaluate(c)).length).toBeGreaterThan(0);
    });
});
