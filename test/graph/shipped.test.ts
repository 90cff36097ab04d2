import { expect, test } from 'vitest';
import { exit, masked, net, parametersOf, sparse } from '../../src/dynamic/index.ts';
import { encodeModel, nesting, placement, sizeOf, summary, toOnnx } from '../../src/graph/index.ts';
import { classify, conv, materialize, residual } from '../../src/nn/index.ts';
import { expectClose, feedsFor, roundTrip, runOrt } from './models.ts';

const small = net({ input: [1, 8, 8], classes: 3 }, (x) => {
  x = conv(x, 4, { norm: 'batch', activation: 'relu' });
  x = exit(x, { head: classify });
  x = residual(x, 8, { stride: 2 });
  x = exit(x, { head: classify });
  return classify(residual(x, 8));
});

const params = parametersOf(small);
const weights = materialize(params, 7);

test.each([
  ['sparse', sparse],
  ['masked', masked],
] as const)('a file with exits reads back, %s', async (_, lower) => {
  const { output, trace } = lower(small, { exit1: -0.95, exit2: -0.9 });
  const written = toOnnx(trace ? { logits: output, trace } : { logits: output }, { weights });
  const { once, bytes } = roundTrip(written);
  expect([...once.weights.keys()].filter((name) => !weights.has(name))).toEqual([]);
  expect(nesting(placement(Object.values(once.outputs)))).toBe(nesting(placement([output])));
  const own = summary([output]);
  const read = summary([once.outputs.logits!]);
  expect([read.macs, read.parameters]).toEqual([own.macs, own.parameters]);
  expect(own.parameters.trained).toBeLessThanOrEqual(params.reduce((n, p) => n + sizeOf(p.shape), 0));
  for (const n of [1, 9]) {
    const feeds = feedsFor(written.graph.inputs, n, 3);
    for (const name of Object.keys(feeds)) if (name !== 'input') delete feeds[name];
    expectClose(await runOrt(bytes, feeds), await runOrt(encodeModel(written), feeds));
  }
});
