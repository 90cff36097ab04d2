import { chart, keyItem, type Painter } from '../chart.ts';
import { percent, whole } from '../format.ts';
import { type Html, html } from '../html.ts';
import type { ExitReport, ReportData } from '../types.ts';

const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);

/** How sure each exit was of its right and of its wrong answers. */
export const confidenceSection = (paint: Painter, { exits }: ReportData): Html =>
  html`<section id="confidence" aria-labelledby="confidence-h"><h2 id="confidence-h">How sure each exit is</h2>
<p class="muted">Calibrated confidence of all images that reached an exit, whether they stopped there or went on. Right answers point up, wrong ones down; a good exit has its wrong answers far to the left.</p>
<ul class="key">${keyItem('bar', 'var(--accent)', 'right answers')}${keyItem('hatch', 'var(--wrong)', 'wrong answers')}</ul>
<div class="charts narrow">
${exits.map((e) => histogram(paint, e))}
</div></section>`;

function histogram(paint: Painter, { name, histogram: { right, wrong } }: ExitReport): Html {
  const [r, w] = [sum(right), sum(wrong)];
  if (r + w === 0)
    return html`<div class="chart small"><b>${name}</b><br><span class="muted">No image reached this exit.</span></div>`;

  const bins = Math.max(right.length, wrong.length);
  const bars = Array.from({ length: bins }, (_, i) => {
    const [from, to] = [i / bins, (i + 1) / bins];
    const range = `${percent(from, 0)} to ${percent(to, 0)} sure`;
    return { from, to, right: right[i] ?? 0, wrong: wrong[i] ?? 0, range };
  });
  const up = Math.max(...bars.map((b) => b.right), 1);
  const down = Math.max(...bars.map((b) => b.wrong), 1);
  const { plot } = paint;
  const box = { x1: 'from', x2: 'to', y1: () => 0, inset: 0.5 } as const;
  const words = `${whole(r + w)} images reached it, ${percent(r / (r + w))} of its answers were right`;
  const svg = paint.draw(`Histogram of confidence at ${name}: ${words}.`, {
    width: 300,
    height: 170,
    marginLeft: 44,
    marginTop: 14,
    marginBottom: 38,
    x: { domain: [0, 1], label: 'confidence', ticks: 5, tickFormat: (share: number) => percent(share, 0) },
    // Counts differ a hundredfold; the square root keeps the small ones visible.
    y: {
      type: 'sqrt',
      domain: [-down, up],
      ticks: ticks(up, down),
      tickFormat: (n: number) => whole(Math.abs(n)),
      label: null,
      grid: true,
    },
    marks: [
      plot.rect(bars, {
        ...box,
        y2: 'right',
        fill: 'var(--accent)',
        filter: (b) => b.right > 0,
        title: (b) => `${whole(b.right)} right, ${b.range}`,
      }),
      plot.rect(bars, {
        ...box,
        y2: (b) => -b.wrong,
        fill: 'url(#hatch)',
        stroke: 'var(--wrong)',
        strokeWidth: 0.8,
        filter: (b) => b.wrong > 0,
        title: (b) => `${whole(b.wrong)} wrong, ${b.range}`,
      }),
      plot.ruleY([0]),
    ],
  });
  return chart(svg, name, `${words}. Images in each bin, square-root scale.`);
}

/** Round numbers that stand far enough apart on a square-root scale from -down to up. */
export function ticks(up: number, down: number): number[] {
  const round = (n: number): number => {
    const power = 10 ** Math.floor(Math.log10(n));
    return [5, 2, 1].find((k) => k * power <= n)! * power;
  };
  const height = Math.sqrt(up) + Math.sqrt(down);
  const apart = (a: number, b: number) => Math.abs(Math.sqrt(a) - Math.sqrt(b)) / height >= 0.13;
  const largest = round(up);
  const upper = [largest, round(Math.max(1, largest / 4)), round(Math.max(1, largest / 16))].filter(
    (n, i, all) => apart(n, 0) && (i === 0 || apart(n, all[i - 1]!)),
  );
  const lower = round(down);
  return [...(apart(lower, 0) ? [-lower] : []), 0, ...upper.reverse()];
}
