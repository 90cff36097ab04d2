import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { spaced } from '../../test/graph/check.ts';
import type { Dense } from '../../test/graph/dense.ts';
import { onArrays, onGraphs, type Program, programs, run } from '../../test/graph/programs.ts';
import { compile } from '../runtime/index.ts';
import {
  encodeModel,
  forEachNode,
  gradients,
  input,
  mul,
  type NDArray,
  type Node,
  ndarray,
  type OnnxGraph,
  order,
  placement,
  rewrite,
  simplify,
  substitute,
  sumAll,
  type Tensor,
  tanh,
  toNumbers,
  toOnnx,
} from './index.ts';

const shapes = [
  [2, 3],
  [3, 1],
  [1, 3],
] as const;
const arrays: Dense[] = shapes.map((dims, i) => ({ dims, data: spaced(dims[0] * dims[1], i, 3) }));
const feeds: Record<string, NDArray> = Object.fromEntries(
  arrays.map((a, i) => [`x${i}`, ndarray('float32', a.dims, [...a.data])]),
);
const inputs = (): Tensor[] => shapes.map((s, i) => input(`x${i}`, s));

async function evaluate(
  outputs: Record<string, Tensor>,
  weights: Map<string, NDArray>,
  extra: readonly Record<string, NDArray>[] = [{}],
): Promise<Record<string, NDArray>[]> {
  const runner = await compile(encodeModel(toOnnx(outputs, { weights })), { intraOpNumThreads: 1 });
  const used = new Set(runner.inputs.map((s) => s.name));
  const results = [];
  for (const more of extra) {
    const all = Object.entries({ ...feeds, ...more }).filter(([name]) => used.has(name));
    results.push(await runner.run(Object.fromEntries(all)));
  }
  await runner.close();
  return results;
}

function near(got: NDArray, want: readonly number[], tolerance: number): void {
  const scale = Math.max(1, ...want.map(Math.abs));
  toNumbers(got).forEach((v, i) => {
    expect(Math.abs(v - want[i]!)).toBeLessThanOrEqual(tolerance * scale);
  });
  expect(got.data.length).toBe(want.length);
}

const total = (a: Dense): number => a.data.reduce((s, v, i) => s + v * Math.cos(i), 0);

describe('random programs', () => {
  test('gradients are those of finite differences; simplifying changes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(programs(12, false), async (program) => {
        const weights = new Map<string, NDArray>();
        const x = inputs();
        const y = run(program, x, onGraphs([], weights)).at(-1)!;
        const at = (list: Dense[]): Dense => run(program, list, onArrays([])).at(-1)!;
        const want = at(arrays);
        const cotangent = input('c', y.shape);
        const loss = sumAll(mul(y, cotangent));
        const grads = gradients(loss, x);
        const outputs: Record<string, Tensor> = { y, g0: grads[0]!, g1: grads[1]!, g2: grads[2]! };
        const simple = simplify(Object.values(outputs));
        simple.forEach((t, i) => {
          outputs[`simple${i}`] = t;
        });
        const c = ndarray(
          'float32',
          want.dims,
          want.data.map((_, i) => Math.cos(i)),
        );
        const [got] = await evaluate(outputs, weights, [{ c }]);
        near(got!.y!, want.data, 2e-5);
        expect(y.shape).toEqual(want.dims);
        ['y', 'g0', 'g1', 'g2'].forEach((name, i) => {
          near(got![`simple${i}`]!, toNumbers(got![name]!), 1e-5);
        });
        const h = 1e-4;
        arrays.forEach((a, which) => {
          const slope = a.data.map((v, k) => {
            const moved = (by: number) => total(at(arrays.with(which, { dims: a.dims, data: a.data.with(k, v + by) })));
            return (moved(h) - moved(-h)) / (2 * h);
          });
          near(got![`g${which}`]!, slope, 2e-4);
        });
      }),
      { numRuns: 40 },
    );
  });

  test('simplifying leaves no constant work and no two equal nodes behind', () => {
    fc.assert(
      fc.property(programs(12, false), (program) => {
        const y = run(program, inputs(), onGraphs([], new Map()));
        const before = order(y).length;
        const nodes = order(simplify(y));
        expect(nodes.length).toBeLessThanOrEqual(before);
        const seen = new Set<string>();
        for (const node of nodes) {
          if (node.op.evaluate && !node.op.leaf)
            expect(node.inputs.every((t) => t?.node.op.leaf === 'constant')).toBe(false);
          if (node.op.leaf) continue;
          const key = `${node.op.name}(${node.inputs.map((t) => t && `${t.node.id}.${t.index}`)})${JSON.stringify(node.attrs)}`;
          expect(seen.has(key), key).toBe(false);
          seen.add(key);
        }
        const again = order(simplify(simplify(y)));
        expect(again.length).toBe(nodes.length);
      }),
      { numRuns: 60 },
    );
  });

  test('substituting inputs is running the program on other values', async () => {
    await fc.assert(
      fc.asyncProperty(programs(8, false), async (program) => {
        const weights = new Map<string, NDArray>();
        const x = inputs();
        const y = run(program, x, onGraphs([], weights)).at(-1)!;
        const [swapped] = substitute([y], new Map([[x[0]!, tanh(x[0]!)]]));
        const [kept] = rewrite([y], () => undefined);
        expect(kept).toBe(y);
        const other = arrays.with(0, { dims: arrays[0]!.dims, data: arrays[0]!.data.map(Math.tanh) });
        const [got] = await evaluate({ swapped: swapped! }, weights);
        near(got!.swapped!, run(program, other, onArrays([])).at(-1)!.data, 2e-5);
      }),
      { numRuns: 15 },
    );
  });
});

describe('programs with branches', () => {
  const conditions = () => [input('p', [], 'bool'), input('q', [], 'bool')];
  const ways = [0, 1, 2, 3].map((bits) => [!(bits & 1), !(bits & 2)]);

  /** The last values, so that several results share their branches. */
  const traced = (program: Program, weights = new Map<string, NDArray>()): Tensor[] =>
    run(program, inputs(), onGraphs(conditions(), weights)).slice(-2);

  /** Nodes that still are reached when one branch of one If is cut off. */
  const without = (outputs: readonly Tensor[], owner: Node, name: string): Set<Node> => {
    const seen = new Set<Node>();
    const list = outputs.map((t) => t.node);
    for (let node = list.pop(); node; node = list.pop()) {
      if (seen.has(node)) continue;
      seen.add(node);
      for (const [i, t] of node.inputs.entries())
        if (t && !(node === owner && node.op.block?.(node, i) === name)) list.push(t.node);
    }
    return seen;
  };

  test('a node stands inside a branch exactly when nothing outside of it needs the node', () => {
    fc.assert(
      fc.property(programs(25, true), (program) => {
        const outputs = traced(program);
        const placed = placement(outputs);
        for (const owner of placed.nodes.filter((n) => n.op.block))
          for (const name of ['then', 'else']) {
            const outside = without(outputs, owner, name);
            for (const node of placed.nodes) {
              let inside = false;
              for (let b = placed.of.get(node); b; b = b.parent) inside ||= b.owner === owner && b.name === name;
              expect(inside).toBe(!outside.has(node) && node.op.leaf !== 'input');
            }
          }
      }),
      { numRuns: 150 },
    );
  });

  test('the written file computes the same; every weight is stored once, in the branch that needs it', async () => {
    await fc.assert(
      fc.asyncProperty(programs(25, true), async (program) => {
        const weights = new Map<string, NDArray>();
        const outputs = traced(program, weights);
        const named = Object.fromEntries(outputs.map((t, i) => [`y${i}`, t]));
        const model = toOnnx(named, { weights });
        const stored = new Map<string, number>();
        const graphs = new Set<OnnxGraph>([model.graph]);
        forEachNode(model.graph, (_, graph) => graphs.add(graph));
        for (const g of graphs) for (const t of g.initializers) stored.set(t.name, (stored.get(t.name) ?? 0) + 1);
        for (const node of order(outputs)) if (node.op.leaf === 'param') expect(stored.get(node.attrs.name)).toBe(1);
        const bool = (v: boolean) => ndarray('bool', [], [v ? 1 : 0]);
        const got = await evaluate(
          named,
          weights,
          ways.map(([p, q]) => ({ p: bool(p!), q: bool(q!) })),
        );
        ways.forEach((way, k) => {
          run(program, arrays, onArrays(way as boolean[]))
            .slice(-2)
            .forEach((want, i) => {
              near(got[k]![`y${i}`]!, want.data, 2e-5);
            });
        });
      }),
      { numRuns: 40 },
    );
  });
});
