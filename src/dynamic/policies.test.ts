import { expect, it } from 'vitest';
import { encodeModel, input, type NDArray, ndarray, scope, type Tensor, toNumbers, toOnnx } from '../graph/index.ts';
import { compile } from '../runtime/index.ts';
import { confidence, type ExitView, entropy, type Policy, patience, policyOf } from './policies.ts';

const CLASSES = 4;
const heads = ['a', 'b', 'c', 'd'] as const;

/** Scores of a row of exits with these policies, for logits that are given. */
async function scores(policies: readonly Policy[], values: readonly number[][][]): Promise<number[][]> {
  const previous: { logits: Tensor; score: Tensor }[] = [];
  for (const [i, policy] of policies.entries()) {
    const logits = input(heads[i]!, ['N', CLASSES]);
    previous.push({ logits, score: scope(heads[i]!, () => policy({ logits, previous: [...previous] })) });
  }
  const outputs = Object.fromEntries(previous.map((p, i) => [`score ${i}`, p.score]));
  const weights = new Map(heads.map((h) => [`${h}/temperature`, ndarray('float32', [], [2])]));
  const runner = await compile(encodeModel(toOnnx(outputs, { weights })));
  const feeds: Record<string, NDArray> = {};
  for (const { name } of runner.inputs) {
    const rows = values[heads.indexOf(name as 'a')]!;
    feeds[name] = ndarray('float32', [rows.length, CLASSES], rows.flat());
  }
  const out = await runner.run(feeds);
  await runner.close();
  return policies.map((_, i) => toNumbers(out[`score ${i}`]!));
}

const logProbabilities = (logits: readonly number[], temperature: number): number[] => {
  const scaled = logits.map((v) => v / temperature);
  const top = Math.max(...scaled);
  const total = top + Math.log(scaled.reduce((s, v) => s + Math.exp(v - top), 0));
  return scaled.map((v) => v - total);
};

const rows = [
  [0, 0, 0, 0],
  [3, 1, -2, 0.5],
  [-1, 4, 4, 0],
  [30, -30, 0, 1],
];

it('confidence is the log of the largest probability, entropy its negative entropy, both at the temperature', async () => {
  const [[sure], [low]] = [await scores([confidence], [rows]), await scores([entropy], [rows])];
  for (const [i, row] of rows.entries()) {
    const logp = logProbabilities(row, 2);
    expect(sure![i]).toBeCloseTo(Math.max(...logp), 5);
    expect(low![i]).toBeCloseTo(
      logp.reduce((s, v) => s + Math.exp(v) * v, 0),
      5,
    );
  }
  expect(low![0]).toBeCloseTo(-Math.log(CLASSES), 5);
});

it('a surer head never scores less, and more as long as float32 tells the logarithm from 0', async () => {
  const leads = Array.from({ length: 60 }, (_, i) => i);
  const sure = (await scores([confidence], [leads.map((lead) => [lead, 0, 0, 0])]))[0]!;
  for (const lead of leads.slice(1)) {
    expect(sure[lead]).toBeLessThanOrEqual(0);
    expect(sure[lead]).toBeGreaterThanOrEqual(sure[lead - 1]!);
    if (lead < 28) expect(sure[lead], `${lead}`).toBeGreaterThan(sure[lead - 1]!); // 3 exp(-14) = 2.5e-6
  }
});

const says = (k: number) => Array.from({ length: CLASSES }, (_, c) => (c === k ? 2 : 0));
const answers = [
  [0, 1, 2, 3, 1].map(says),
  [0, 1, 2, 0, 2].map(says),
  [0, 1, 0, 0, 1].map(says),
  [0, 2, 0, 0, 1].map(says),
];
/** How many heads before `exit`, in a row, gave its answer. */
const agreeing = (exit: number, row: number): number => {
  const classOf = (e: number) => answers[e]![row]!.indexOf(2);
  let count = 0;
  while (count < exit && classOf(exit - count - 1) === classOf(exit)) count++;
  return count;
};

it('patience counts how many heads in a row agree', async () => {
  const counted = await scores([patience, patience, patience, patience], answers);
  expect(counted).toEqual([0, 1, 2, 3].map((e) => answers[0]!.map((_, r) => agreeing(e, r))));
  expect(counted[3]).toEqual([3, 0, 1, 2, 1]);
});

it.each([
  ['a confidence before it', [confidence, patience, patience, patience]],
  ['a confidence between', [patience, confidence, entropy, patience]],
])('patience counts heads whatever their own policies: %s', async (_, policies) => {
  const counted = await scores(policies, answers);
  for (const [e, policy] of policies.entries())
    if (policy === patience) expect(counted[e]).toEqual(answers[0]!.map((_, r) => agreeing(e, r)));
});

it('policies are named, or any function of the view', () => {
  const own: Policy = ({ logits }: ExitView) => logits;
  expect(policyOf(own)).toBe(own);
  expect(policyOf('entropy')).toBe(entropy);
  expect(() => policyOf('sure' as never)).toThrow(/unknown exit policy "sure"/);
});
