import { decodeMaps, detectionSet, encodeTargets, type LabelledBox, Random } from 'dynaneural/data';
import { decisionsOf } from 'dynaneural/dynamic';
import { encodeModel, input, ndarray, toOnnx } from 'dynaneural/graph';
import { compile } from 'dynaneural/runtime';
import { describe, expect, it } from 'vitest';
import {
  ALLOWED,
  atRandom,
  byWeight,
  cheapest,
  choicesOf,
  dealt,
  decisionAbout,
  edgesOf,
  keptUntil,
  mostTaken,
} from './choose.ts';
import { withMirrors } from './data.ts';
import { crossEdges, detector, dynamicEdges, fixedEdges, ONE_SCALE, QUICK, usualEdges } from './detector.ts';
import { macsOn } from './judge.ts';
import { detection, geometryOf, mapsOf } from './task.ts';

const fixed = (edges: typeof crossEdges) => detector('fixed', QUICK, 3, fixedEdges(edges));
const dynamic = detector('dynamic', QUICK, 3, dynamicEdges(0.1));

describe('the detector', () => {
  it('answers with maps at an eighth of the image', () => {
    const flat = detector('flat', QUICK, 3, fixedEdges([]), ONE_SCALE);
    expect(macsOn({ net: flat })).toBeGreaterThan(macsOn({ net: fixed([]) }));
    for (const { output } of [fixed([]), flat, dynamic]) expect(output.shape.slice(1)).toEqual([7, 8, 12]);
  });

  it('decides about every cross-layer edge, and about no other', () => {
    expect(crossEdges.length).toBe(15);
    expect(new Set(decisionsOf(dynamic).map((d) => d.name))).toEqual(new Set(crossEdges.map(decisionAbout)));
    for (const d of decisionsOf(dynamic)) expect(d.options.map((o) => o.name)).toEqual(['run', 'drop']);
  });

  it('costs on a way what the net with those edges costs, but for weights and gates', () => {
    const ways = ['0'.repeat(15), '1'.repeat(15), '101100010011010'];
    for (const way of ways) {
      const [own, plain] = [macsOn({ net: dynamic }, choicesOf(way)), macsOn({ net: fixed(edgesOf(way)) })];
      expect(own).toBeGreaterThanOrEqual(plain);
      expect(own).toBeLessThan(1.05 * plain);
    }
    const [plain, usual, dense] = [[], usualEdges, crossEdges].map((e) => macsOn({ net: fixed(e) }));
    expect([plain! < usual!, usual! < dense!]).toEqual([true, true]);
  });
});

describe('choices', () => {
  it('the way for all is the one most often taken, of equal ones the one with fewer edges', () => {
    const [a, b, c] = ['1'.repeat(15), `${'1'.repeat(14)}0`, `0${'1'.repeat(14)}`];
    expect(mostTaken([a, b, a])).toBe(a);
    expect(mostTaken([a, b, c])).toBe(c);
    expect(edgesOf(b)).toEqual(crossEdges.slice(0, 14));
  });

  it('dealt ways are the same ways in another order, by seed', () => {
    const ways = Array.from({ length: 40 }, (_, i) => String(i));
    expect(dealt(ways, 1)).not.toEqual(ways);
    expect(dealt(ways, 1)).not.toEqual(dealt(ways, 2));
    expect(dealt(ways, 1)).toEqual(dealt(ways, 1));
    expect(new Set(dealt(ways, 1))).toEqual(new Set(ways));
  });

  it('static nets keep the first edges that reach the price, and no more', () => {
    const price = (kept: readonly unknown[]) => 10 + kept.length;
    expect(keptUntil(crossEdges, 10, price)).toEqual([]);
    expect(keptUntil(crossEdges, 12.5, price)).toEqual(crossEdges.slice(0, 3));
    expect(keptUntil(crossEdges, 99, price)).toEqual(crossEdges);
    const weights = new Map(crossEdges.map((e, i) => [decisionAbout(e), (i * 7) % 15]));
    expect(byWeight(weights).map((e) => weights.get(decisionAbout(e)))).toEqual(
      Array.from({ length: 15 }, (_, i) => 14 - i),
    );
    expect(new Set(atRandom(1))).toEqual(new Set(crossEdges));
    expect(atRandom(1)).not.toEqual(atRandom(2));
  });

  it('the cheapest threshold gives up no more than is allowed against the best', () => {
    const at = (threshold: number, map: number, macs: number) => ({ threshold, map, macs });
    const settings = [
      at(0, 0.7, 100),
      at(0.1, 0.8, 90),
      at(0.2, 0.801 - ALLOWED, 85),
      at(0.3, 0.7, 50),
      at(0.15, 0.801, 85),
    ];
    expect(cheapest(settings)).toBe(settings[4]);
    expect(cheapest(settings.slice(0, 2))).toBe(settings[1]);
  });
});

it('mirrored boxes stand around what was mirrored', () => {
  const [height, width] = [12, 20];
  const random = new Random(3);
  const boxes = Array.from({ length: 5 }, (_, i): LabelledBox => {
    const [left, top] = i === 0 ? [1, 2] : [random.int(15), random.int(8)];
    return { label: 0, left, top, right: left + 1 + random.int(4), bottom: top + 1 + random.int(3) };
  });
  const inputs = new Uint8Array(boxes.length * 3 * height * width);
  for (const [i, b] of boxes.entries())
    for (let c = 0; c < 3; c++)
      for (let y = b.top; y < b.bottom; y++)
        for (let x = b.left; x < b.right; x++) inputs[((i * 3 + c) * height + y) * width + x] = c + 1;
  const set = detectionSet({ inputs, shape: [3, height, width], boxes: boxes.map((b) => [b]), objectClasses: ['a'] });
  const mirrored = withMirrors(set);
  expect([mirrored.length, mirrored.mean]).toEqual([20, set.mean]);
  const places = mirrored.boxes.map(([box], i) => {
    for (let c = 0; c < 3; c++) {
      const plane = mirrored.inputs.subarray((i * 3 + c) * height * width, (i * 3 + c + 1) * height * width);
      const inside = (at: number) => {
        const [x, y] = [at % width, Math.floor(at / width)];
        return x >= box!.left && x < box!.right && y >= box!.top && y < box!.bottom;
      };
      expect(plane.every((v, at) => v === (inside(at) ? c + 1 : 0))).toBe(true);
    }
    return `${box!.left} ${box!.top}`;
  });
  expect(new Set(places.slice(0, 4)).size).toBe(4);
});

describe('the task', () => {
  const boxes: LabelledBox[][] = [
    [
      { label: 0, left: 3, top: 5, right: 27, bottom: 21 },
      { label: 2, left: 40, top: 20, right: 52, bottom: 36 },
    ],
    [{ label: 1, left: 10, top: 4, right: 60, bottom: 44 }],
  ];
  const set = detectionSet({
    ...{ inputs: new Uint8Array(2 * 3 * 48 * 64), shape: [3, 48, 64], boxes, objectClasses: ['a', 'b', 'c'] },
  });
  const geometry = geometryOf(set);
  /** The answer that the boxes ask for. */
  const right = new Float32Array(
    boxes.flatMap((list) => {
      const { heat, extent, offset } = encodeTargets(list, geometry);
      return [...heat.map((v) => (v === 1 ? 9 : -9)), ...extent, ...offset];
    }),
  );
  const answer = ndarray('float32', [2, 7, 6, 8], right);

  it('reads from an answer what was asked for', () => {
    for (const [row, list] of boxes.entries()) {
      const found = decodeMaps(mapsOf(answer, geometry, row), geometry, { threshold: 0.5 });
      expect(found.map(({ score: _, ...box }) => box).sort((a, b) => a.label - b.label)).toEqual(list);
    }
  });

  it('its loss is nearly nothing for the right answer, and sees each part of a wrong one', async () => {
    const task = detection(set);
    const x = input('x', [2, 7, 6, 8]);
    const shapes = Object.entries(task.targets!).map(([name, t]) => [name, input(name, [2, ...t.shape])] as const);
    const loss = task.loss(x, { labels: input('y', [2], 'int64'), targets: Object.fromEntries(shapes) });
    const feeds = Object.fromEntries(
      Object.entries(task.targets!).map(([name, t]) => {
        const values = [0, 1].flatMap((i) => Array.from(t.of(i)));
        return [name, ndarray('float32', [2, ...t.shape], values)];
      }),
    );
    const runner = await compile(encodeModel(toOnnx({ loss })));
    const of = async (data: Float32Array) =>
      Number((await runner.run({ x: ndarray('float32', [2, 7, 6, 8], data), ...feeds })).loss!.data[0]);
    try {
      expect(await of(right)).toBeLessThan(0.01);
      for (let layer = 0; layer < 7; layer++) {
        const wrong = right.map((v, i) => (Math.floor(i / 48) % 7 === layer ? v + (layer < 3 ? 8 : 0.5) : v));
        expect(await of(wrong)).toBeGreaterThan(0.02);
      }
    } finally {
      await runner.close();
    }
  });
});
