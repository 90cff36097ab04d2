import { expect, it } from 'vitest';
import { encodeModel, ndarray, type Tensor, toOnnx } from '../graph/index.ts';
import { classify, conv, materialize } from '../nn/index.ts';
import { compile } from '../runtime/index.ts';
import {
  cut,
  decisionsOf,
  exit,
  experts,
  forcedThresholds,
  fullThresholds,
  masked,
  net,
  parametersOf,
  skip,
  sparse,
  widths,
} from './index.ts';
import { settingsOnPath } from './ladders.ts';
import type { Observations } from './observations.ts';

const made = net({ input: [1, 8, 8], classes: 3, onWarning: () => {} }, (x) => {
  x = conv(x, 4);
  x = skip(x, (y) => conv(y, 4), { name: 'depth' });
  x = exit(x, { head: classify, name: 'early' });
  return classify(widths(x, [1, 0.5, 0.25], (y, share) => conv(conv(y, 8 * share), 4), { name: 'width' }));
});
const weights = new Map(materialize(parametersOf(made), 3));
const x = ndarray(
  'float32',
  [5, 1, 8, 8],
  Float32Array.from({ length: 320 }, (_, i) => Math.sin(i)),
);

async function logits(output: Tensor): Promise<Float32Array> {
  const runner = await compile(encodeModel(toOnnx({ logits: output }, { weights })));
  try {
    return (await runner.run({ input: x })).logits!.data as Float32Array;
  } finally {
    await runner.close();
  }
}

it('sends every input the way of a static cut, in both lowerings', async () => {
  const decisions = decisionsOf(made);
  const all: Record<string, string>[] = [
    {},
    { depth: 'skip' },
    { width: 'x0.5' },
    { depth: 'skip', width: 'x0.25' },
    { early: 'exit', depth: 'skip' },
  ];
  for (const choices of all) {
    const want = await logits(cut(made, choices).output);
    const thresholds = forcedThresholds(decisions, choices);
    for (const form of [masked(made, thresholds), sparse(made, thresholds)]) {
      const got = await logits(form.output);
      for (const [i, v] of got.entries()) expect(v).toBeCloseTo(want[i]!, 5);
    }
  }
});

it('experts have no plain one among them: on the full way, and on the path of settings, the trained router chooses', () => {
  const routed = net({ input: [1, 8, 8], classes: 3, onWarning: () => {} }, (t) => {
    t = experts(
      skip(conv(t, 4), (y) => conv(y, 4), { name: 'depth' }),
      [1, 2, 3].map(() => (y: Tensor) => conv(y, 4)),
      { name: 'routed' },
    );
    return classify(t);
  });
  const decisions = decisionsOf(routed);
  const trained = { 'routed/choice': [0, 0, 0] };
  expect(fullThresholds(decisions)).toEqual({ depth: Number.POSITIVE_INFINITY, ...trained });
  expect(forcedThresholds(decisions, { depth: 'skip' })).toEqual({ depth: Number.NEGATIVE_INFINITY, ...trained });
  const never = Number.POSITIVE_INFINITY;
  expect(forcedThresholds(decisions, { 'routed/choice': 'expert2' })['routed/choice']).toEqual([never, 0, never]);
  const seen = {
    n: 4,
    gates: new Map([
      ['depth', Float32Array.of(-2, -1, 1, 2)],
      ['routed/choice', Float32Array.from({ length: 12 }, (_, i) => 100 * Math.sin(i))],
    ]),
    units: new Map(),
  } as unknown as Observations;
  const path = settingsOnPath(decisions, seen);
  expect(path.length).toBeGreaterThan(2);
  for (const p of path) {
    expect(p['routed/choice']).toEqual([0, 0, 0]);
    expect(Math.abs(p.depth as number)).toBeLessThan(2);
  }
});

it('refuses what there is not', () => {
  const decisions = decisionsOf(made);
  expect(() => forcedThresholds(decisions, { deep: 'skip' })).toThrow('there is no decision "deep"');
  expect(() => forcedThresholds(decisions, { depth: 'half' })).toThrow('has no option "half"');
});
