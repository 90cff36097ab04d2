import { beforeAll, describe, expect, it } from 'vitest';
import { largestDifference } from '../../../test/support/difference.ts';
import { outputsOf, row, runAll } from '../../../test/support/run.ts';
import { Random } from '../../data/index.ts';
import {
  constant,
  mul,
  type NDArray,
  ndarray,
  placement,
  reshape,
  scope,
  sizeOf,
  type Tensor,
  toNumbers,
} from '../../graph/index.ts';
import { classify, conv, gate, linear, materialize, pooled, residual, sharedWeights } from '../../nn/index.ts';
import { costTable } from '../cost.ts';
import { isSelect } from '../decision.ts';
import type { Thresholds } from '../lower/choice.ts';
import { masked } from '../lower/masked.ts';
import { mixed } from '../lower/mixed.ts';
import { sparse } from '../lower/sparse.ts';
import { cut } from '../lower/static.ts';
import { ownViews } from '../lower/views.ts';
import type { Model } from '../model.ts';
import { exit, net } from '../net.ts';
import { decodeTrace, type Trace, traceKey } from '../trace.ts';
import { decisionsOf, type Net, parametersOf } from '../traced.ts';
import { experts, policy, skip, widths } from './index.ts';

const shape = [3, 8, 8];
const images = (n: number, seed = 1): NDArray => {
  const random = new Random(seed, 3);
  return ndarray(
    'float32',
    [n, ...shape],
    Float32Array.from({ length: n * sizeOf(shape) }, () => random.normal()),
  );
};

/** Weights with a voice: gates start near zero and would all say the same. */
function modelOf(made: Net, seed = 1): Model {
  const weights = new Map(materialize(parametersOf(made), seed));
  const random = new Random(seed, 9);
  for (const [name, { dims }] of weights)
    if (/(gate|router)\w*\/(weight|bias)$/.test(name))
      weights.set(
        name,
        ndarray(
          'float32',
          dims,
          Float32Array.from({ length: sizeOf(dims) }, () => random.normal()),
        ),
      );
  return { net: made, weights, classes: ['a', 'b', 'c'], preprocessing: { shape, scale: 1, mean: [0], std: [1] } };
}

const stem = (x: Tensor) => conv(x, 8, { norm: 'batch', activation: 'relu' });
const inner = (t: Tensor, share: number) =>
  conv(conv(t, 16 * share, { norm: 'batch', activation: 'relu' }), 8, { norm: 'batch', activation: 'relu' });

const nets: Record<string, () => Net> = {
  'a skipped block': () => net({ input: shape, classes: 3 }, (x) => classify(skip(stem(x), (t) => residual(t, 8)))),
  'two blocks behind one gate, with a shortcut of their own': () =>
    net({ input: shape, classes: 3 }, (x) =>
      classify(
        skip(stem(x), (t) => residual(residual(t, 8, { stride: 2 }), 12), {
          shortcut: (t) => conv(t, 12, { kernel: 1, stride: 2, norm: 'batch' }),
        }),
      ),
    ),
  'a policy up front': () =>
    net({ input: shape, classes: 3 }, (x) => {
      const gates = policy(gate(x, { outputs: 3, bias: [0, 0, 0] }));
      return classify(gates.reduce((t, g) => skip(t, (u) => residual(u, 8), { gate: g }), stem(x)));
    }),
  'skips before and after an exit': () =>
    net({ input: shape, classes: 3 }, (x) => {
      x = skip(stem(x), (t) => residual(t, 8));
      x = exit(x, { head: classify });
      return classify(skip(x, (t) => residual(t, 8)));
    }),
  'three widths': () => net({ input: shape, classes: 3 }, (x) => classify(widths(stem(x), [1, 0.5, 0.25], inner))),
  'the best of three experts': () =>
    net({ input: shape, classes: 3 }, (x) =>
      classify(
        experts(
          stem(x),
          [1, 2, 3].map(() => (t: Tensor) => residual(t, 8)),
        ),
      ),
    ),
  'the best two of four experts': () =>
    net({ input: shape, classes: 3 }, (x) =>
      classify(
        experts(
          stem(x),
          [1, 2, 3, 4].map(() => (t: Tensor) => conv(t, 6)),
          { top: 2 },
        ),
      ),
    ),
  'depths that share the end of the net': () =>
    net({ input: shape, classes: 3 }, (x) => {
      const once = sharedWeights();
      const end = (name: string) => (t: Tensor) => scope(name, () => once(() => classify(stem(t))));
      return skip(stem(x), (t) => end('deep')(residual(t, 8)), { shortcut: end('shallow') });
    }),
  'widths inside experts': () =>
    net({ input: shape, classes: 3 }, (x) =>
      classify(
        experts(
          stem(x),
          [1, 2].map(() => (t: Tensor) => widths(t, [1, 0.5], inner)),
        ),
      ),
    ),
};

/** Thresholds at the middle score, so that both sides are taken. */
const own = (made: Net): Thresholds =>
  Object.fromEntries(
    decisionsOf(made).map((d) => [
      d.name,
      d.rule === 'threshold' ? (d.family === 'exit' ? -1 : 0) : d.options.map(() => 0),
    ]),
  );

describe.each(Object.entries(nets))('%s', (_, make) => {
  const made = make();
  const x = images(40);
  let model: Model;
  // The first weights under which inputs differ in their ways.
  beforeAll(async () => {
    for (let seed = 1; seed < 30; seed++) {
      model = modelOf(made, seed);
      const [ran] = await runAll(outputsOf(masked(made, own(made))), model.weights, [x]);
      if (new Set(decodeTrace(ran!.trace!, traceKey(made)).map(path)).size > 1) return;
    }
  });

  it('answers alike in all lowerings, in a batch and one by one, with views of its own or without', async () => {
    const key = traceKey(made);
    const copied = ownViews(model);
    const [wanted] = await runAll(outputsOf(masked(made, own(made))), model.weights, [x]);
    expect(new Set(decodeTrace(wanted!.trace!, key).map(path)).size).toBeGreaterThan(1);
    for (const { net: lowered, weights } of [model, copied] as const) {
      const [batch, ...singles] = await runAll(outputsOf(sparse(lowered, own(made))), weights, [
        x,
        ...[0, 1, 2, 3, 4, 5].map((i) => row(x, i)),
      ]);
      expect(largestDifference(batch!.output!.data, wanted!.output!.data)).toBeLessThan(1e-4);
      expect(toNumbers(batch!.trace!)).toEqual(toNumbers(wanted!.trace!));
      for (const [i, one] of singles.entries())
        expect(largestDifference(one.output!.data, row(wanted!.output!, i).data)).toBeLessThan(1e-4);
      const [branch] = await runAll(outputsOf(sparse(lowered, own(made), { form: 'branch' })), weights, [row(x, 0)]);
      expect(largestDifference(branch!.output!.data, row(wanted!.output!, 0).data)).toBeLessThan(1e-4);
    }
  });

  it('cut to fixed choices, is what its rows of that path give', async () => {
    const decisions = decisionsOf(made).filter((d) => d.family !== 'exit');
    const key = traceKey(made);
    const [ran] = await runAll(outputsOf(sparse(made, { ...own(made), ...never(made) })), model.weights, [x]);
    const traces = decodeTrace(ran!.trace!, key);
    for (const i of [0, 7, 21]) {
      const taken = Object.fromEntries(
        decisions.flatMap((d) => {
          const value = traces[i]!.rows.find((r) => r.decision === d.name)!.value;
          return value === null ? [] : [[d.name, d.options[value as number]!.name]];
        }),
      );
      const [plain] = await runAll({ output: cut(made, taken).output }, model.weights, [row(x, i)]);
      expect(largestDifference(plain!.output!.data, row(ran!.output!, i).data)).toBeLessThan(1e-4);
      expect(decisionsOf(cut(made, taken))).toEqual([]);
    }
  });
});

describe('among peers', () => {
  const choosing = (leave: boolean) =>
    net({ input: shape, classes: 3 }, (x) => {
      const h = stem(x);
      if (leave) exit(h, { head: (t) => classify(t) });
      return classify(
        experts(
          h,
          [1, 2].map(() => (t: Tensor) => conv(t, 6)),
        ),
      );
    });

  it('no option is the full path: one must be named, unless the path ends before', () => {
    const [decision] = decisionsOf(choosing(false));
    const name = decision!.name;
    expect(() => cut(choosing(false))).toThrow(/chooses among the peers .+, .+: none of them is the full path/);
    expect(decisionsOf(cut(choosing(false), { [name]: decision!.options[1]!.name }))).toEqual([]);
    const [first] = decisionsOf(choosing(true));
    expect(decisionsOf(cut(choosing(true), { [first!.name]: 'exit' }))).toEqual([]);
  });
});

const path = (t: Trace): string => t.rows.map((r) => r.value).join();

const never = (made: Net): Thresholds =>
  Object.fromEntries(
    decisionsOf(made).flatMap((d) => (d.family === 'exit' ? [[d.name, Number.POSITIVE_INFINITY]] : [])),
  );

it('views of its own: no branch reads a weight from outside, in which it could not be folded', () => {
  for (const made of [nets['three widths']!(), nets['depths that share the end of the net']!()]) {
    const outside = ({ output }: Net): string[] => {
      const { of, nodes } = placement([output]);
      return nodes.flatMap((node) =>
        isSelect(node)
          ? []
          : node.inputs.flatMap((t) =>
              t?.node.op.leaf === 'param' && of.get(t.node) !== of.get(node) ? [t.node.attrs] : [],
            ),
      ) as never;
    };
    const model = modelOf(made);
    expect(outside(made).length).toBeGreaterThan(1);
    const copied = ownViews(model);
    expect(outside(copied.net)).toEqual([]);
    // What was copied still has its original in the weights, which the file leaves out.
    expect(parametersOf(copied.net).every((p) => copied.weights.has(p.name))).toBe(true);
  }
});

describe('widths', () => {
  const made = nets['three widths']!();

  it('are prefixes of one master for each weight; biases and statistics are their own', () => {
    const names = parametersOf(made).map((p) => p.name);
    const weights = names.filter((n) => /width1\/x.*conv\d\/weight$/.test(n));
    expect(weights).toEqual(['width1/x1/conv1/weight', 'width1/x1/conv2/weight']);
    expect(names.filter((n) => n.endsWith('norm/mean') && n.startsWith('width1/'))).toHaveLength(6);
  });

  it('take the first channels of the master', async () => {
    const model = modelOf(made);
    const { weights } = ownViews(model);
    const master = model.weights.get('width1/x1/conv2/weight')!;
    const half = weights.get('width1/x1/conv2/weight[8x8x3x3]')!;
    expect(half.dims).toEqual([8, 8, 3, 3]);
    for (let o = 0; o < 8; o++)
      expect(half.data.slice(o * 72, (o + 1) * 72)).toEqual(master.data.slice(o * 16 * 9, o * 16 * 9 + 72));
  });

  it('cost in x out: a half-width inner layer halves both convolutions around it', () => {
    const macs = costTable(made).flatMap((r) => (r.guard[0]?.decision === 'width1' ? [r.macs] : []));
    expect(macs).toEqual([2, 1, 0.5].map((f) => f * 8 * 8 * 9 * 8 * 16 * 1));
  });
});

it('an expert answers times its own share, also where training draws one that is not the best', async () => {
  const made = net({ input: [3], classes: 3 }, (x) =>
    experts(
      x,
      [1, 10, 100].map((f) => (t: Tensor) => mul(t, f)),
      { router: (t) => t },
    ),
  );
  const third = () => constant(ndarray('float32', [1, 3], [0, 0, 1]));
  const { outputs } = mixed([made.output], third);
  const [ran] = await runAll({ y: outputs[0]! }, new Map(), [ndarray('float32', [1, 3], [2, 1, 0])]);
  const share = 1 / (Math.exp(2) + Math.exp(1) + 1);
  for (const [k, v] of [200, 100, 0].entries()) expect(toNumbers(ran!.y!)[k]).toBeCloseTo(share * v, 4);
});

it('two experts run also where the router finds several equally good', async () => {
  const made = net({ input: [4], classes: 4 }, (x) =>
    experts(
      x,
      [1, 2, 3, 4].map((f) => (t: Tensor) => mul(t, f)),
      { router: (t) => t, top: 2 },
    ),
  );
  const x = ndarray('float32', [4, 4], [1, 1, 1, 1, 5, 0, 0, 0, 0, 2, 3, 3, 1, 0, 0, -1]);
  for (const lowered of [masked(made), sparse(made)]) {
    const [ran] = await runAll(outputsOf(lowered), new Map(), [x]);
    const ways = decodeTrace(ran!.trace!, traceKey(made)).map((t) => t.rows.map((r) => r.value).join(''));
    expect(ways).toEqual(['0011', '0011', '1100', '0011']);
  }
});

describe('what does not fit is refused', () => {
  const build = (fn: (x: Tensor) => Tensor) => () => net({ input: shape, classes: 3 }, (x) => classify(fn(stem(x))));
  it.each<[string, (x: Tensor) => Tensor, RegExp]>([
    ['widths that rise', (x: Tensor) => widths(x, [0.5, 1], inner), /fall from 1.*got \[0.5, 1\]/],
    ['a width above 1', (x: Tensor) => widths(x, [2, 1], inner), /shares that fall from 1/],
    ['one width', (x: Tensor) => widths(x, [1], inner), /shares that fall from 1/],
    [
      'a narrower weight that is larger',
      (x: Tensor) => widths(x, [1, 0.5], (t, s) => conv(conv(t, 8 / s), 8)),
      /is no prefix of the widest one's/,
    ],
    [
      'options of other shapes',
      (x: Tensor) => skip(x, (t) => conv(t, 9)),
      /option "run" returns.*\[N, 9, 8, 8\].*same signature/,
    ],
    [
      'a gate of two numbers',
      (x: Tensor) => skip(x, (t) => residual(t, 8), { gate: (t) => linear(pooled(t), 2) }),
      /one logit for each input.*\[N, 2\]/,
    ],
    ['one expert', (x: Tensor) => experts(x, [(t) => t]), /at least two experts, got 1/],
    [
      'the best two of two',
      (x: Tensor) => experts(x, [stem, stem], { top: 2 }),
      /the best 2 of 2 experts are all of them/,
    ],
    [
      'a router of other width',
      (x: Tensor) => experts(x, [stem, stem], { router: (t) => linear(pooled(t), 3) }),
      /logits \[N, 2\], got \[N, 3\]/,
    ],
    [
      'a policy of rank 1',
      (x: Tensor) => policy(reshape(linear(pooled(x), 1), [0]))[0]!,
      /logits are \[N, K\], got \[N\]/,
    ],
  ])('%s', (_, fn, message) => {
    expect(build(fn)).toThrow(message);
  });
});
