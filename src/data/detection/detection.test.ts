import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Box,
  type Detection,
  decodeMaps,
  encodeTargets,
  iou,
  type LabelledBox,
  meanAveragePrecision,
  nms,
  recallAt,
  scaleBox,
  spotRadius,
} from './index.ts';

const box = (left: number, top: number, right: number, bottom: number): Box => ({ left, top, right, bottom });
const object = (label: number, ...sides: [number, number, number, number]): LabelledBox => ({
  label,
  ...box(...sides),
});
const found = (score: number, label: number, ...sides: [number, number, number, number]): Detection => ({
  score,
  ...object(label, ...sides),
});

describe('boxes', () => {
  test('overlaps computed by hand', () => {
    const a = box(0, 0, 2, 2);
    expect(iou(a, a)).toBe(1);
    expect(iou(a, box(1, 0, 3, 2))).toBeCloseTo(1 / 3, 12);
    expect(iou(a, box(1, 1, 3, 3))).toBeCloseTo(1 / 7, 12);
    expect(iou(a, box(2, 0, 4, 2))).toBe(0);
    expect(iou(a, box(5, 5, 4, 4))).toBe(0);
    expect(iou(box(1, 1, 1, 1), box(1, 1, 1, 1))).toBe(0);
  });

  test('overlap by counting the pixels of whole boxes', () => {
    const side = fc.integer({ min: 0, max: 12 });
    fc.assert(
      fc.property(fc.tuple(side, side, side, side), fc.tuple(side, side, side, side), (p, q) => {
        const [a, b] = [p, q].map(([x, y, w, h]) => box(x, y, x + w, y + h)) as [Box, Box];
        const inside = (t: Box, i: number, j: number) => i >= t.left && i < t.right && j >= t.top && j < t.bottom;
        let [both, either] = [0, 0];
        for (let i = 0; i < 25; i++)
          for (let j = 0; j < 25; j++) {
            both += inside(a, i, j) && inside(b, i, j) ? 1 : 0;
            either += inside(a, i, j) || inside(b, i, j) ? 1 : 0;
          }
        expect(iou(a, b)).toBeCloseTo(either === 0 ? 0 : both / either, 12);
        expect(iou(a, b)).toBe(iou(b, a));
      }),
    );
  });

  test('scaled with their image, and cut to it', () => {
    expect(scaleBox(object(2, 10, 20, 30, 60), [0.5, 0.25], [12, 14])).toEqual(object(2, 5, 5, 14, 12));
  });
});

describe('targets', () => {
  const geometry = { classes: 2, stride: 4, size: [4, 5] } as const;

  test('a box by hand: centre (9, 6) of an 8 x 4 box at stride 4', () => {
    const { heat, extent, offset, mask } = encodeTargets([object(1, 5, 4, 13, 8)], geometry);
    const cell = 1 * 5 + 2;
    expect(Array.from(mask.keys()).filter((i) => mask[i] === 1)).toEqual([cell]);
    expect([extent[cell], extent[20 + cell], offset[cell], offset[20 + cell]]).toEqual([2, 1, 0.25, 0.5]);
    expect(heat[20 + cell]).toBe(1);
    expect(heat.slice(0, 20).every((v) => v === 0)).toBe(true);
  });

  test('spots fall off as a Gaussian and take the larger value where they meet', () => {
    const wide = { classes: 1, stride: 1, size: [40, 40] } as const;
    // 24 x 24 at overlap 0.7: the radius is 2.2, so 2 cells and a deviation of 5 / 6.
    const one = object(0, 4, 4, 28, 28);
    const heat = (boxes: LabelledBox[]) => encodeTargets(boxes, wide).heat;
    const at = (h: Float32Array, row: number, column: number) => h[row * 40 + column]!;
    const single = heat([one]);
    expect(at(single, 16, 16)).toBe(1);
    expect(at(single, 16, 17)).toBeCloseTo(Math.exp(-0.5 / (25 / 36)), 6);
    expect(at(single, 18, 18)).toBeCloseTo(Math.exp(-4 / (25 / 36)), 6);
    expect(at(single, 16, 19)).toBe(0);
    const both = heat([one, object(0, 6, 4, 30, 28)]);
    expect([at(both, 16, 16), at(both, 16, 18)]).toEqual([1, 1]);
    expect(at(both, 16, 17)).toBeCloseTo(Math.exp(-0.5 / (25 / 36)), 6);
  });

  test('a box moved by the radius overlaps itself by just the overlap', () => {
    const size = fc.double({ min: 1, max: 200, noNaN: true });
    fc.assert(
      fc.property(size, size, fc.double({ min: 0.05, max: 0.95, noNaN: true }), (w, h, overlap) => {
        const r = spotRadius(w, h, overlap);
        expect(iou(box(0, 0, w, h), box(r, r, w + r, h + r))).toBeCloseTo(overlap, 6);
      }),
    );
  });

  test('of two centres in one cell the smaller box is learned, whatever the order; outsiders are left out', () => {
    const [large, small] = [object(0, 0, 0, 12, 12), object(1, 5, 5, 7, 7)];
    for (const boxes of [
      [large, small],
      [small, large],
    ]) {
      const { heat, extent, mask } = encodeTargets(boxes, geometry);
      expect([extent[6], heat[6], heat[26], mask.reduce((a, b) => a + b, 0)]).toEqual([0.5, 1, 1, 1]);
    }
    const none = encodeTargets([object(0, 30, 0, 40, 8), object(0, 3, 3, 3, 9), object(0, -8, -8, 2, 2)], geometry);
    expect([...none.heat, ...none.mask].every((v) => v === 0)).toBe(true);
  });

  test('refuses labels that are no class, and impossible geometries', () => {
    expect(() => encodeTargets([object(2, 0, 0, 4, 4)], geometry)).toThrow(/label 2: expected 0 to 1/);
    expect(() => encodeTargets([], { ...geometry, stride: 0 })).toThrow(/stride 0/);
    expect(() => encodeTargets([], geometry, { minOverlap: 1 })).toThrow(/an overlap between 0 and 1/);
  });
});

describe('decoding', () => {
  test('gives back the boxes that were encoded', () => {
    const geometry = { classes: 3, stride: 4, size: [30, 40] } as const;
    const some = fc.uniqueArray(
      fc.record({
        row: fc.nat(9),
        column: fc.nat(9),
        label: fc.nat(2),
        w: fc.double({ min: 1, max: 16, noNaN: true }),
        h: fc.double({ min: 1, max: 16, noNaN: true }),
        dx: fc.double({ min: 0, max: 0.99, noNaN: true }),
        dy: fc.double({ min: 0, max: 0.99, noNaN: true }),
      }),
      // Centres of one place keep their distance, so that no spot hides another's peak.
      { selector: ({ row, column }) => row * 10 + column, maxLength: 8 },
    );
    fc.assert(
      fc.property(some, (plans) => {
        const boxes = plans.map(({ row, column, label, w, h, dx, dy }) => {
          const [x, y] = [(column * 4 + dx) * 4, (row * 3 + dy) * 4];
          return object(label, x - w / 2, y - h / 2, x + w / 2, y + h / 2);
        });
        const decoded = decodeMaps(encodeTargets(boxes, geometry), geometry, { threshold: 1 });
        const order = (list: readonly LabelledBox[]) =>
          [...list].sort((a, b) => a.label - b.label || a.left - b.left || a.top - b.top);
        expect(decoded.length).toBe(boxes.length);
        for (const [i, { score, ...own }] of order(decoded).entries() as IterableIterator<[number, Detection]>) {
          expect(score).toBe(1);
          const want = order(boxes)[i]!;
          for (const key of ['label', 'left', 'top', 'right', 'bottom'] as const)
            expect(own[key]).toBeCloseTo(want[key], 3);
        }
      }),
    );
  });

  test('only peaks count, of equal neighbours the first; the surest come first, up to the limit', () => {
    const geometry = { classes: 1, stride: 2, size: [2, 4] } as const;
    const heat = new Float32Array([0.5, 0.5, 0, 0.3, 0.4, 0, 0, 0.9]);
    const maps = { heat, extent: new Float32Array(16).fill(1), offset: new Float32Array(16).fill(0.5) };
    expect(decodeMaps(maps, geometry)).toEqual([found(Math.fround(0.9), 0, 6, 2, 8, 4), found(0.5, 0, 0, 0, 2, 2)]);
    expect(decodeMaps(maps, geometry, { threshold: 0.6 }).length).toBe(1);
    expect(decodeMaps(maps, geometry, { limit: 1 })[0]!.score).toBeCloseTo(0.9, 6);
    expect(() => decodeMaps({ ...maps, heat: heat.subarray(1) }, geometry)).toThrow(
      /"heat" has 7 values, expected 1 x 2 x 4/,
    );
  });
});

test('of boxes on one object the surest stays; other classes are left alone', () => {
  const [sure, shifted, apart] = [
    found(0.9, 0, 0, 0, 10, 10),
    found(0.8, 0, 2, 0, 12, 10),
    found(0.7, 0, 6, 0, 16, 10),
  ];
  const other = found(0.6, 1, 0, 0, 10, 10);
  // 8 / 12 of sure and shifted, 4 / 16 of sure and apart, 6 / 14 of shifted and apart.
  expect(nms([apart, other, shifted, sure])).toEqual([sure, apart, other]);
  expect(nms([apart, other, shifted, sure], { perClass: false })).toEqual([sure, apart]);
  expect(nms([sure, shifted, apart], { overlap: 0.2 })).toEqual([sure]);
  expect(nms([sure, shifted], { overlap: 0.7 })).toEqual([sure, shifted]);
  expect(() => nms([], { overlap: 2 })).toThrow(/from 0 to 1/);
});

describe('average precision', () => {
  const at = (place: number): [number, number, number, number] => [20 * place, 0, 20 * place + 10, 10];
  /** Objects at places 0, 1, .. of one class; detections as [score, place]. */
  const ap = (objects: number, detections: [number, number][]) =>
    meanAveragePrecision(
      [
        {
          truths: Array.from({ length: objects }, (_, i) => object(0, ...at(i))),
          detections: detections.map(([score, place]) => found(score, 0, ...at(place))),
        },
      ],
      { classes: 1 },
    ).classes[0]!;

  test('by hand: right, wrong, right, of three objects', () => {
    const result = ap(3, [
      [0.9, 0],
      [0.8, 7],
      [0.7, 1],
    ]);
    expect(result.curve.map((p) => [p.recall, p.precision])).toEqual([
      [1 / 3, 1],
      [1 / 3, 1 / 2],
      [2 / 3, 2 / 3],
    ]);
    // A third at precision 1, a third at 2/3, a third never reached.
    expect(result.ap).toBeCloseTo(1 / 3 + 2 / 9, 12);
    expect([recallAt(result.curve, 0.9), recallAt(result.curve, 0.6), recallAt([], 0.5)]).toEqual([1 / 3, 2 / 3, 0]);
  });

  test('by hand: wrong first, a late right one lifts what came before', () => {
    // Precision 0, 1/2, 2/3: at recall 1/2 the best from there on is 2/3.
    const result = ap(2, [
      [0.9, 9],
      [0.8, 0],
      [0.7, 1],
    ]);
    expect(result.ap).toBeCloseTo(2 / 3, 12);
  });

  test('all found and nothing else is 1; nothing found is 0; an object is found once', () => {
    expect(
      ap(2, [
        [0.5, 1],
        [0.4, 0],
      ]).ap,
    ).toBe(1);
    expect(ap(2, []).ap).toBe(0);
    expect(
      ap(1, [
        [0.9, 0],
        [0.8, 0],
      ]).curve.map((p) => p.precision),
    ).toEqual([1, 0.5]);
    expect(ap(0, [[0.9, 0]]).ap).toBe(undefined);
  });

  test('an overlap of just the threshold counts; the object that overlaps most is claimed', () => {
    const half = { truths: [object(0, 0, 0, 2, 1)], detections: [found(1, 0, 0, 0, 1, 1)] };
    expect(meanAveragePrecision([half], { classes: 1 }).map).toBe(1);
    expect(meanAveragePrecision([half], { classes: 1, overlap: 0.51 }).map).toBe(0);
    const truths = [object(0, 0, 0, 10, 10), object(0, 1, 0, 11, 10)];
    const detections = [found(0.9, 0, 1, 0, 11, 10), found(0.8, 0, 0, 0, 10, 10)];
    expect(meanAveragePrecision([{ truths, detections }], { classes: 1 }).map).toBe(1);
  });

  test('the mean is over classes with objects, and scores are ordered across images', () => {
    const first = {
      truths: [object(0, ...at(0)), object(1, ...at(1))],
      detections: [found(0.9, 0, ...at(0)), found(0.2, 1, ...at(1)), found(0.9, 2, ...at(2))],
    };
    const second = { truths: [object(0, ...at(0))], detections: [found(0.5, 0, ...at(3)), found(0.8, 1, ...at(0))] };
    const { map, classes } = meanAveragePrecision([first, second], { classes: 3 });
    expect(classes.map((c) => c.ap)).toEqual([0.5, 0.5, undefined]);
    expect(map).toBe(0.5);
    expect(classes.map((c) => [c.objects, c.detections])).toEqual([
      [2, 2],
      [1, 2],
      [0, 1],
    ]);
  });

  test('a surer wrong box never helps, whatever else was found', () => {
    const places = fc.array(fc.tuple(fc.double({ min: 0, max: 0.9, noNaN: true }), fc.nat(6)), { maxLength: 8 });
    fc.assert(
      fc.property(places, (list) => {
        const [plain, worse] = [ap(4, list).ap!, ap(4, [...list, [1, 9]]).ap!];
        expect(plain).toBeGreaterThanOrEqual(0);
        expect(plain).toBeLessThanOrEqual(1);
        expect(worse).toBeLessThanOrEqual(plain);
      }),
    );
  });

  test('refuses labels that are no class, and scores that are no numbers', () => {
    const image = { truths: [object(3, ...at(0))], detections: [] };
    expect(() => meanAveragePrecision([image], { classes: 3 })).toThrow(/label 3: expected 0 to 2/);
    expect(() => ap(1, [[Number.NaN, 0]])).toThrow(/NaN/);
    expect(() => meanAveragePrecision([], { classes: 1, overlap: 0 })).toThrow(/above 0 and up to 1/);
  });
});
