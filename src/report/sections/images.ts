import { percent } from '../format.ts';
import { type Html, html } from '../html.ts';
import { type Thumbnails, thumbnails } from '../thumbnails.ts';
import type { Example, ReportData } from '../types.ts';

/** More than these of a kind would not be looked at. */
const SHOWN = 16;

/** The surest and the least sure images of each exit. */
export async function imagesSection({ exits, imageShape }: ReportData): Promise<Html> {
  const first = (examples: readonly Example[]) => examples.slice(0, SHOWN);
  const total = exits.reduce((n, e) => n + first(e.easiest).length + first(e.hardest).length, 0);
  const thumbs = await thumbnails(imageShape, total);
  const blocks: Html[] = [];
  for (const { name, share, easiest, hardest } of exits) {
    const kinds = [
      await grid('Surest', first(easiest), thumbs),
      await grid('Least sure of those that left here', first(hardest), thumbs),
    ];
    const nobody = easiest.length + hardest.length === 0;
    blocks.push(html`<h3>${name} <small class="muted">${percent(share, 1)} of the images</small></h3>
${nobody ? html`<p class="muted">${share > 0 ? 'No examples were kept.' : 'No image left here.'}</p>` : kinds}`);
  }
  return html`<section id="images" aria-labelledby="images-h"><h2 id="images-h">Easiest and hardest images</h2>
<p class="muted">Each card shows the true class and how sure the exit was of its answer. A dashed frame and ✗ mark a wrong answer, which stands behind the ✗.</p>
${blocks}</section>`;
}

async function grid(title: string, examples: readonly Example[], thumbs: Thumbnails): Promise<Html> {
  if (examples.length === 0) return html``;
  const cards = await Promise.all(examples.map((example) => card(example, thumbs)));
  return html`<h4>${title}</h4><ul class="images">${cards}</ul>`;
}

async function card(example: Example, thumbs: Thumbnails): Promise<Html> {
  const { label, answer, confidence } = example;
  const wrong = label !== answer;
  const src = await thumbs.of(example);

  return html`<li${wrong ? html` class="wrong"` : ''}>${
    src &&
    html`<img src="${src}" alt="an image of class ${label}"${thumbs.pixelated ? html` class="small-pixels"` : ''}>`
  }${label}${
    wrong &&
    html`<span class="said"><span aria-hidden="true">✗ </span><span class="hidden">wrongly answered </span>${answer}</span>`
  }<span class="sure">${surely(confidence)}</span></li>
`;
}

/** Rounding must not make anybody certain. */
const surely = (confidence: number): string => (confidence >= 0.9995 ? '> 99.9 %' : percent(confidence, 1));
