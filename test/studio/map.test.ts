import fc from 'fast-check';
import { expect, test } from 'vitest';
import { gated, modelOf, pixels, shirts } from '../../src/deploy/fixtures/shirts.ts';
import { load, readCard, toBytes } from '../../src/deploy/index.ts';
import { layOut, type Shape, type Sizes } from '../../studio/src/map/layout.ts';
import { type Region, regionTree, takes } from '../../studio/src/map/tree.ts';

const sizes: Sizes = { length: 1000, block: 40, gap: 30, exit: 70, lane: 80, tail: 60 };
const ofKind = <K extends Shape['kind']>(shapes: readonly Shape[], kind: K) =>
  shapes.filter((s): s is Extract<Shape, { kind: K }> => s.kind === kind);

test('a chain of exits is a line with blocks as long as their work, and an end for every answer', () => {
  const card = readCard(toBytes(modelOf(shirts())));
  const { shapes, length, across } = layOut(regionTree(card), sizes);
  const blocks = ofKind(shapes, 'block');
  expect(length).toBeCloseTo(1000, 6);
  expect(blocks.map((b) => b.macs)).toEqual(card.regions.map((r) => r.macs));
  const perMac = blocks.map((b) => (b.length - sizes.block) / b.macs);
  for (const p of perMac) expect(p).toBeCloseTo(perMac[0]!, 9);
  expect(ofKind(shapes, 'end').map((e) => e.name)).toEqual(['exit1', 'exit2', 'final']);
  expect(ofKind(shapes, 'fork').map((f) => f.fork.decision.name)).toEqual(['exit1', 'exit2']);
  expect(across).toEqual([0, 70]);
});

test('a gate is two lanes that join', async () => {
  const bytes = toBytes(modelOf(gated()));
  const card = readCard(bytes);
  const { shapes, across } = layOut(regionTree(card), sizes);
  const lanes = ofKind(shapes, 'lane');
  expect(lanes.map((l) => l.name)).toEqual(['skip', 'run']);
  expect(lanes[0]!.at.across).toBe(-lanes[1]!.at.across);
  expect(across).toEqual([-40, 40]);
  const model = await load(bytes);
  const { trace } = await model.run(pixels(20));
  await model.close();
  for (const way of trace) {
    // The blocks that a way lights are the work that it did.
    const lit = ofKind(shapes, 'block').filter((b) => takes(way, b.guard));
    expect(lit.reduce((sum, b) => sum + b.macs, 0)).toBe(way.macs);
  }
});

test('regions of any card add up to every path, and nothing lies behind its own decision', () => {
  const sum = ({ macs, forks }: Region): number =>
    forks.reduce((all, f) => all + f.options.reduce((s, o) => s + sum(o), 0), macs);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10_000 }), (seed) => {
      const card = randomCard(seed);
      const tree = regionTree(card);
      expect(sum(tree)).toBe(card.regions.reduce((s, r) => s + r.macs, 0));
      const { shapes } = layOut(tree, sizes);
      for (const block of ofKind(shapes, 'block'))
        for (const fork of ofKind(shapes, 'fork'))
          if (block.guard.some((g) => g.decision === fork.fork.decision.name))
            expect(block.at.along).toBeGreaterThanOrEqual(fork.at.along);
    }),
  );
});

/** Decisions in each other and in a row, three deep. */
function randomCard(seed: number) {
  let state = seed + 1;
  const next = (n: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % n;
  };
  const decisions: {
    name: string;
    kind: 'select';
    family: string;
    rule: 'argmax';
    options: { name: string; exactness: 'exact' }[];
  }[] = [];
  const regions: {
    guard: { decision: string; option: number }[];
    macs: number;
    weightBytes: number;
    activationBytes: number;
    integerOps: number;
  }[] = [];
  const grow = (guard: { decision: string; option: number }[], depth: number): void => {
    regions.push({ guard, macs: 1 + next(50), weightBytes: 0, activationBytes: 0, integerOps: 0 });
    if (depth === 3) return;
    for (let k = next(3); k > 0; k--) {
      const name = `d${decisions.length}`;
      const options = Array.from({ length: 2 + next(2) }, (_, i) => ({ name: `o${i}`, exactness: 'exact' as const }));
      decisions.push({ name, kind: 'select', family: 'gate', rule: 'argmax', options });
      for (const option of options.keys())
        if (option === 0 || next(2)) grow([...guard, { decision: name, option }], depth + 1);
    }
  };
  grow([], 0);
  return { decisions, regions };
}
