import { chart, keyItem, type Painter, painter } from './chart.ts';
import { capitalised, count, exactPercent, known, type Maybe, milliseconds, percent, times, whole } from './format.ts';
import { type Html, html } from './html.ts';
import { page } from './page.ts';
import { exitBars } from './sections/exits.ts';
import { type Thumbnails, thumbnails } from './thumbnails.ts';

/** One of the two files. */
export interface AdaptedSide {
  readonly accuracy?: number;
  readonly macs: number;
  readonly bytes: number;
  /** Milliseconds of one run, by the size of its batch. */
  readonly ms: Readonly<Record<number, number>>;
}

/** An image to which the two files give different classes. */
export interface AdaptedDifference {
  /** Raw pixels 0..255, channels first. */
  readonly pixels: Uint8Array;
  readonly original: string;
  readonly adapted: string;
  /** The true class, where it is known. */
  readonly label?: string;
  readonly exit: string;
  readonly confidence: number;
}

/** What `dyna adapt` did to somebody's model. Shares are 0..1. */
export interface AdaptedReport {
  readonly model: string;
  readonly data: string;
  readonly command: string;
  readonly machine: string;
  /** The certificate, or why the model stayed as it is, in sentences. */
  readonly statement: readonly string[];
  readonly fullModelKept: boolean;
  readonly risk: 'harm' | 'loss' | 'disagreement';
  readonly epsilon: number;
  readonly original: AdaptedSide;
  readonly adapted: AdaptedSide;
  /** Images that the two were compared on, and what they are. */
  readonly compared: { readonly n: number; readonly what: string; readonly agreement: number; readonly harm?: number };
  /** Where images left, and how often the answer was the original's there. */
  readonly exits: readonly { readonly name: string; readonly share: number; readonly agreement: number }[];
  /** Of all images that got another class, some. */
  readonly differences: readonly AdaptedDifference[];
  readonly imageShape: readonly number[];
  readonly points: readonly {
    readonly macs: number;
    /** As a share of the adapted file's own longest path: what a caller asks for. */
    readonly budget: number;
    readonly risk: number;
    readonly certified: boolean;
    readonly chosen: boolean;
  }[];
  readonly notes: readonly string[];
}

/** More pictures than these would not be looked at. */
export const MOST_DIFFERENCES = 48;

/**
 * An adaptation as one HTML page that loads nothing: the two files side by side, where they differ, and what is proven.
 *
 * @throws DynaError 'data' when pixels do not fit `imageShape`
 * @example await writeFile('resnet.html', await adaptedHtml(data))
 */
export async function adaptedHtml(data: AdaptedReport): Promise<string> {
  const paint = await painter();
  const { model, notes } = data;
  return page({
    title: `${model} adapted: DynaNeural report`,
    header: html`<p class="eyebrow">DynaNeural report</p>
<h1>${model}, adapted</h1>
<p class="lede">${
      data.fullModelKept
        ? 'This model could not be made faster within the bound that was asked for; the file that was written answers as the original does.'
        : 'Somebody’s static classifier, and the dynamic file that was made of it: same names, same classes, less work on easy images.'
    }</p>
${strip(data)}`,
    main: [
      sideBySide(data),
      data.exits.length > 1 ? exitsPart(data) : html``,
      data.points.length > 1 ? pointsPart(paint, data) : html``,
      await differencesPart(data),
      notes.length > 0
        ? html`<section id="notes" aria-labelledby="notes-h"><h2 id="notes-h">Notes</h2><ul class="notes">${notes.map((n) => html`<li>${n}</li>`)}</ul></section>`
        : html``,
      html`<section id="reproduce" aria-labelledby="reproduce-h"><h2 id="reproduce-h">How to reproduce</h2>
<pre tabindex="0" aria-label="command"><code>${data.command}</code></pre>
<dl class="facts"><dt>images</dt><dd>${data.data}</dd><dt>machine</dt><dd>${data.machine}</dd></dl></section>`,
    ],
    footer: html`Times were taken in one process, the two files in turn. This page loads nothing from elsewhere.`,
  });
}

const ratio = (a: Maybe, b: Maybe): number => (known(a) && known(b) && b > 0 ? a / b : Number.NaN);

const batchesOf = ({ original }: AdaptedReport): number[] => Object.keys(original.ms).map(Number);

/** How a run of one batch is called. */
const run = (batch: number): string => (batch === 1 ? 'one image' : `batch of ${batch}`);

function strip(data: AdaptedReport): Html {
  const { original, adapted, compared, statement, fullModelKept } = data;
  const speed = (batch: number) =>
    html`<div><dt>Speed-up, ${run(batch)}</dt><dd class="figure">${times(ratio(original.ms[batch], adapted.ms[batch]))}</dd><dd class="small">${milliseconds(adapted.ms[batch])}<br>original ${milliseconds(original.ms[batch])}</dd></div>`;
  return html`<dl class="strip">
${speed(1)}
${speed(64)}
<div><dt>Same answers</dt><dd class="figure">${percent(compared.agreement)}</dd><dd class="small">of ${whole(compared.n)} ${compared.what}</dd></div>
<div><dt>${fullModelKept ? 'Full model kept' : 'Certificate'}</dt><dd class="figure words">${fullModelKept ? 'nothing faster' : `${data.risk} ≤ ${exactPercent(data.epsilon)}`}</dd><dd class="small">${statement.join(' ')}</dd></div>
</dl>`;
}

function sideBySide(data: AdaptedReport): Html {
  const { original, adapted, compared } = data;
  const row = (name: string, a: string, b: string, gain: string) =>
    html`<tr><th scope="row">${name}</th><td>${a}</td><td>${b}</td><td>${gain}</td></tr>
`;
  return html`<section id="sides" aria-labelledby="sides-h"><h2 id="sides-h">Original and adapted</h2>
<p class="muted">Measured on ${whole(compared.n)} ${compared.what}.</p>
<div class="scroll" role="region" aria-label="Original and adapted, side by side" tabindex="0"><table>
<thead><tr><th scope="col"></th><th scope="col">original</th><th scope="col">adapted</th><th scope="col">gain</th></tr></thead>
<tbody>${[
    known(original.accuracy) && row('accuracy', percent(original.accuracy), percent(adapted.accuracy), ''),
    row('same class as the original', '', percent(compared.agreement), ''),
    known(compared.harm) && row('wrong where the original is right', '', percent(compared.harm), ''),
    row(
      'multiply-accumulates, mean',
      count(original.macs),
      count(adapted.macs),
      times(ratio(original.macs, adapted.macs)),
    ),
    ...batchesOf(data).map((b) =>
      row(
        run(b),
        milliseconds(original.ms[b]),
        milliseconds(adapted.ms[b]),
        times(ratio(original.ms[b], adapted.ms[b])),
      ),
    ),
    row('size of the file', `${count(original.bytes)}B`, `${count(adapted.bytes)}B`, ''),
  ]}</tbody></table></div></section>`;
}

const exitsPart = ({ exits }: AdaptedReport): Html =>
  html`<section id="exits" aria-labelledby="exits-h"><h2 id="exits-h">Who leaves where</h2>
<p class="muted">At each exit an image stops if the exit is sure enough. “final” is the end of the model.</p>
${exitBars(
  exits.map(({ name, share, agreement }) => ({ name, share, accuracy: agreement })),
  'of these, the original’s class',
)}</section>`;

function pointsPart(paint: Painter, { points, original, risk, epsilon }: AdaptedReport): Html {
  const at = points.map((p) => ({
    ...p,
    x: (100 * p.macs) / original.macs,
    y: 100 * p.risk,
    title: `${percent(p.macs / original.macs, 1)} of the original’s MACs, ${risk} ${percent(p.risk)}, budget ${percent(p.budget, 1)}`,
  }));
  const shown = at.filter((p) => p.y <= 600 * epsilon);
  const spot = { x: 'x', y: 'y', title: 'title' } as const;
  const { plot } = paint;
  const svg = paint.draw(`Observed ${risk} over mean MACs, ${shown.length} operating points.`, {
    height: 240,
    marginLeft: 44,
    marginBottom: 38,
    x: { label: '% of the original’s MACs', ticks: 6 },
    y: { label: `% ${risk}`, ticks: 5, grid: true },
    marks: [
      plot.ruleY([100 * epsilon], { stroke: 'var(--wrong)', strokeDasharray: '4 3' }),
      plot.line(shown, { x: 'x', y: 'y', stroke: 'var(--accent)', strokeOpacity: 0.55, strokeWidth: 1.4 }),
      plot.dot(
        shown.filter((p) => !p.certified),
        { ...spot, r: 3.4, fill: 'var(--paper)', stroke: 'var(--accent)' },
      ),
      plot.dot(
        shown.filter((p) => p.certified),
        { ...spot, r: 3.4, fill: 'var(--accent)' },
      ),
      plot.dot(
        shown.filter((p) => p.chosen),
        { ...spot, r: 8.5, fill: 'none', stroke: 'var(--accent)', strokeWidth: 2 },
      ),
    ],
  });
  return html`<section id="points" aria-labelledby="points-h"><h2 id="points-h">What more speed would cost</h2>
<p class="muted">One file holds all of these settings; a caller moves between the certified ones with one number, the budget: a share of this file’s own longest path, which each point tells.</p>
<div class="charts">${chart(svg, `${capitalised(risk)} against computation`, 'Certified points: as seen on the certify part; others: on the tune part.')}</div>
<ul class="key">${keyItem('chosen', 'var(--accent)', 'chosen')}${keyItem('circle', 'var(--accent)', 'certified')}${keyItem('ring', 'var(--accent)', 'not certified')}${keyItem('line', 'var(--wrong)', `the bound, ${exactPercent(epsilon)}`)}</ul></section>`;
}

async function differencesPart({ differences, imageShape, compared }: AdaptedReport): Promise<Html> {
  const all = Math.round((1 - compared.agreement) * compared.n);
  const shown = differences.slice(0, MOST_DIFFERENCES);
  const thumbs = await thumbnails(imageShape, shown.length);
  const cards = await Promise.all(shown.map((d) => card(d, thumbs)));
  return html`<section id="differences" aria-labelledby="differences-h"><h2 id="differences-h">Where the answers differ</h2>
<p class="muted">${all === 0 ? `Nowhere: all ${whole(compared.n)} images got the original’s class.` : `${whole(all)} of ${whole(compared.n)} images got another class${shown.length < all ? `; ${shown.length} of them` : ''}. Above: what the adapted file says, then the original’s class. A dashed frame marks images that the original had right.`}</p>
<ul class="images">${cards}</ul></section>`;
}

async function card(d: AdaptedDifference, thumbs: Thumbnails): Promise<Html> {
  const src = await thumbs.of({ pixels: d.pixels, label: d.original, answer: d.adapted, confidence: d.confidence });
  const harmed = d.label !== undefined && d.label === d.original;
  return html`<li${harmed ? html` class="wrong"` : ''}>${
    src && html`<img src="${src}" alt="an image"${thumbs.pixelated ? html` class="small-pixels"` : ''}>`
  }${d.adapted}<span class="said"><span class="hidden">the original says </span>${d.original}</span><span class="sure">${
    d.label !== undefined && d.label !== d.original && html`truly ${d.label}<br>`
  }${d.exit}, ${percent(d.confidence, 1)}</span></li>
`;
}
