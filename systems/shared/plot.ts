import type { SystemResult } from './system.ts';

interface Named {
  readonly name: string;
  readonly x: number;
  readonly y: number;
}
interface Label extends Named {
  readonly anchor: 'start' | 'end';
}

const WIDTH = 720;
const HEIGHT = 440;
/** Of a character and a line at this size, in pixels. */
const FONT = 10;
const CHARACTER = 5.4;
const LINE = 12;
const GAP = 7;

/** Places labels beside their points, in pixels: to the side that has room, and below one another where they would overlap. */
export function placed(points: readonly Named[], width = WIDTH): Label[] {
  const labels: Label[] = [];
  const span = ({ name, x, anchor }: Label): [number, number] => {
    const length = name.length * CHARACTER;
    return anchor === 'start' ? [x + GAP, x + GAP + length] : [x - GAP - length, x - GAP];
  };
  const meets = (a: Label, b: Label): boolean => {
    const [[left, right], [from, to]] = [span(a), span(b)];
    return Math.abs(a.y - b.y) < LINE && left < to && from < right;
  };
  for (const point of [...points].sort((a, b) => a.y - b.y)) {
    const fits = point.x + GAP + point.name.length * CHARACTER <= width;
    let label: Label = { ...point, anchor: fits ? 'start' : 'end' };
    while (labels.some((other) => meets(label, other))) label = { ...label, y: label.y + 1 };
    labels.push(label);
  }
  return labels;
}

/** A result's curve as SVG text, accuracy over MACs; undefined where there is none. */
export async function plotSvg(
  { curve, contenders, measure = 'accuracy' }: SystemResult,
  title: string,
): Promise<string | undefined> {
  if (curve.length === 0) return undefined;
  const [Plot, { parseHTML }] = await Promise.all([import('@observablehq/plot'), import('linkedom')]);
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const named = contenders.flatMap(({ name, accuracy, macs }) =>
    // What a table says in brackets does not fit beside a point.
    accuracy && macs
      ? [{ name: name.replace(/ \[.*\]$/, ''), accuracy: 100 * accuracy.mean, macs: macs.mean / 1e6 }]
      : [],
  );
  const points = curve.map((p) => ({ ...p, accuracy: 100 * p.accuracy, macs: p.macs / 1e6 }));
  const series = [...new Set(points.map((p) => p.series))];
  const marks = [
    Plot.line(points, { x: 'macs', y: 'accuracy', stroke: 'series', z: 'series', sort: 'macs' }),
    Plot.dot(points, { x: 'macs', y: 'accuracy', fill: 'series', r: 2.5 }),
    Plot.dot(named, { x: 'macs', y: 'accuracy', stroke: 'black', symbol: 'diamond', r: 4 }),
    ...series.map((name, i) =>
      Plot.text([name], {
        ...{ text: [`— ${name}`], fill: [name], fontSize: FONT },
        ...{ frameAnchor: 'bottom-right', dx: -GAP, dy: -GAP - LINE * (series.length - 1 - i) },
      }),
    ),
  ];
  const frame = {
    ...{ document, width: WIDTH, height: HEIGHT, grid: true },
    x: { label: 'MACs of an image, millions' },
    y: { label: `test ${measure}, %` },
    color: { domain: series, legend: false },
  };
  const bare = Plot.plot({ ...frame, marks });
  const [x, y] = [bare.scale('x')!, bare.scale('y')!];
  const labels = placed(named.map((n) => ({ name: n.name, x: x.apply(n.macs), y: y.apply(n.accuracy) })));
  const texts = labels.map((l) =>
    Plot.text([l], {
      ...{ x: [x.invert!(l.x)], y: [y.invert!(l.y)], text: [l.name], fontSize: FONT },
      ...{ textAnchor: l.anchor, dx: l.anchor === 'start' ? GAP : -GAP },
    }),
  );
  const domains = { x: { ...frame.x, domain: x.domain }, y: { ...frame.y, domain: y.domain } };
  const svg = Plot.plot({ ...frame, ...domains, marks: [...marks, ...texts] } as Parameters<typeof Plot.plot>[0]);
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  const heading = document.createElementNS('http://www.w3.org/2000/svg', 'title');
  heading.textContent = title;
  svg.prepend(heading);
  return svg.outerHTML;
}
