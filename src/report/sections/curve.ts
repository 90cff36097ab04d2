import type { Markish, PlotOptions } from '@observablehq/plot';
import { chart, keyItem, type Painter, type PlotModule } from '../chart.ts';
import { count, known, milliseconds, percent } from '../format.ts';
import { type Html, html } from '../html.ts';
import type { CurvePoint, ReportData, Summary } from '../types.ts';

interface Axis {
  readonly label: string;
  readonly of: (point: { readonly ms1: number; readonly macs: number }) => number;
  readonly show: (value: number) => string;
  /** What one step of the axis is in the data's unit. */
  readonly unit: number;
}

interface Mark {
  readonly x: number;
  readonly y: number;
  readonly title: string;
}

/** Accuracy over time and over MACs, with the points that a caller can choose and the nets to compare with. */
export function curveSection(paint: Painter, data: ReportData): Html {
  const { summary, curve } = data;
  const { sameMacs } = summary.baseline;
  const time: Axis = { label: 'ms for one image', of: (p) => p.ms1, show: milliseconds, unit: 1 };
  const unit = [1e9, 1e6, 1e3].find((u) => Math.max(summary.full.macs, ...curve.map((p) => p.macs)) >= u) ?? 1;
  const prefix = { 1e9: 'billion ', 1e6: 'million ', 1e3: 'thousand ' }[unit] ?? '';
  const macs: Axis = { label: `${prefix}MACs, mean of an image`, of: (p) => p.macs, show: count, unit };
  const chosen = curve.find((p) => p.chosen);
  const line = (name: string, r: { accuracy: number | null; macs: number; ms1: number }) =>
    `${name}: ${known(r.accuracy) ? percent(r.accuracy) : 'accuracy unknown'}, ${milliseconds(r.ms1)}, ${count(r.macs)} MACs`;

  return html`<section id="curve" aria-labelledby="curve-h"><h2 id="curve-h">Accuracy against time</h2>
<p class="muted">One file holds all of these operating points; a caller moves between them at run time with one number, the budget. ${
    curve.filter((p) => p.certified).length > 1
      ? 'The shaded range is certified.'
      : 'Only one point is certified, so it is the one that is used.'
  }</p>
<div class="charts">
${chart(panel(paint, data, time, []), 'Against time', 'The paths’ measured times, weighted by their shares.')}
${chart(panel(paint, data, macs, baseline(summary, macs)), 'Against computation', 'MACs counted from the graph that runs.')}
</div>
<ul class="key">
${chosen && keyItem('chosen', 'var(--accent)', line('chosen', chosen))}
${keyItem('circle', 'var(--accent)', 'certified')}
${curve.some((p) => !p.certified) && keyItem('ring', 'var(--accent)', 'tested, not certified')}
${keyItem('square', 'var(--fourth)', line('full', summary.full))}
${keyItem('diamond', 'var(--second)', line('static', summary.static))}
${keyItem('triangle', 'var(--third)', `static net of the same mean MACs: ${known(sameMacs.accuracy) ? `${percent(sameMacs.accuracy)}, ${count(sameMacs.macs)} MACs` : 'not measured'}`)}
</ul>
${pointsTable(data)}
</section>`;
}

/** Where the net stands that was trained without exits at the same mean MACs, if it was. */
function baseline({ baseline: { sameMacs } }: Summary, axis: Axis): Mark[] {
  const { accuracy, macs } = sameMacs;
  if (!known(accuracy) || !known(macs)) return [];
  return [{ x: macs / axis.unit, y: 100 * accuracy, title: `static net of the same mean MACs, ${percent(accuracy)}` }];
}

function panel(paint: Painter, { curve, summary }: ReportData, axis: Axis, same: readonly Mark[]): Html {
  const { plot } = paint;
  const at = (p: { accuracy: number | null; ms1: number; macs: number }, name: string): Mark[] =>
    known(p.accuracy) && known(axis.of(p))
      ? [
          {
            x: axis.of(p) / axis.unit,
            y: 100 * p.accuracy,
            title: `${name}: ${percent(p.accuracy)}, ${axis.show(axis.of(p))}`,
          },
        ]
      : [];
  const marks = (points: readonly CurvePoint[], name: string) => points.flatMap((p) => at(p, name));
  const path = marks(
    [...curve].sort((a, b) => axis.of(a) - axis.of(b)),
    'point',
  );
  const certified = marks(
    curve.filter((p) => p.certified),
    'certified',
  );
  const open = marks(
    curve.filter((p) => !p.certified),
    'not certified',
  );
  const chosen = marks(
    curve.filter((p) => p.chosen),
    'chosen',
  );
  const full = at(summary.full, 'full');
  const plain = at(summary.static, 'static');
  const all = [...path, ...full, ...plain, ...same];
  const ys = all.map((m) => m.y);
  const [low, high] = ys.length ? [Math.min(...ys), Math.max(...ys)] : [0, 100];
  const pad = Math.max(0.2, (high - low) * 0.1);
  const right = Math.max(0, ...all.map((m) => m.x)) * 1.06 || 1;
  const [from, to] = [Math.min(...certified.map((m) => m.x)), Math.max(...certified.map((m) => m.x))];
  const spot = { x: 'x', y: 'y', title: 'title' } as const;

  const options: PlotOptions = {
    height: 240,
    marginLeft: 44,
    marginBottom: 38,
    x: { domain: [0, right], label: axis.label, ticks: 6 },
    y: { domain: [low - pad, Math.min(100, high + pad * 1.8)], label: '% right', ticks: 5, grid: true },
    marks: [
      ...(to > from ? certifiedBand(plot, from, to) : []),
      plot.ruleX([0], { stroke: 'var(--rule)' }),
      plot.line(path, { x: 'x', y: 'y', stroke: 'var(--accent)', strokeOpacity: 0.55, strokeWidth: 1.4 }),
      plot.dot(open, { ...spot, r: 3.4, fill: 'var(--paper)', stroke: 'var(--accent)' }),
      plot.dot(full, { ...spot, symbol: 'square', r: 5.5, fill: 'none', stroke: 'var(--fourth)', strokeWidth: 2 }),
      plot.dot(certified, { ...spot, r: 3.4, fill: 'var(--accent)' }),
      plot.dot(chosen, { ...spot, r: 8.5, fill: 'none', stroke: 'var(--accent)', strokeWidth: 2 }),
      plot.dot(plain, { ...spot, symbol: 'diamond', r: 5, fill: 'var(--second)', stroke: 'var(--paper)' }),
      plot.dot(same, { ...spot, symbol: 'triangle', r: 5, fill: 'var(--third)', stroke: 'var(--paper)' }),
    ],
  };
  const words = [...chosen, ...full, ...plain, ...same].map((m) => m.title).join('; ');
  return paint.draw(`Accuracy over ${axis.label}, ${curve.length} operating points. ${words}.`, options);
}

const certifiedBand = (plot: PlotModule, from: number, to: number): Markish[] => [
  plot.rect([{ from, to }], { x1: 'from', x2: 'to', fill: 'var(--band)' }),
  plot.text(['certified'], {
    x: () => (from + to) / 2,
    frameAnchor: 'top',
    dy: 3,
    fill: 'var(--accent)',
    fontSize: 10.5,
  }),
];

function pointsTable({ curve, exits }: ReportData): Html {
  const names = exits.map((e) => e.name).join(' / ');
  return html`<details><summary>The operating points as a table (${curve.length})</summary>
<div class="scroll" role="region" aria-label="Operating points" tabindex="0"><table>
<thead><tr><th scope="col">budget</th><th scope="col">accuracy</th><th scope="col">MACs</th><th scope="col">one image</th><th scope="col">left at ${names}</th><th scope="col">state</th></tr></thead>
<tbody>${curve.map(
    (
      p,
    ) => html`<tr${p.chosen ? html` class="chosen"` : ''}><th scope="row">${percent(p.budget, 1)}</th><td>${percent(p.accuracy)}</td><td>${count(p.macs)}</td><td>${milliseconds(p.ms1)}</td><td>${p.shares.map((s) => percent(s, 1)).join(' / ')}</td><td>${[p.certified ? 'certified' : 'not certified', p.chosen && 'chosen'].filter(Boolean).join(', ')}</td></tr>
`,
  )}</tbody></table></div></details>`;
}
