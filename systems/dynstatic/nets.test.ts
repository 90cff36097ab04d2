import { waysOf } from 'dynaneural';
import { parametersOf } from 'dynaneural/dynamic';
import { ndarray } from 'dynaneural/graph';
import { materialize, paramsOf } from 'dynaneural/nn';
import { expect, it } from 'vitest';
import { logitsOf } from '../fixtures/answers.ts';
import { QUICK } from '../shared/backbone.ts';
import { modes, switchNet } from './nets.ts';

const data = { shape: [3, 32, 32], classes: [...'abcdefghij'] };
const learning = switchNet(data, QUICK, true);
const running = switchNet(data, QUICK);

it('has a way for each mode, and no other', () => {
  const ways = waysOf(running).map((w) => JSON.stringify(w.choices));
  expect(ways.sort()).toEqual(
    Object.values(modes)
      .map((m) => JSON.stringify(m))
      .sort(),
  );
});

it('gives the gates’ net every weight of what learnt, and every mode its answer', async () => {
  const names = new Set(parametersOf(learning).map((p) => p.name));
  const gates = parametersOf(running).filter((p) => !names.has(p.name));
  // A temperature for each look at the confidence: the exit's is its own.
  expect(gates.map((p) => p.name).every((n) => n.endsWith('temperature'))).toBe(true);
  const drawn = materialize(paramsOf([learning.output]), 5);
  for (const [name, { dims }] of drawn)
    if (name.endsWith('scale')) drawn.set(name, ndarray('float32', dims, new Array(dims[0]).fill(0.7)));
  const weights = new Map([...materialize(paramsOf([running.output]), 6), ...drawn]);
  const seen = new Set<string>();
  for (const mode of Object.values(modes)) {
    const got = await logitsOf(running, weights, mode);
    const expected = await logitsOf(learning, weights, { ...mode, look: 'continue' });
    for (const [i, v] of got.entries()) expect(v).toBeCloseTo(expected[i]!, 4);
    seen.add(got.map((v) => v.toFixed(3)).join());
  }
  expect(seen.size).toBe(4);
});
