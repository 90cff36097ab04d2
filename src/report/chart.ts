import type * as Plot from '@observablehq/plot';
import { type Html, html, trusted } from './html.ts';

export type PlotModule = typeof Plot;

/** Draws charts to SVG text, without a browser. */
export interface Painter {
  readonly plot: PlotModule;
  draw(label: string, options: Plot.PlotOptions): Html;
}

/** Charts are drawn this wide and scale from a phone's column to a desk's; letters keep 10 to 14 px. */
const WIDTH = 360;

/** Loads the plotting library (lazily: only reports need it) and a document for it to draw in. */
export async function painter(): Promise<Painter> {
  const [plot, { parseHTML }] = await Promise.all([import('@observablehq/plot'), import('linkedom')]);
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  return {
    plot,
    draw(label, options) {
      const svg = plot.plot({ width: WIDTH, marginRight: 12, ...options, document });
      // The page's style sheet does what the plot's own would do; ids and classes would only repeat from plot to plot.
      svg.querySelector('style')?.remove();
      for (const name of ['class', 'width', 'height']) svg.removeAttribute(name);
      svg.setAttribute('font-size', '10.5');
      // The label is written here, because the serialiser leaves ampersands in attributes as they are.
      return html`<svg role="img" aria-label="${label}"${trusted(svg.outerHTML.slice('<svg'.length))}`;
    },
  };
}

/** A chart with its heading and remark. */
export const chart = (svg: Html, title: string, remark?: string | Html): Html => html`<figure class="chart">
<figcaption><b>${title}</b>${remark ? html`<br>${remark}` : ''}</figcaption>
${svg}
</figure>`;

export type Shape =
  | 'circle'
  | 'ring'
  | 'chosen'
  | 'square'
  | 'diamond'
  | 'triangle'
  | 'cross'
  | 'line'
  | 'hatch'
  | 'bar';

const drawings: Readonly<Record<Shape, string>> = {
  circle: '<circle cx="8" cy="8" r="4.5"/>',
  ring: '<circle cx="8" cy="8" r="4" fill="none" stroke-width="1.5"/>',
  chosen: '<circle cx="8" cy="8" r="3.5"/><circle cx="8" cy="8" r="6.8" fill="none" stroke-width="1.8"/>',
  square: '<rect x="3" y="3" width="10" height="10" fill="none" stroke-width="2"/>',
  diamond: '<path d="M8 1.5L13 8L8 14.5L3 8Z"/>',
  triangle: '<path d="M8 2.5L14 13L2 13Z"/>',
  cross: '<path d="M3 8H13M8 3V13" fill="none" stroke-width="2.4"/>',
  line: '<path d="M1 8H15" fill="none" stroke-width="2"/>',
  hatch: '<rect x="2.5" y="2.5" width="11" height="11" style="fill:url(#hatch)"/>',
  bar: '<rect x="2" y="2" width="12" height="12" stroke="none"/>',
};

/** One line of a chart's key: a shape in a colour, and what it stands for. */
export const keyItem = (shape: Shape, colour: string, words: string | Html): Html =>
  html`<li><svg viewBox="0 0 16 16" aria-hidden="true" fill="${colour}" stroke="${colour}">${trusted(drawings[shape])}</svg><span>${words}</span></li>`;

/** The stripes of wrong answers, once for the whole page. */
export const patterns = trusted(
  '<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs><pattern id="hatch" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="4" height="4" fill="none"/><rect width="2" height="4" style="fill:var(--wrong)"/></pattern></defs></svg>',
);
