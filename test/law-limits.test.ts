import { describe, expect, it } from 'vitest';
import {
  decisionsOf,
  decodeTrace,
  exit,
  MOST_NESTED,
  masked,
  type Net,
  net,
  select,
  sparse,
  traceKey,
} from '../src/dynamic/index.ts';
import { add, mul, nestingDepth, relu, reshape, type Tensor, toOnnx } from '../src/graph/index.ts';
import { classify, linear } from '../src/nn/index.ts';
import { randomInput, randomWeights } from './support/build-net.ts';
import { seeded } from './support/random.ts';
import { outputsOf, rowDifference, runAll } from './support/run.ts';

const ROWS = 16;
const gate = (x: Tensor): Tensor => reshape(linear(x, 1), [0]);

const exits = (count: number): Net =>
  net({ input: [4], classes: 3 }, (x) => {
    for (let i = 0; i < count; i++) x = exit(add(x, linear(x, 4, { activation: 'tanh' })), { head: classify });
    return classify(linear(x, 4));
  });

const selects = (count: number): Net =>
  net({ input: [4], classes: 3 }, (x) => {
    for (let i = 0; i < count; i++) {
      const before = x;
      x = select({ score: gate(x), options: { skip: () => before, run: () => add(before, linear(before, 4)) } });
    }
    return classify(x);
  });

/** Runs masked and sparse forms; gives how many different values each decision took. */
async function agree(made: Net, thresholds: Record<string, number>): Promise<number[]> {
  const weights = randomWeights(made, 3);
  const x = randomInput(made, ROWS, 4);
  const [want] = await runAll(outputsOf(masked(made, thresholds)), weights, [x]);
  const [got] = await runAll(outputsOf(sparse(made, thresholds)), weights, [x]);
  const key = traceKey(made);
  expect(decodeTrace(got!.trace!, key)).toEqual(decodeTrace(want!.trace!, key));
  for (let r = 0; r < ROWS; r++) expect(rowDifference(want!.output!, got!.output!, r)).toBeLessThan(1e-4);
  const seen = decisionsOf(made).map(() => new Set<unknown>());
  for (const { rows } of decodeTrace(got!.trace!, key)) for (const [j, r] of rows.entries()) seen[j]!.add(r.value);
  return seen.map((s) => s.size);
}

describe('nesting', () => {
  it('31 exits load and run, to the last of them', async () => {
    const made = exits(MOST_NESTED);
    const model = toOnnx(outputsOf(sparse(made)), { weights: randomWeights(made, 3) });
    expect(nestingDepth(model.graph)).toBe(31);
    const names = decisionsOf(made).map((d) => d.name);
    expect(names).toHaveLength(31);
    const never = Object.fromEntries(names.map((n) => [n, Number.POSITIVE_INFINITY]));
    await agree(made, never);
    await agree(made, { ...never, [names[30]!]: Number.NEGATIVE_INFINITY });
    const varied = await agree(made, Object.fromEntries(names.map((n) => [n, -0.05])));
    expect(varied.some((v) => v > 2)).toBe(true); // left, passed, not reached
  });

  it('32 are refused while tracing, with what to do', () => {
    expect(() => exits(32)).toThrow(
      /the net nests 32 decisions, ONNX Runtime loads at most 31; exits nest one in the other: use fewer/,
    );
  });

  it('consecutive exits count too', () => {
    const chain = (count: number) => () =>
      net({ input: [4], classes: 3 }, (x) => {
        for (let i = 0; i < count; i++) exit(x, { head: classify });
        return classify(relu(x));
      });
    expect(chain(31)).not.toThrow();
    expect(chain(32)).toThrow(/nests 32/);
  });

  it('40 selects in sequence stand side by side, and work', async () => {
    const made = selects(40);
    const thresholds = Object.fromEntries(decisionsOf(made).map(({ name }, i) => [name, (i % 5) * 0.1 - 0.2]));
    for (const form of ['rows', 'branch'] as const) {
      const model = toOnnx(outputsOf(sparse(made, thresholds, { form })), { weights: randomWeights(made, 3) });
      expect(nestingDepth(model.graph)).toBe(1);
    }
    const varied = await agree(made, thresholds);
    expect(varied.filter((v) => v === 2).length).toBeGreaterThan(10);
  });

  it('selects inside selects nest as deep as they are written, up to the limit', async () => {
    const nested = (depth: number): Net => {
      const grow = (x: Tensor, left: number): Tensor =>
        left === 0
          ? relu(linear(x, 4))
          : select({ score: gate(x), options: { skip: () => x, run: () => grow(mul(x, 1.25), left - 1) } });
      return net({ input: [4], classes: 3 }, (x) => classify(grow(x, depth)));
    };
    const made = nested(MOST_NESTED);
    const model = toOnnx(outputsOf(sparse(made)), { weights: randomWeights(made, 3) });
    expect(nestingDepth(model.graph)).toBe(31);
    const names = decisionsOf(made).map((d) => d.name);
    await agree(made, Object.fromEntries(names.map((n) => [n, Number.NEGATIVE_INFINITY])));
    await agree(made, Object.fromEntries(names.map((n) => [n, 0])));
    expect(() => nested(32)).toThrow(/nests 32 decisions/);
  });

  it('a net of thousands of layers is lowered without overflowing the stack', () => {
    const made = net({ input: [4], classes: 3 }, (x) => {
      x = exit(x, { head: classify });
      for (let i = 0; i < 3000; i++) x = relu(add(x, i));
      return classify(x);
    });
    for (const form of ['rows', 'branch'] as const) expect(sparse(made, {}, { form }).output.shape[1]).toBe(3);
    expect(masked(made).output.shape).toEqual(['N', 3]);
  });

  it('many options of one decision do not nest by their number where rows are picked', () => {
    const made = net({ input: [4], classes: 3 }, (x) => {
      const options = Object.fromEntries(
        Array.from({ length: 8 }, (_, k) => [`expert${k}`, () => linear(x, 4, { activation: 'relu' })]),
      );
      return classify(select({ score: linear(x, 8), options }));
    });
    const model = toOnnx(outputsOf(sparse(made)), { weights: randomWeights(made, 3) });
    expect(nestingDepth(model.graph)).toBe(1);
  });
});

it('the seeded stream repeats itself and spreads', () => {
  const draw = (seed: number) => Array.from({ length: 1000 }, seeded(seed));
  expect(draw(1)).toEqual(draw(1));
  expect(draw(1)).not.toEqual(draw(2));
  expect(Math.min(...draw(3))).toBeLessThan(0.01);
  expect(Math.max(...draw(3))).toBeGreaterThan(0.99);
});
