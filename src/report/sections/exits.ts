import { known, percent } from '../format.ts';
import { type Html, html } from '../html.ts';
import type { ReportData } from '../types.ts';

const bar = (share: number, kind: string, digits: number): Html =>
  html`<div class="bar ${kind}"><i aria-hidden="true"><b style="width:${(known(share) ? Math.min(1, Math.max(0, share)) * 100 : 0).toFixed(2)}%"></b></i><span>${percent(share, digits)}</span></div>`;

/** One row of bars for each exit: how many left there, and what became of these. */
export const exitBars = (
  exits: readonly { readonly name: string; readonly share: number; readonly accuracy: number }[],
  right = 'of these, right',
): Html =>
  html`<div class="scroll"><table class="bars"><thead><tr><th scope="col">exit</th><th scope="col">share of the images that left here</th><th scope="col">${right}</th></tr></thead>
<tbody>${exits.map(
    ({ name, share, accuracy }) =>
      html`<tr><th scope="row">${name}</th><td>${bar(share, 'share', 1)}</td><td>${bar(accuracy, 'right', 2)}</td></tr>
`,
  )}</tbody></table></div>`;

/** Who leaves where, and how often each answer is right. */
export const exitsSection = ({ exits }: ReportData): Html =>
  html`<section id="exits" aria-labelledby="exits-h"><h2 id="exits-h">Who leaves where</h2>
<p class="muted">At each exit an image stops if its answer is sure enough. Later exits get what the earlier ones would not decide, so they see the hard images and are right less often.</p>
${exitBars(exits)}</section>`;
