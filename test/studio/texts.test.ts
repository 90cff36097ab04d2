import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { oklch, pathColour, ranks } from '../../studio/src/colour.ts';
import { toCsv } from '../../studio/src/export/csv.ts';
import { moment } from '../../studio/src/format.ts';
import { inkOf, toPlanes, toRgba } from '../../studio/src/inputs/pixels.ts';
import { endingOf, readLine, seriesOf, thinned } from '../../studio/src/training/metrics.ts';

describe('colours', () => {
  const channel = (v: number): number => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const luminance = (hex: string): number => {
    const [r, g, b] = [1, 3, 5].map((i) => channel(Number.parseInt(hex.slice(i, i + 2), 16) / 255)) as [
      number,
      number,
      number,
    ];
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a: string, b: string): number => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
    return (high + 0.05) / (low + 0.05);
  };
  const css = readFileSync(new URL('../../studio/src/style/base.css', import.meta.url), 'utf8');
  const theme = (selector: string): Record<string, string> => {
    const block = css.slice(css.indexOf(selector), css.indexOf('}', css.indexOf(selector)));
    return Object.fromEntries([...block.matchAll(/--(\w+): (#[0-9a-f]{6})/g)].map((m) => [m[1]!, m[2]!]));
  };

  test.each([
    ['light', ':root {', false],
    ['dark', ':root[data-theme="dark"]', true],
  ])('%s texts keep 4.5:1 and paths 3:1', (_, selector, dark) => {
    const colours = theme(selector);
    for (const ground of ['paper', 'card', 'band'])
      for (const text of ['ink', 'muted', 'accent', 'wrong', 'right', 'warn'])
        expect(contrast(colours[text]!, colours[ground]!), `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    for (let rank = 0; rank < 9; rank++)
      expect(contrast(pathColour(rank, 9, dark), colours.card!), `path ${rank}`).toBeGreaterThanOrEqual(4.5);
  });

  test('of OKLCH are those of its paper', () => {
    expect(oklch(1, 0, 0)).toBe('#ffffff');
    expect(oklch(0, 0, 0)).toBe('#000000');
    expect(oklch(0.62796, 0.25768, 29.234)).toBe('#ff0000');
    expect(oklch(0.86644, 0.29483, 142.495)).toBe('#00ff00');
  });

  test('cheap paths come first', () => {
    expect(ranks([5, 1, 9, 1])).toEqual([2, 0, 3, 1]);
  });
});

test('a moment is a time of today, or has its day', () => {
  const at = new Date(2026, 2, 1, 14, 3, 21).getTime();
  expect(moment(at, at + 3600_000)).toBe('14:03:21');
  expect(moment(at, at + 86_400_000)).toBe('2026-03-01 14:03:21');
});

test('a training is over where its last line says so', () => {
  const lines = ['{"type":"step","step":10,"loss":1}', '{"type":"end","step":10,"how":"stopped"}'].map(
    (t) => readLine(t)!,
  );
  expect(endingOf([])).toBeUndefined();
  expect(endingOf(lines)?.how).toBe('stopped');
  expect(endingOf([...lines, lines[0]!])).toBeUndefined();
  expect(seriesOf(lines)).toEqual([{ key: 'loss', lines: { '': [{ step: 10, value: 1 }] } }]);
});

test('CSV quotes what must be quoted', () => {
  expect(
    toCsv([
      ['a', 'say "x"', 1.5],
      [undefined, 'b,c', true],
    ]),
  ).toBe('a,"say ""x""",1.5\r\n,"b,c",true\r\n');
});

describe('pixels', () => {
  test('planes and RGBA are each other', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 30 }), fc.constantFrom(1, 3), (bytes, channels) => {
        const planes = Uint8Array.from(
          { length: bytes.length * channels },
          (_, i) => bytes[i % bytes.length]! ^ (i % channels),
        );
        expect(toPlanes(toRgba(planes, channels), channels)).toEqual(planes);
      }),
    );
  });

  test('floats are stretched, also constant ones', () => {
    expect([...toRgba(Float32Array.of(-1, 0, 1), 1)].filter((_, i) => i % 4 === 0)).toEqual([0, 128, 255]);
    expect([...toRgba(Float32Array.of(2, 2), 1)]).toEqual([0, 0, 0, 255, 0, 0, 0, 255]);
  });

  test('ink has a box and a centre', () => {
    const grey = new Uint8Array(25);
    grey[6] = 200;
    grey[8] = 100;
    expect(inkOf(grey, 5)).toEqual({ left: 1, top: 1, width: 3, height: 1, x: (200 + 300) / 300, y: 1 });
    expect(inkOf(new Uint8Array(9), 3)).toBeUndefined();
  });
});

describe('metrics', () => {
  const step = (n: number) =>
    readLine(JSON.stringify({ type: 'step', step: n, epoch: 1, loss: n, accuracy: { a: 0.1, b: null } }))!;

  test('of any name become charts', () => {
    const epoch = readLine(
      '{"type":"epoch","step":2,"epoch":1,"loss":9,"seconds":3,"validation":{"a":0.5},"note":"x"}',
    )!;
    expect(seriesOf([step(1), step(2), epoch])).toEqual([
      {
        key: 'loss',
        lines: {
          '': [
            { step: 1, value: 1 },
            { step: 2, value: 2 },
          ],
        },
      },
      {
        key: 'accuracy',
        lines: {
          a: [
            { step: 1, value: 0.1 },
            { step: 2, value: 0.1 },
          ],
        },
      },
      { key: 'seconds', lines: { '': [{ step: 2, value: 3 }] } },
      { key: 'validation', lines: { a: [{ step: 2, value: 0.5 }] } },
    ]);
  });

  test.each(['', '{"type":"step","st', 'null', '[1]', '{"step":1}', '{"type":"step","step":"1"}'])(
    '%j is no line',
    (text) => {
      expect(readLine(text)).toBeUndefined();
    },
  );

  test('are thinned to means that keep the total', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { maxLength: 300 }),
        fc.integer({ min: 1, max: 50 }),
        (values, most) => {
          const points = values.map((value, i) => ({ step: i, value }));
          const thin = thinned(points, most);
          expect(thin.length).toBeLessThanOrEqual(most);
          expect(thin.at(-1)?.step).toBe(points.at(-1)?.step);
          const group = Math.max(1, Math.ceil(values.length / most));
          const total = thin.reduce((s, p, k) => s + p.value * Math.min(group, values.length - k * group), 0);
          expect(total).toBeCloseTo(
            values.reduce((a, b) => a + b, 0),
            6,
          );
        },
      ),
    );
  });
});
