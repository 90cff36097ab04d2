import { exponential } from 'dynaneural';
import { Random } from 'dynaneural/data';
import { decisionsOf, type KeepDecision, type SelectDecision } from 'dynaneural/dynamic';
import { encodeModel, input, type NDArray, ndarray, type Tensor, toNumbers, toOnnx } from 'dynaneural/graph';
import { compile } from 'dynaneural/runtime';
import { expect, it } from 'vitest';
import { sharpening, usage } from './gating.ts';
import { QUICK, sceneNet } from './nets.ts';

const decisions = decisionsOf(sceneNet(QUICK, 'weather').deployed);
const of = (family: string) => decisions.filter((d) => d.family === family);
const floats = (dims: readonly number[], values: readonly number[]): NDArray =>
  ndarray('float32', [...dims], [...values]);

async function values(y: Tensor, feeds: Record<string, NDArray>): Promise<number[]> {
  const runner = await compile(encodeModel(toOnnx({ y })));
  try {
    return toNumbers((await runner.run(feeds)).y!);
  } finally {
    await runner.close();
  }
}

it('the usage of a family is that of its decisions together', async () => {
  const scalar = () => input('none', []);
  const [one, two] = of('skip');
  const probabilities = input('a', [2, 2]);
  const heads = { decision: of('heads')[0]!, weights: input('h', [2, 2]), probabilities };
  const view = {
    ...{ losses: input('losses', [2]), cost: input('cost', [2]), scalar },
    decisions: [
      { decision: one!, weights: input('a', [2, 2]), probabilities },
      { decision: two!, weights: input('b', [2, 2]), probabilities },
      heads,
    ],
  };
  // Of layers run 1, 0.5, 1 and 0: 0.625 in the mean.
  const feeds = { a: floats([2, 2], [1, 0, 0.5, 0.5]), b: floats([2, 2], [1, 0, 0, 1]) };
  const [off] = await values(usage('skip', 0.8, 10).of(view), feeds);
  expect(off).toBeCloseTo(10 * (0.625 - 0.8) ** 2, 5);
  const [met] = await values(usage('heads', 0.75, 10).of(view), { h: floats([2, 2], [0.5, 0.5, 1, 0]) });
  expect(met).toBeCloseTo(0, 6);
});

it('samples come to be the hard choice as sharpness grows', async () => {
  const rows = 400;
  const random = new Random(1);
  const way = sharpening({ temperature: () => 1, sharpness: exponential(1, 6) });
  expect(Object.keys(way.scalars!).sort()).toEqual(['sharpness', 'temperature']);
  const noise = (shape: readonly number[]): Tensor => input('noise', [...shape]);
  const scalar = (name: string): Tensor => input(name, []);
  const at = (sharpness: number, columns: number) => ({
    noise: floats(
      [rows, columns],
      Array.from({ length: rows * columns }, () => random.float()),
    ),
    temperature: floats([], [1]),
    sharpness: floats([], [sharpness]),
  });

  const meeting = { decision: of('skip')[0] as SelectDecision, index: 0, count: 1, uniform: noise, scalar };
  const logits = floats([rows, 2], Array.from({ length: rows }, () => [0, 1]).flat());
  const { weights } = way.weigh({ ...meeting, logits: input('logits', [rows, 2]) });
  const skipped = async (sharpness: number): Promise<number> => {
    const chosen = await values(weights, { logits, ...at(sharpness, 2) });
    return chosen.filter((v, i) => i % 2 === 1 && v > 0.5).length / rows;
  };
  // sigmoid(1), and nothing left to chance.
  expect(await skipped(1)).toBeCloseTo(0.731, 1);
  expect(await skipped(40)).toBe(1);

  const decision = of('heads')[0] as KeepDecision;
  const score = floats([rows, 2], Array.from({ length: rows }, () => [1, -1]).flat());
  const mask = way.keep!({ decision, score: input('score', [rows, 2]), uniform: noise, scalar });
  const kept = async (sharpness: number, unit: number): Promise<number> => {
    const chosen = await values(mask, { score, ...at(sharpness, 2) });
    return chosen.filter((v, i) => i % 2 === unit && v > 0.5).length / rows;
  };
  expect(await kept(1, 0)).toBeCloseTo(0.731, 1);
  expect([await kept(40, 0), await kept(40, 1)]).toEqual([1, 0]);
});
