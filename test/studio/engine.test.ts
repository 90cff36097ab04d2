import { expect, test } from 'vitest';
import { dataset } from '../../src/data/index.ts';
import {
  certifiedShirts,
  gated,
  modelOf,
  normalised,
  pixels,
  preprocessing,
  shape,
  shirts,
} from '../../src/deploy/fixtures/shirts.ts';
import { load, readCard, toBytes } from '../../src/deploy/index.ts';
import { observations, thresholdName } from '../../src/dynamic/index.ts';
import { decisionGradient } from '../../src/explain/index.ts';
import { decodeModel, encodeModel, ndarray, stripDefaults, toNumbers } from '../../src/graph/index.ts';
import { compile } from '../../src/runtime/index.ts';
import { scoreOutput, withScores } from '../../studio/src/engine/observed.ts';
import { probabilitiesAt } from '../../studio/src/engine/probabilities.ts';
import { matricesOf, shuffled } from '../../studio/src/engine/shuffle.ts';
import { ExitTable } from '../../studio/src/knob/table.ts';

// The parts of the page's worker that need no browser, against the library itself.

const inf = Number.POSITIVE_INFINITY;

test.each(['rows', 'branch'] as const)(
  'a shipped file shows the scores that the net computes: form "%s"',
  async (form) => {
    const model = modelOf(shirts());
    const bytes = toBytes(model, { form });
    const { decisions } = readCard(bytes);
    const named = Object.fromEntries(decisions.map((d) => [d.name, thresholdName(d)]));
    const n = form === 'rows' ? 9 : 1;
    const raw = pixels(n);
    const { mean, std } = preprocessing;
    const seen = await observations(model, dataset({ inputs: raw, shape, mean, std }));
    const runner = await compile(
      stripDefaults(encodeModel(withScores(decodeModel(bytes), named)), Object.values(named)),
    );
    const at = (values: readonly number[]) =>
      Object.fromEntries(decisions.map((d, i) => [thresholdName(d), ndarray('float32', [], [values[i]!])]));
    const input = normalised(raw);
    const full = await runner.run({ input, ...at(decisions.map(() => inf)) });
    for (const [e, { name }] of decisions.entries()) {
      const own = full[scoreOutput(name)]!;
      expect(own.dims).toEqual([n]);
      const wanted = Array.from({ length: n }, (_, i) => seen.scores[i * decisions.length + e]!);
      for (const [i, score] of toNumbers(own).entries()) expect(score).toBeCloseTo(wanted[i]!, 4);
      const early = await runner.run({ input, ...at(decisions.map((_, k) => (k === e ? -inf : inf))) });
      for (const [i, logit] of toNumbers(early.logits!).entries()) expect(logit).toBeCloseTo(seen.logits[e]![i]!, 4);
    }
    for (const [i, logit] of toNumbers(full.logits!).entries()) expect(logit).toBeCloseTo(seen.logits.at(-1)![i]!, 4);
    await runner.close();
  },
);

test('a file whose graph lacks a comparison is refused', () => {
  const model = decodeModel(toBytes(modelOf(gated())));
  expect(() => withScores(model, { other: 'other/threshold' })).toThrow(/compares no score with "other\/threshold"/);
});

test('the knob gives at every point of a file what the file itself gives', async () => {
  const certified = await certifiedShirts();
  const bytes = toBytes(certified);
  const card = readCard(bytes);
  const raw = pixels(60, 21);
  const { mean, std } = preprocessing;
  const seen = await observations(certified, dataset({ inputs: raw, shape, mean, std }));
  const table = new ExitTable(card, seen.n);
  const confidence = seen.logits.map((logits, a) =>
    probabilitiesAt(logits, 3, new Array<number>(seen.n).fill(card.temperatures[seen.names[a]!] ?? 1)),
  );
  table.add({
    probabilities: [],
    scores: seen.scores,
    answers: Uint16Array.from(seen.answers),
    confidence: Float32Array.from({ length: seen.answers.length }, (_, k) => {
      const [i, a] = [Math.floor(k / seen.names.length), k % seen.names.length];
      return confidence[a]![i * 3 + seen.answers[k]!]!;
    }),
  });
  const model = await load(bytes);
  const exits = new Set<number>();
  for (const point of card.points) {
    const { answers, trace } = await model.run(raw, { thresholds: point.thresholds });
    const outcome = table.outcome(point.thresholds);
    for (const [i, answer] of answers.entries()) {
      const path = outcome.paths[i]!;
      exits.add(path);
      expect(seen.names[path]).toBe(answer.exit);
      expect(outcome.answers[i]).toBe(answer.index);
      expect(outcome.confidence[i]).toBeCloseTo(answer.confidence, 4);
      expect(table.paths[path]).toEqual(trace[i]);
    }
  }
  expect(exits.size).toBeGreaterThan(1);
  await model.close();
});

test('probabilities are softmax at the temperature of each row', () => {
  const out = probabilitiesAt(Float32Array.of(0, Math.log(3), 1000, 1000), 2, [1, 7]);
  expect([...out].map((v) => Number(v.toFixed(6)))).toEqual([0.25, 0.75, 0.5, 0.5]);
  expect(probabilitiesAt(Float32Array.of(0, Math.log(9)), 2, [2])[1]).toBeCloseTo(0.75, 6);
});

test('shuffled weights are the same numbers elsewhere, layer by layer', () => {
  const graph = decodeModel(decisionGradient(modelOf(shirts()), { targets: ['decision/exit2'] }).bytes);
  const names = matricesOf(graph);
  expect(names.length).toBeGreaterThan(3);
  const last = names.at(-1)!;
  const changed = shuffled(graph, [last]);
  for (const t of graph.graph.initializers) {
    const now = changed.graph.initializers.find((o) => o.name === t.name)!;
    if (t.name !== last) expect(now).toBe(t);
    else {
      expect([...(now.data as Float32Array)]).not.toEqual([...(t.data as Float32Array)]);
      expect([...(now.data as Float32Array)].sort()).toEqual([...(t.data as Float32Array)].sort());
    }
  }
});
