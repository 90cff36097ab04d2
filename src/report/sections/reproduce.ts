import { type Html, html } from '../html.ts';
import type { ReportData } from '../types.ts';

/** Remarks of the run, where there are any. */
export const notesSection = ({ summary: { notes } }: ReportData): Html =>
  notes.length === 0
    ? html``
    : html`<section id="notes" aria-labelledby="notes-h"><h2 id="notes-h">Notes</h2>
<ul class="notes">${notes.map((note) => html`<li>${note}</li>`)}</ul></section>`;

/** What it takes to get this page again. */
export const reproduceSection = ({ summary }: ReportData): Html =>
  html`<section id="reproduce" aria-labelledby="reproduce-h"><h2 id="reproduce-h">How to reproduce</h2>
<p class="muted">Times depend on the machine; the ratios between them and the accuracies should come out much the same.</p>
<pre tabindex="0" aria-label="command"><code>${summary.command}</code></pre>
<dl class="facts"><dt>commit</dt><dd><code>${summary.commit}</code></dd><dt>machine</dt><dd>${summary.machine}</dd><dt>data</dt><dd>${summary.dataset}</dd><dt>seed</dt><dd>${summary.seed}</dd></dl></section>`;
