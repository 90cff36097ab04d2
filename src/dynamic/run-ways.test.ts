import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { randomInput, randomWeights } from '../../test/support/build-net.ts';
import { dataset } from '../data/index.ts';
import type { Tensor } from '../graph/index.ts';
import { classify, conv, gate } from '../nn/index.ts';
import { experts, keepChannels, skip, widths } from './blocks/index.ts';
import { runEach, runSettings } from './gate-path.ts';
import type { Model } from './model.ts';
import { exit, net } from './net.ts';
import { fewWays, runWays } from './run-ways.ts';
import { decisionsOf, type Net } from './traced.ts';

const image = { input: [3, 8, 8], classes: 3, onWarning() {} };
/** Gates that do not lean to one side. */
const open = (x: Tensor): Tensor => gate(x, { bias: [0] });
const block = (x: Tensor): Tensor => conv(x, 4, { activation: 'relu' });

const nets: Readonly<Record<string, Net>> = {
  'skips one after the other': net(image, (x) =>
    classify(skip(skip(block(x), block, { gate: open }), block, { gate: open })),
  ),
  'a skip in a skip, before widths': net(image, (x) => {
    const t = skip(block(x), (y) => skip(block(y), block, { gate: open }), { gate: open });
    return classify(widths(t, [1, 0.5, 0.25], (y, share) => conv(conv(y, 8 * share), 4)));
  }),
  'an exit before experts': net(image, (x) => {
    const t = exit(block(x), { head: classify });
    return classify(experts(t, [block, block, block], { name: 'routed' }));
  }),
};

const ROWS = 48;
const modelOf = (made: Net): Model => ({
  ...{ net: made, weights: randomWeights(made, 3), classes: ['a', 'b', 'c'] },
  preprocessing: { shape: made.spec.input, scale: 1, mean: [0], std: [1] },
});

describe.each(Object.entries(nets))('settings of a net with %s', (_, made) => {
  const model = modelOf(made);
  const inputs = randomInput(made, ROWS, 2).data as Float32Array;
  const data = dataset({ inputs, shape: made.spec.input, classes: model.classes });
  const value = fc.double({ min: -1, max: 1, noNaN: true });
  const ends = fc.constantFrom(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
  const setting = fc.record(
    Object.fromEntries(
      decisionsOf(made).map((d): [string, fc.Arbitrary<number | number[]>] => {
        if (d.kind !== 'select' || d.rule === 'threshold') return [d.name, fc.oneof(value, ends)];
        const count = d.options.length;
        const forced = fc.nat(count - 1).map((k) => d.options.map((_, o) => (o === k ? 0 : Number.POSITIVE_INFINITY)));
        return [d.name, fc.oneof(fc.array(value, { minLength: count, maxLength: count }), forced)];
      }),
    ),
  );

  it('are the same from one run of each way as from a run of each', async () => {
    const ways = fewWays(made, 64)!;
    await fc.assert(
      fc.asyncProperty(fc.array(setting, { minLength: 1, maxLength: 6 }), async (settings) => {
        const each = await runEach(model, data, settings);
        const found = await runWays(model, data, settings, ways, { batch: 20 });
        expect([...found.answers]).toEqual([...each.answers]);
        for (const what of ['macs', 'batched'] as const)
          for (const [j, m] of found[what].entries()) expect(m).toBeCloseTo(each[what][j]!, 6);
      }),
      { numRuns: 4 },
    );
  });
});

it('only nets that select, in few ways, are run way by way', async () => {
  const skips = nets['skips one after the other']!;
  expect(fewWays(skips, 4)).toHaveLength(4);
  expect(fewWays(skips, 3)).toBeUndefined();
  const kept = net(image, (x) => classify(keepChannels(block(x), 8, { keep: 0.5 })));
  expect(fewWays(kept, 64)).toBeUndefined();
  const many = net(image, (x) => classify(Array.from({ length: 13 }).reduce<Tensor>((t) => skip(t, block), block(x))));
  expect(fewWays(many, 64)).toBeUndefined();
  const inputs = randomInput(kept, 4, 2).data as Float32Array;
  const ran = await runSettings(modelOf(kept), dataset({ inputs, shape: [3, 8, 8], classes: ['a', 'b', 'c'] }), [{}]);
  expect(ran.answers).toHaveLength(4);
});
