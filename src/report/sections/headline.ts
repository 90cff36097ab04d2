import { exactPercent, known, milliseconds, percent, points, times } from '../format.ts';
import { type Html, html } from '../html.ts';
import type { CurvePoint, ReportData } from '../types.ts';

/** True where everything goes through the whole net. */
const isFull = (point: CurvePoint): boolean => point.shares.at(-1) === 1;

/** What the certificate allows, in a few words. */
function certified({ curve, summary: { certificate } }: ReportData): string {
  const points = curve.filter((p) => p.certified);
  if (points.every(isFull)) return 'full model kept';
  return `${certificate.risk} ≤ ${exactPercent(certificate.epsilon)}`;
}

/** The strip of headline figures. */
export function headline(data: ReportData): Html {
  const { summary } = data;
  const { dynamic } = summary;
  const plain = summary.static;
  const gap = known(dynamic.accuracy) && known(plain.accuracy) ? dynamic.accuracy - plain.accuracy : undefined;
  const compared = (ours: number, theirs: number) =>
    html`${milliseconds(ours)} an image<br>static ${milliseconds(theirs)}`;
  return html`<dl class="strip">
<div><dt>Speed-up, one image</dt><dd class="figure">${times(summary.speedup1)}</dd><dd class="small">${compared(dynamic.ms1, plain.ms1)}</dd></div>
<div><dt>Speed-up, batch of 64</dt><dd class="figure">${times(summary.speedup64)}</dd><dd class="small">${compared(dynamic.ms64, plain.ms64)}</dd></div>
<div><dt>Accuracy</dt><dd class="figure">${percent(dynamic.accuracy)}</dd><dd class="small">static ${percent(plain.accuracy)}${known(gap) && html`<br>${points(gap)} points`}</dd></div>
<div><dt>Certificate</dt><dd class="figure words">${certified(data)}</dd><dd class="small">${data.statement}</dd></div>
</dl>`;
}
