import { expect, it } from 'vitest';
import { placed, plotSvg } from './plot.ts';
import type { SystemResult } from './system.ts';

it('labels that would overlap move apart, those that would leave the picture stand on the left', () => {
  const points = [
    { name: 'first', x: 100, y: 50 },
    { name: 'second', x: 104, y: 51 },
    { name: 'far away', x: 400, y: 50 },
    { name: 'at the right edge', x: 690, y: 50 },
  ];
  const labels = new Map(placed(points, 720).map((l) => [l.name, l]));
  expect(labels.get('first')).toMatchObject({ y: 50, anchor: 'start' });
  expect(labels.get('second')!.y - 50).toBeGreaterThanOrEqual(12);
  expect(labels.get('second')!.x).toBe(104);
  expect(labels.get('far away')!.y).toBe(50);
  expect(labels.get('at the right edge')).toMatchObject({ y: 50, anchor: 'end' });
});

it('draws every contender with a name, and says which colour is which series', async () => {
  const stat = (mean: number) => ({ mean, sd: 0, n: 1 });
  const contender = (name: string, accuracy: number, macs: number) =>
    ({ name, role: 'static', accuracy: stat(accuracy), macs: stat(macs) }) as const;
  const result = {
    contenders: [contender('plain', 0.9, 8e7), contender('still [static: it does not move]', 0.9, 8e7)],
    curve: [
      { series: 'one', macs: 2e7, accuracy: 0.7 },
      { series: 'one', macs: 8e7, accuracy: 0.9 },
      { series: 'two', macs: 3e7, accuracy: 0.8 },
    ],
  } as unknown as SystemResult;
  const svg = (await plotSvg(result, 'A title'))!;
  expect(svg).toMatch(/^<svg[^>]+xmlns/);
  for (const text of ['A title', '>plain<', '>still<', '— one', '— two']) expect(svg).toContain(text);
  expect(await plotSvg({ ...result, curve: [] }, 'none')).toBeUndefined();
});
