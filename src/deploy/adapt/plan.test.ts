import { expect, it } from 'vitest';
import { net } from '../../dynamic/index.ts';
import { encodeModel, reduceMean, sub, type Tensor, toOnnx, transpose } from '../../graph/index.ts';
import { classify, conv, layerNorm, linear, materialize, paramsOf } from '../../nn/index.ts';
import { readForeign } from './foreign.ts';
import { planExits } from './plan.ts';

/** Features behind their positions, as transformers with windows keep them, and convolutions behind those. */
const windowed = (norm: (x: Tensor) => Tensor): Uint8Array => {
  const made = net({ input: [3, 16, 16], classes: 4, onWarning: () => {} }, (x) => {
    let y = transpose(conv(x, 16, { stride: 2 }), [0, 2, 3, 1]);
    for (let i = 0; i < 3; i++) y = linear(norm(y), 16, { activation: 'relu' });
    return classify(conv(transpose(norm(y), [0, 3, 1, 2]), 16));
  });
  return encodeModel(toOnnx({ logits: made.output }, { weights: materialize(paramsOf([made.output]), 1) }));
};

it.each([
  ['a layer normalisation', (x: Tensor) => layerNorm(x)],
  ['its small operators', (x: Tensor) => sub(x, reduceMean(x, [3], true))],
])('maps whose last axis holds the channels are no places for heads, normalised by %s', (_, norm) => {
  const { places } = planExits(readForeign(windowed(norm)));
  expect(places.length).toBeGreaterThan(0);
  for (const { shape } of places) expect(shape[0]).toBe(16);
});
