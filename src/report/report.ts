import { painter } from './chart.ts';
import { html } from './html.ts';
import { page } from './page.ts';
import { confidenceSection } from './sections/confidence.ts';
import { curveSection } from './sections/curve.ts';
import { exitsSection } from './sections/exits.ts';
import { figuresSection } from './sections/figures.ts';
import { headline } from './sections/headline.ts';
import { imagesSection } from './sections/images.ts';
import { notesSection, reproduceSection } from './sections/reproduce.ts';
import { trainingSection } from './sections/training.ts';
import type { ReportData } from './types.ts';

const contents = [
  ['curve', 'Accuracy and time'],
  ['exits', 'Exits'],
  ['images', 'Images'],
  ['confidence', 'Confidence'],
  ['training', 'Training'],
  ['figures', 'Figures'],
  ['reproduce', 'Reproduce'],
] as const;

/**
 * A run as one HTML page: styles, plots and images lie within it, it loads nothing, and the same data give the same
 * bytes. Figures that are null or NaN are shown as a dash.
 *
 * @throws DynaError 'data' when an example's pixels do not fit `imageShape`
 * @example await writeFile('report.html', await reportHtml(data))
 */
export async function reportHtml(data: ReportData): Promise<string> {
  const { summary, exits } = data;
  const paint = await painter();
  return page({
    title: `${summary.dataset}: DynaNeural report`,
    header: html`<p class="eyebrow">DynaNeural report</p>
<h1>${summary.dataset}</h1>
<p class="lede">A net with ${exits.length} exits, the last at its end, that spends on each image only what it needs: trained here, certified, and shipped as one ONNX file.</p>
${headline(data)}
<nav aria-label="Contents"><ul>${contents.map(([id, words]) => html`<li><a href="#${id}">${words}</a></li>`)}</ul></nav>`,
    main: [
      curveSection(paint, data),
      exitsSection(data),
      await imagesSection(data),
      confidenceSection(paint, data),
      trainingSection(paint, data),
      figuresSection(data),
      notesSection(data),
      reproduceSection(data),
    ],
    footer: html`Seed ${summary.seed}, commit ${summary.commit.slice(0, 12)}. This page loads nothing from elsewhere.`,
  });
}
