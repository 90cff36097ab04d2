import { describe, expect, it } from 'vitest';
import { add, concat, flatten, globalAveragePool, reshape, type Tensor } from '../graph/index.ts';
import { classify, conv, linear } from '../nn/index.ts';
import { keepChannels } from './blocks/index.ts';
import { exit, net, select } from './net.ts';
import { laptop, plan } from './plan.ts';

const gate = (x: Tensor, k = 1): Tensor => {
  const out = linear(flatten(globalAveragePool(x)), k);
  return k === 1 ? reshape(out, [0]) : out;
};
/** 3x3 convolution on 8x8 positions: 64 * 9 * in * out MACs. */
const macs3 = (inputs: number, outputs: number) => 64 * 9 * inputs * outputs;

it('speaks up while a net is traced, once for each decision that guards too little', () => {
  const told: string[] = [];
  const made = net({ input: [4, 8, 8], classes: 10, name: 'small', onWarning: (m) => told.push(m) }, (x) => {
    x = exit(conv(x, 8), { head: classify });
    return classify(conv(x, 16));
  });
  expect(told).toEqual([`small: ${plan(made)[0]!.warning}`]);
  expect(told[0]).toMatch(/^small: exit "exit1" guards about .* wanted 20x/);
  expect(made.spec).toEqual({ input: [4, 8, 8], classes: 10, name: 'small' });
});

it('is silent where a decision is worth its time', () => {
  const told: string[] = [];
  net({ input: [4, 64, 64], classes: 10, onWarning: (m) => told.push(m) }, (x) => {
    x = exit(conv(x, 8), { head: classify });
    return classify(conv(conv(x, 64), 64));
  });
  expect(told).toEqual([]);
});

describe('plan', () => {
  it('counts what an exit guards (all behind it) and what it costs (its head)', () => {
    const made = net({ input: [4, 8, 8], classes: 10 }, (x) => {
      x = exit(conv(x, 8), { head: classify });
      x = exit(conv(x, 16), { head: (t) => classify(conv(t, 2)) });
      return classify(conv(x, 16));
    });
    const [first, second] = plan(made);
    const last = macs3(16, 16) + 16 * 10;
    const secondHead = macs3(16, 2) + 2 * 10;
    expect(first).toMatchObject({ decision: 'exit1', ownMacs: 8 * 10, guardedMacs: macs3(8, 16) + secondHead + last });
    expect(second).toMatchObject({ decision: 'exit2', ownMacs: secondHead, guardedMacs: last });
    // The features [16, 8, 8] go in, ten logits come out; behind the first exit also those of the second.
    const bytes = 4 * (16 * 64 + 10);
    expect(second!.copiedBytes).toBe(bytes);
    expect(first!.copiedBytes).toBe(4 * (8 * 64 + 10));
    expect(second!.ownMicroseconds).toBeCloseTo(
      laptop.gateMicroseconds + bytes / laptop.bytesPerMicrosecond! + secondHead / laptop.macsPerMicrosecond,
      9,
    );
    expect(second!.guardedMicroseconds).toBeCloseTo(last / laptop.macsPerMicrosecond, 9);
    expect(second!.ratio).toBeCloseTo(second!.guardedMicroseconds / second!.ownMicroseconds, 9);
  });

  it('counts a skipped body, and of several experts all but the cheapest', () => {
    const made = net({ input: [4, 8, 8], classes: 10 }, (x) => {
      const y = x;
      x = select({ score: gate(y), options: { skip: () => y, run: () => conv(y, 4) }, name: 'skip' });
      const z = x;
      const expert = (width: number) => () => conv(conv(z, width), 4);
      x = select({ score: gate(z, 3), options: { a: expert(2), b: expert(4), c: expert(8) }, name: 'width' });
      return classify(x);
    });
    expect(plan(made)).toMatchObject([
      { decision: 'skip', guardedMacs: macs3(4, 4), ownMacs: 4, copiedBytes: 2 * 4 * 4 * 64 },
      { decision: 'width', guardedMacs: 2 * (macs3(4, 4) + macs3(4, 8)), ownMacs: 12, copiedBytes: 2 * 4 * 4 * 64 },
    ]);
  });

  it('charges the weights that are gathered for kept channels, those of two decisions to both by halves', () => {
    const gated = (x: Tensor, keep: number) => keepChannels(x, 8, { keep, bias: false });
    const one = net({ input: [4, 8, 8], classes: 10 }, (x) => classify(gated(x, 0.5)));
    const first = 2 * 4 * 0.5 * 8 * 4 * 9;
    expect(plan(one)[0]!.copiedBytes).toBe(first + 2 * 4 * 0.5 * 8 * 10);
    const two = net({ input: [4, 8, 8], classes: 10 }, (x) => classify(gated(gated(x, 0.5), 0.25)));
    const between = 2 * 4 * 0.5 * 0.25 * 8 * 8 * 9;
    // The second saliency looks at what the first one kept.
    const saliency = 2 * 4 * 0.5 * 8 * 8;
    const last = 2 * 4 * 0.25 * 8 * 10;
    expect(plan(two).map((p) => p.copiedBytes)).toEqual([first + between / 2 + saliency, between / 2 + last]);
  });

  it('takes the dearest path through decisions inside', () => {
    const made = net({ input: [4, 8, 8], classes: 10 }, (x) => {
      const inner = (t: Tensor) =>
        select({
          score: gate(t),
          options: { small: () => conv(t, 4), large: () => conv(conv(t, 8), 4) },
          name: 'inner',
        });
      return classify(
        select({ score: gate(x), options: { skip: () => x, run: () => inner(conv(x, 4)) }, name: 'outer' }),
      );
    });
    const [outer, inner] = plan(made);
    expect(outer).toMatchObject({ decision: 'outer', guardedMacs: macs3(4, 4) + 4 + 2 * macs3(4, 8), ownMacs: 4 });
    expect(inner).toMatchObject({ decision: 'outer/run/inner', guardedMacs: 2 * macs3(4, 8), ownMacs: 4 });
  });

  it('charges what two decisions share to the earlier one, and not what the net needs anyhow', () => {
    const made = net({ input: [4, 8, 8], classes: 10 }, (x) => {
      const shared = conv(x, 4); // only the two gates read it
      const features = conv(x, 8); // the second gate and the net read it
      const y = select({
        score: gate(shared),
        options: { skip: () => features, run: () => conv(features, 8) },
        name: 'one',
      });
      const score = add(gate(shared), gate(features));
      return classify(select({ score, options: { skip: () => y, run: () => conv(y, 8) }, name: 'two' }));
    });
    expect(plan(made).map((p) => p.ownMacs)).toEqual([macs3(4, 4) + 4, 4 + 8]);
    expect(plan(made).map((p) => p.copiedBytes)).toEqual([2 * 4 * 8 * 64, 2 * 4 * 8 * 64]);
  });

  it('counts what is carried through the border of an inner decision at the outer one too, each tensor once', () => {
    const made = net({ input: [4, 8, 8], classes: 10 }, (x) => {
      const side = conv(x, 2);
      const both = (t: Tensor) => concat([t, side], 1);
      const inner = (t: Tensor) =>
        select({ score: gate(t), options: { skip: () => t, run: () => conv(both(t), 4) }, name: 'inner' });
      const outer = () => conv(both(inner(conv(x, 4))), 4);
      return classify(select({ score: gate(x), options: { skip: () => x, run: outer }, name: 'outer' }));
    });
    const [outer, inner] = plan(made);
    // x goes in (the side is made inside, where alone it is used), 4 channels come out; then 4 channels and the side go in.
    expect(outer!.copiedBytes).toBe(4 * 64 * (4 + 4));
    expect(inner!.copiedBytes).toBe(4 * 64 * (4 + 2 + 4));
  });

  it('warns in a sentence where a decision guards less than 20 times its own time', () => {
    const made = (layers: number) =>
      net({ input: [16, 32, 32], classes: 10 }, (x) => {
        x = exit(x, { head: classify });
        for (let i = 0; i < layers; i++) x = conv(x, 16);
        return classify(x);
      });
    const layer = 1024 * 9 * 16 * 16;
    const copies = (4 * (16 * 1024 + 10)) / laptop.bytesPerMicrosecond!;
    const own = laptop.gateMicroseconds + copies + 160 / laptop.macsPerMicrosecond;
    const enough = Math.ceil((20 * own * laptop.macsPerMicrosecond) / layer);
    expect(plan(made(enough))[0]!.warning).toBeUndefined();
    const [poor] = plan(made(enough - 1));
    expect(poor!.ratio).toBeLessThan(20);
    expect(plan(net({ input: [4], classes: 2 }, (x) => classify(exit(x, { head: classify }))))[0]!.warning).toMatch(
      /^exit "exit1" guards about 0\.0 us and costs about 16 us of its own \(0\.0x, wanted 20x\): let it guard more layers, or leave it out$/,
    );
    expect(poor!.warning).toMatch(/^exit "exit1" guards about \d+ us/);
  });

  it('believes another machine', () => {
    const made = net({ input: [4, 8, 8], classes: 10 }, (x) => classify(conv(exit(x, { head: classify }), 8)));
    const fast = plan(made, { gateMicroseconds: 0.001, macsPerMicrosecond: 1e3 });
    expect(fast[0]!.warning).toBeUndefined();
    expect(fast[0]!.guardedMicroseconds).toBeCloseTo((macs3(4, 8) + 80) / 1e3, 9);
  });

  it('has nothing to say of a static net', () => {
    expect(plan(net({ input: [4], classes: 2 }, (x) => classify(x)))).toEqual([]);
  });
});
