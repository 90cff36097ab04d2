import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CostVector, costTable, exit, type Net, net, parametersOf, select, sparse } from '../src/dynamic/index.ts';
import {
  branch,
  compress,
  convolve,
  decodeModel,
  encodeModel,
  flatten,
  forEachNode,
  globalAveragePool,
  greater,
  input,
  logSoftmax,
  type OnnxGraph,
  param,
  placement,
  reduceMax,
  reduceMean,
  relu,
  reshape,
  reshapeLike,
  rowsWhere,
  scatterNd,
  sizeOf,
  softmax,
  sub,
  subgraphsOf,
  type Tensor,
  toOnnx,
  transpose,
} from '../src/graph/index.ts';
import { classify, conv, heNormal, linear, residual } from '../src/nn/index.ts';
import { buildNet, randomWeights } from './support/build-net.ts';
import { netPlan, runs } from './support/random-nets.ts';
import { bytesOf, outputsOf } from './support/run.ts';

const gate = (x: Tensor): Tensor => reshape(linear(flatten(globalAveragePool(x)), 1), [0]);
const symbolic = ({ shape }: Tensor): boolean => shape.some((d) => typeof d === 'string');

/** Every graph of a file, the outermost first. */
function graphsOf(graph: OnnxGraph): OnnxGraph[] {
  return [graph, ...graph.nodes.flatMap(subgraphsOf).flatMap(graphsOf)];
}

/** Uses inside branches of tensors that hold rows from outside: "Op reads [N, 8]". */
function reachesOut(outputs: readonly Tensor[]): string[] {
  const placed = placement(outputs);
  const found: string[] = [];
  for (const node of placed.nodes) {
    const home = placed.of.get(node)!;
    for (const [i, t] of node.inputs.entries()) {
      if (!t || !symbolic(t)) continue;
      const branchName = node.op.block?.(node, i);
      const at = branchName === undefined ? home : placed.child(node, branchName);
      if (at.owner === undefined || placed.of.get(t.node) === at) continue;
      const picksRows = node.op.name === 'Compress' || node.op.name === 'NonZero';
      const isMask = node.outputs[0]!.dtype === 'bool' && node.outputs[0]!.rank === 1;
      const isBase = (node.op.name === 'ScatterND' && i === 0) || branchName === 'else';
      if (!picksRows && !isMask && !isBase) found.push(`${node.op.name} in "${node.scope}" reads ${t}`);
    }
  }
  return found;
}

const sparseOutputs = (made: Net): Tensor[] => Object.values(outputsOf(sparse(made)));

describe('liveness', () => {
  it('what crosses a decision is compressed: no branch touches rows that are not its own', () => {
    fc.assert(
      fc.property(netPlan, (plan) => {
        expect(reachesOut(sparseOutputs(buildNet(plan)))).toEqual([]);
      }),
      { numRuns: runs(100) },
    );
  });

  it('the check above sees a tensor that is not compressed, and one that is', () => {
    const x = input('x', ['N', 4]);
    const any = greater(reduceMax(x, [0, 1]), 0);
    expect(reachesOut(branch(any, [relu(x)], [x]))).toEqual([expect.stringMatching(/^Relu .* reads float32\[N, 4\]/)]);
    const mask = greater(reduceMax(x, [1]), 0);
    const rows = relu(compress(x, mask, 'rows'));
    expect(reachesOut([mask, ...branch(any, [scatterNd(x, rowsWhere(mask, 'rows'), rows)], [x])])).toEqual([]);
  });

  it.each([
    ['Transpose', (x: Tensor) => transpose(transpose(x, [1, 0]), [1, 0])],
    ['Reshape', (x: Tensor) => reshapeLike(reshape(x, [-1, 3]), x)],
    ['ReduceMean', (x: Tensor) => sub(x, reduceMean(x, [0], true))],
    ['Softmax', (x: Tensor) => softmax(x, 0)],
    ['LogSoftmax', (x: Tensor) => logSoftmax(x, -2)],
  ])('%s over the batch axis is refused inside a region, and allowed before it', (name, mix) => {
    const inside = net({ input: [6] }, (x) =>
      select({ score: reshape(linear(x, 1), [0]), options: { skip: () => x, run: () => mix(linear(x, 6)) } }),
    );
    expect(() => sparse(inside)).toThrow(new RegExp(`${name}.*merges the batch axis.*keep axis 0 apart`));
    const before = net({ input: [6] }, (x) => {
      const mixed = mix(linear(x, 6));
      return select({
        score: reshape(linear(mixed, 1), [0]),
        options: { skip: () => x, run: () => relu(linear(mixed, 6)) },
      });
    });
    expect(() => sparse(before)).not.toThrow();
  });

  it('a tensor whose batch axis is elsewhere cannot cross a decision', () => {
    const made = net({ input: [6] }, (x) => {
      const turned = transpose(x, [1, 0]);
      return select({
        score: reshape(linear(transpose(turned, [1, 0]), 1), [0]),
        options: { skip: () => relu(x), run: () => transpose(relu(turned), [1, 0]) },
      });
    });
    expect(() => sparse(made)).toThrow(/^Relu.*merges the batch axis \(\[6, N\]/);
  });
});

describe('weights', () => {
  const total = (made: Net): number => parametersOf(made).reduce((sum, p) => sum + 4 * sizeOf(p.shape), 0);

  it('the cost table holds every byte of them once, and so does the file, inside the branch that needs it', () => {
    fc.assert(
      fc.property(netPlan, fc.nat(1000), (plan, seed) => {
        const made = buildNet(plan);
        const bytes = costTable(made).reduce((sum, r: CostVector) => sum + r.weightBytes, 0);
        expect(bytes).toBe(total(made));
        const weights = randomWeights(made, seed);
        for (const form of ['rows', 'branch'] as const) {
          const { graph } = decodeModel(bytesOf(outputsOf(sparse(made, {}, { form })), weights));
          const stored = graphsOf(graph).flatMap((g) => g.initializers);
          const names = stored.map((i) => i.name).filter((name) => weights.has(name));
          expect([...names].sort()).toEqual([...weights.keys()].sort());
          for (const { name, ...value } of stored)
            if (weights.has(name)) expect(value).toMatchObject({ dims: weights.get(name)!.dims });
        }
      }),
      { numRuns: runs(40) },
    );
  });

  it('stand in the branch of the region that alone uses them', () => {
    const made = net({ input: [2, 8, 8], classes: 3 }, (x) => {
      x = exit(conv(x, 4), { head: classify });
      x = select({
        score: gate(x),
        options: { skip: () => x, run: () => residual(x, 4, { name: 'block' }) },
        name: 'choice',
      });
      return classify(x);
    });
    const { graph } = toOnnx(outputsOf(sparse(made)), { weights: randomWeights(made, 1) });
    const [root, ...inner] = graphsOf(graph);
    const prefixes = (g: OnnxGraph) =>
      g.initializers
        .map((i) => i.name)
        .filter((n) => !/threshold|constant/.test(n))
        .map((n) => n.replace(/\/[^/]*$/, ''));
    expect(prefixes(root!)).toEqual(expect.arrayContaining(['conv1', 'exit1/classify1']));
    expect(prefixes(root!).some((p) => /^(choice|classify1|linear1)/.test(p))).toBe(false);
    const block = inner.filter((g) => g.initializers.some((i) => i.name.startsWith('choice/run/block/')));
    expect(block).toHaveLength(1);
    // The weights lie with the convolutions that read them.
    forEachNode(graph, (node, { initializers }) => {
      if (node.op === 'Conv') expect(initializers.map((i) => i.name)).toContain(node.inputs[1]);
    });
    expect(block[0]!.initializers.some((i) => i.name === 'classify1/weight')).toBe(false);
  });

  it('a weight that two regions share is stored once, outside both, and so it costs', () => {
    const made = net({ input: [2, 4, 4], classes: 3 }, (x) => {
      const weight = param('both', [2, 2, 3, 3], heNormal([2, 2, 3, 3]));
      const body = (t: Tensor) => relu(convolve(t, weight, undefined, { padding: 1 }));
      for (const name of ['one', 'two'])
        x = select({ score: gate(x), options: { skip: () => x, run: () => body(x) }, name });
      return classify(x);
    });
    const root = costTable(made).find((r) => r.guard.length === 0)!;
    expect(root.weightBytes).toBe(total(made));
    for (const form of ['rows', 'branch'] as const) {
      const model = decodeModel(
        encodeModel(toOnnx(outputsOf(sparse(made, {}, { form })), { weights: randomWeights(made, 1) })),
      );
      const holders = graphsOf(model.graph).filter((g) => g.initializers.some((i) => i.name === 'both'));
      expect(holders).toEqual([model.graph]);
    }
  });
});
