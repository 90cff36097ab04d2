import type { SystemResult } from './system.ts';

/** A result's curve as SVG text, accuracy over MACs; undefined where there is none. */
export async function plotSvg(
  { curve, contenders, measure = 'accuracy' }: SystemResult,
  title: string,
): Promise<string | undefined> {
  if (curve.length === 0) return undefined;
  const [Plot, { parseHTML }] = await Promise.all([import('@observablehq/plot'), import('linkedom')]);
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const named = contenders.flatMap(({ name, accuracy, macs }) =>
    accuracy && macs ? [{ name, accuracy: 100 * accuracy.mean, macs: macs.mean / 1e6 }] : [],
  );
  const points = curve.map((p) => ({ ...p, accuracy: 100 * p.accuracy, macs: p.macs / 1e6 }));
  const svg = Plot.plot({
    document,
    width: 640,
    height: 400,
    marginRight: 120,
    grid: true,
    x: { label: 'MACs of an image, millions' },
    y: { label: `test ${measure}, %` },
    color: { legend: false },
    marks: [
      Plot.line(points, { x: 'macs', y: 'accuracy', stroke: 'series', sort: 'macs' }),
      Plot.dot(points, { x: 'macs', y: 'accuracy', fill: 'series', r: 2.5 }),
      Plot.dot(named, { x: 'macs', y: 'accuracy', stroke: 'black', symbol: 'diamond', r: 4 }),
      Plot.text(named, { x: 'macs', y: 'accuracy', text: 'name', textAnchor: 'start', dx: 7, fontSize: 10 }),
    ],
  });
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  const heading = document.createElementNS('http://www.w3.org/2000/svg', 'title');
  heading.textContent = title;
  svg.prepend(heading);
  return svg.outerHTML;
}
