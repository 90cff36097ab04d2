import { classify, conv, net, type Trained } from 'dynaneural';
import { ndarray } from 'dynaneural/graph';
import { materialize, paramsOf } from 'dynaneural/nn';
import { expect, it } from 'vitest';
import { withStatistics } from './statistics.ts';

it('keeps what was learnt, and the statistics of the start where it had them', () => {
  const made = net({ input: [3, 8, 8], classes: 2 }, (x) => classify(conv(x, 4, { norm: 'batch' })));
  const weights = materialize(paramsOf([made.output]), 1);
  const start = new Map(
    [...weights].map(([n, v]) => [n, ndarray('float32', v.dims, new Array(v.data.length).fill(9))]),
  );
  start.delete('conv1/norm/variance');
  const kept = withStatistics({ net: made, weights } as unknown as Trained, start).weights;
  expect([...kept.keys()].sort()).toEqual([...weights.keys()].sort());
  for (const [name, value] of kept)
    expect(value).toBe(name === 'conv1/norm/mean' ? start.get(name) : weights.get(name));
});
