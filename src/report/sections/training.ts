import { chart, keyItem, type Painter, type Shape } from '../chart.ts';
import { duration, known, percent, whole } from '../format.ts';
import { type Html, html } from '../html.ts';
import type { ReportData } from '../types.ts';

/** Lines differ in colour and in the shape of their dots. */
const looks: readonly { readonly colour: string; readonly shape: Shape; readonly symbol: string }[] = [
  { colour: 'var(--accent)', shape: 'circle', symbol: 'circle' },
  { colour: 'var(--second)', shape: 'diamond', symbol: 'diamond' },
  { colour: 'var(--third)', shape: 'triangle', symbol: 'triangle' },
  { colour: 'var(--fourth)', shape: 'square', symbol: 'square' },
  { colour: 'var(--fifth)', shape: 'cross', symbol: 'cross' },
];

interface Series {
  readonly name: string;
  readonly look: (typeof looks)[number];
  readonly values: readonly { readonly epoch: number; readonly value: number }[];
}

/** Loss and accuracy of each answer, epoch by epoch. */
export function trainingSection(paint: Painter, { epochs, summary: { training } }: ReportData): Html {
  const names = [...new Set(epochs.flatMap((e) => Object.keys(e.accuracy)))];
  const series = names.map(
    (name, i): Series => ({
      name,
      look: looks[i % looks.length]!,
      values: epochs.flatMap(({ epoch, accuracy }) =>
        known(accuracy[name]) ? [{ epoch, value: 100 * accuracy[name] }] : [],
      ),
    }),
  );
  const loss: Series = {
    name: 'loss',
    look: looks[0]!,
    values: epochs.flatMap(({ epoch, loss }) => (known(loss) ? [{ epoch, value: loss }] : [])),
  };
  const last = epochs.at(-1);
  const speed = `${whole(training.epochs)} epochs in ${duration(training.seconds)}, ${whole(training.imagesPerSecond)} images a second.`;
  return html`<section id="training" aria-labelledby="training-h"><h2 id="training-h">Training</h2>
<p class="muted">All exits were trained together: ${speed}</p>
${
  last
    ? html`<div class="charts">
${chart(lines(paint, 'loss', [loss]), 'Loss', known(last.loss) ? `${last.loss.toPrecision(4)} at the end.` : '')}
${chart(lines(paint, '% right', series), 'Accuracy of each exit', 'All images, as if everybody left there.')}
</div>
<ul class="key">${series.map((s) => keyItem(s.look.shape, s.look.colour, `${s.name}: ${percent(last.accuracy[s.name])} at the end`))}</ul>`
    : html`<p>No training curve was recorded.</p>`
}</section>`;
}

function lines(paint: Painter, label: string, series: readonly Series[]): Html {
  const { plot } = paint;
  const all = series.flatMap((s) => s.values);
  const [first, last] = [Math.min(...all.map((v) => v.epoch)), Math.max(...all.map((v) => v.epoch))];
  const step = Math.max(1, Math.ceil((last - first) / 8));
  const ticks = all.length
    ? Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, i) => first + i * step)
    : [];
  const dots = last - first < 30;
  const ends = series.map((s) => `${s.name} ${s.values.at(-1)?.value.toPrecision(4) ?? 'unknown'}`).join(', ');
  return paint.draw(`${label} by epoch; at the end ${ends}.`, {
    height: 210,
    marginLeft: 44,
    marginBottom: 38,
    x: {
      label: 'epoch',
      inset: 8,
      ticks,
      tickFormat: 'd',
      domain: last > first ? [first, last] : [first - 1, first + 1],
    },
    y: { label, ticks: 5, grid: true, nice: true },
    marks: series.flatMap(({ values, look: { colour, symbol } }) => [
      plot.line(values, { x: 'epoch', y: 'value', stroke: colour, strokeWidth: 1.6 }),
      plot.dot(dots ? values : [], {
        x: 'epoch',
        y: 'value',
        symbol,
        r: 3.2,
        fill: symbol === 'square' ? 'var(--paper)' : colour,
        stroke: colour,
      }),
    ]),
  });
}
