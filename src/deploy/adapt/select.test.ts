import { beforeAll, describe, expect, it } from 'vitest';
import {
  costTable,
  decisionsOf,
  exit,
  exitCosts,
  extremeMacs,
  type Model,
  net,
  type Observations,
  skip,
} from '../../dynamic/index.ts';
import { classify, conv } from '../../nn/index.ts';
import type { Assessed } from './assess.ts';
import { type Claim, goalOf, type Referred } from './claim.ts';
import { exitTimes, gains, gateTimes, meanTimes, overall } from './expected.ts';
import type { ExitPlan, Place } from './plan.ts';
import { selectExits } from './select.ts';
import type { Times } from './times.ts';

const claim: Claim = { risk: 'disagreement', epsilon: 0.02, delta: 0.1 };
const n = 400;
const places = ['exit1', 'exit2'].map((name) => ({ name, exit: name }) as Place);

/** Two exits before convolutions of 151 M MACs each; only what they cost is looked at, nothing runs. */
const made = (exits: readonly Place[]): Model => ({
  net: net({ input: [64, 64, 64], classes: 2, onWarning: () => undefined }, (x) => {
    for (const { name } of places) {
      x = conv(x, 64);
      if (exits.some((e) => e.name === name)) x = exit(x, { name, head: classify });
    }
    return classify(conv(x, 64));
  }),
  weights: new Map(),
  classes: ['a', 'b'],
  preprocessing: { shape: [64, 64, 64], scale: 1, mean: [0], std: [1] },
});

/** Half of the images can leave at exit 1, seven tenths at exit 2; the others would be answered wrongly there. */
const easy = [0.5 * n, 0.7 * n];
const seen = {
  n,
  decisions: places.map((p) => p.name),
  names: [...places.map((p) => p.name), 'final'],
  scores: Float32Array.from({ length: 2 * n }, (_, i) => (i >> 1 < easy[i & 1]! ? -0.1 : -1) - (i >> 1) / (10 * n)),
  answers: Int32Array.from({ length: 3 * n }, (_, i) => {
    const [image, column] = [Math.floor(i / 3), i % 3];
    return column === 2 || image < easy[column]! ? 0 : 1;
  }),
  logits: [0, 1, 2].map(() => new Float32Array(2 * n)),
} as unknown as Observations;
const tuning = {
  images: { labels: new Int32Array(n).fill(-1), length: n },
  reference: new Int32Array(n),
} as unknown as Referred;

const times = (leaving: number, staying: number, batch = 1): Times => ({ batch, plain: 1, leaving, staying });
const alike = (leaving: number, staying: number) => [times(leaving, staying), times(leaving, staying, 64)];

let plan: ExitPlan;
let full: number;
beforeAll(() => {
  full = exitCosts(made([]).net).at(-1)!;
  plan = { places, exits: places, most: 2, macs: full };
});
const select = (measured?: readonly (readonly Times[])[]) =>
  selectExits(seen, plan, made, tuning, goalOf(claim, 3000), { times: measured });
const names = (exits: readonly Place[]) => exits.map((e) => e.name);

describe('which exits stay', () => {
  it('by MACs: both, for each saves some', () => {
    const { exits, expected } = select();
    expect(names(exits)).toEqual(['exit1', 'exit2']);
    // A third of the work for half of the images, two thirds for a fifth.
    expect(expected.macs / full).toBeCloseTo(0.5 / 3 + (0.2 * 2) / 3 + 0.3, 1);
    expect(expected.times).toBeUndefined();
  });

  it('by time: not the one whose question takes everyone more than it saves', () => {
    const { exits, expected } = select([alike(0.4, 1.02), alike(0.9, 1.3)]);
    expect(names(exits)).toEqual(['exit1']);
    for (const batch of [1, 64]) expect(expected.times![batch]).toBeCloseTo(0.5 * 0.4 + 0.5 * 1.02, 1);
    expect(names(select([alike(0.4, 1.02), alike(0.7, 1.02)]).exits)).toEqual(['exit1', 'exit2']);
  });

  it('single images and batches count alike', () => {
    const torn = (single: number, many: number) => [times(0.4, single), times(0.4, many, 64)];
    const costly = alike(0.7, 2);
    // Alone dear, in a batch cheap: 0.5 * 0.4 + 0.5 * 1.7 = 1.05 and 0.7.
    const found = select([torn(1.7, 1), costly]);
    expect(names(found.exits)).toEqual(['exit1']);
    expect(found.expected.times![1]).toBeGreaterThan(1);
    expect(found.expected.times![64]).toBeLessThan(0.75);
    expect(gains(found.expected.times!)).toBe(true);
  });

  it('where all ask too much, the promise is the original', () => {
    const { expected } = select([alike(0.8, 2), alike(0.9, 2)]);
    expect(expected).toEqual({ macs: full, times: { 1: 1, 64: 1 } });
    expect(gains(expected.times!)).toBe(false);
  });

  it('less than noise may show is no gain, at any batch size more is one', () => {
    expect(gains({ 1: 0.98, 64: 1.2 })).toBe(false);
    expect(gains({ 1: 0.98, 64: 0.95 })).toBe(true);
  });
});

describe('times of the ways through a model', () => {
  it('who passes an exit pays for being asked there, and a model that begins anew for the beginning too', () => {
    const exits = [alike(0.3, 1.1), alike(0.6, 1.2)];
    const once = exitTimes(exits)[1]!;
    for (const [k, t] of [0.3, 0.7, 1.3].entries()) expect(once[k]).toBeCloseTo(t, 9);
    // 0.6 less the 0.2 that asking takes is the beginning up to the second exit.
    expect(exitTimes(exits, true)[64]![2]).toBeCloseTo(1.3 + 0.4, 9);
    const mean = meanTimes(exitTimes(exits), [0.5, 0.25, 0.25]);
    expect(mean[1]).toBeCloseTo(0.15 + 0.175 + 0.325, 9);
    expect(overall({ 1: 0.8, 64: 0.6 })).toBeCloseTo(0.7, 9);
  });

  it('settings of gates take the time of the MACs that they run, in the order of their columns', () => {
    const gated = net({ input: [3, 8, 8], classes: 4, onWarning() {} }, (x) =>
      classify(skip(conv(x, 8), (t) => conv(t, 8))),
    );
    const paths = { decisions: decisionsOf(gated), regions: costTable(gated) };
    const [most, least] = [extremeMacs(paths, Math.max), extremeMacs(paths, Math.min)];
    const setting = (cost: number, column: number) => ({
      ...{ cost, risk: 0, changed: 0, thresholds: [] },
      shares: [0, 0, 0].map((_, k) => (k === column ? 1 : 0)),
    });
    // The full setting is first on the path, and last among the columns.
    const path = [setting(most, 2), setting((most + least) / 2, 0), setting(least, 1)];
    const found = { path, model: { net: gated } } as unknown as Assessed;
    const ways = gateTimes(found, alike(0.4, 1.2));
    for (const [k, t] of [0.8, 0.4, 1.2].entries()) expect(ways[64]![k]).toBeCloseTo(t, 9);
    expect(meanTimes(ways, path[1]!.shares)[1]).toBeCloseTo(0.8, 9);
  });

  it('a question that seems to cost less than nothing costs nothing', () => {
    expect(exitTimes([alike(0.3, 0.98)])[1]).toEqual([0.3, 1]);
  });
});
