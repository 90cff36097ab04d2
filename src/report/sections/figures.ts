import { type Html, html } from '../html.ts';
import { explainedFigures, summaryTable } from '../summary-table.ts';
import type { ReportData } from '../types.ts';

/** Every figure of the summary, with what it means. */
export function figuresSection({ summary }: ReportData): Html {
  const [head = [], ...rows] = summaryTable(summary);
  return html`<section id="figures" aria-labelledby="figures-h"><h2 id="figures-h">All figures, explained</h2>
<p class="muted">Accuracies are of the untouched test split. Times were taken in one process, all nets in turn.</p>
<div class="scroll" role="region" aria-label="The nets side by side" tabindex="0"><table>
<thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
<tbody>${rows.map(
    ([name, ...cells]) => html`<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>
`,
  )}</tbody></table></div>
<div class="scroll"><table class="explained">
<thead><tr><th scope="col">figure</th><th scope="col">value</th><th scope="col">what it means</th></tr></thead>
${explainedFigures(summary).map(
  ({ title, figures }) => html`<tbody><tr><th scope="rowgroup" colspan="3">${title}</th></tr>
${figures.map(
  ({ name, value, meaning }) => html`<tr><th scope="row">${name}</th><td>${value}</td><td>${meaning}</td></tr>
`,
)}</tbody>`,
)}</table></div></section>`;
}
