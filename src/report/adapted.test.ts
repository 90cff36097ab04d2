import { parseHTML } from 'linkedom';
import { beforeAll, describe, expect, it } from 'vitest';
import { type AdaptedDifference, type AdaptedReport, adaptedHtml, MOST_DIFFERENCES } from './index.ts';

const difference = (i: number): AdaptedDifference => ({
  pixels: Uint8Array.from({ length: 64 }, (_, p) => (p * (i + 3)) & 255),
  original: 'cat',
  adapted: `dog${i}`,
  exit: 'exit1',
  confidence: 0.97,
  label: i % 2 === 0 ? 'cat' : 'owl',
});

const data: AdaptedReport = {
  model: 'resnet <1>.onnx',
  data: 'photos (4,000 images)',
  command: 'dyna adapt resnet.onnx --data photos --max-disagreement 0.5%',
  machine: 'two cores of something',
  statement: ['With 90 % confidence, at most 0.5 % of inputs get another answer than the original’s.', 'So it is.'],
  fullModelKept: false,
  risk: 'disagreement',
  epsilon: 0.005,
  original: { accuracy: 0.915, macs: 40_000_000, bytes: 1_100_000, ms: { 1: 1.2, 64: 60 } },
  adapted: { accuracy: 0.914, macs: 25_000_000, bytes: 1_300_000, ms: { 1: 0.8, 64: 30 } },
  compared: { n: 1000, what: 'test images', agreement: 0.94, harm: 0.0123 },
  exits: [
    { name: 'exit1', share: 0.6, agreement: 0.991 },
    { name: 'final', share: 0.4, agreement: 1 },
  ],
  differences: Array.from({ length: 60 }, (_, i) => difference(i)),
  imageShape: [1, 8, 8],
  points: [
    { macs: 41_000_000, budget: 0.93, risk: 0, certified: true, chosen: false },
    { macs: 25_000_000, budget: 0.57, risk: 0.003, certified: true, chosen: true },
    { macs: 20_000_000, budget: 0.45, risk: 0.01, certified: false, chosen: false },
  ],
  notes: ['the model is small'],
};

describe('the page of an adaptation', () => {
  let text: string;
  let document: ReturnType<typeof parseHTML>['document'];
  beforeAll(async () => {
    text = await adaptedHtml(data);
    ({ document } = parseHTML(text));
  });

  it('has both files side by side, what was gained, and what is proven', () => {
    expect(document.querySelector('h1')!.textContent).toBe('resnet <1>.onnx, adapted');
    const rows = [...document.querySelectorAll('#sides tbody tr')].map((r) =>
      [...r.children].map((cell) => cell.textContent),
    );
    expect(rows).toContainEqual(['accuracy', '91.50 %', '91.40 %', '']);
    expect(rows).toContainEqual(['multiply-accumulates, mean', '40.0 M', '25.0 M', '1.60×']);
    expect(rows).toContainEqual(['one image', '1.20 ms', '0.800 ms', '1.50×']);
    expect(rows).toContainEqual(['batch of 64', '60.0 ms', '30.0 ms', '2.00×']);
    expect(rows).toContainEqual(['wrong where the original is right', '', '1.23 %', '']);
    expect(document.querySelector('.strip')!.textContent).toContain('So it is.');
    expect(document.querySelector('#points svg')!.getAttribute('aria-label')).toContain('3 operating points');
  });

  it('shows the pictures on which they differ, and marks where the original was right', () => {
    const cards = [...document.querySelectorAll('#differences li')];
    expect(cards).toHaveLength(MOST_DIFFERENCES);
    expect(cards[0]!.className).toBe('wrong');
    expect(cards[1]!.className).toBe('');
    expect(cards[1]!.textContent).toContain('truly owl');
    expect(cards[0]!.querySelector('img')!.getAttribute('src')).toMatch(/^data:image\/png;base64,/);
    expect(document.querySelector('#differences p')!.textContent).toContain('60 of 1,000 images got another class; 48');
  });

  it('loads nothing, and is the same for the same data', async () => {
    expect(text).not.toMatch(/(src|href)="(?!data:|#)/);
    expect(await adaptedHtml(data)).toBe(text);
  });

  it('says so where nothing could be gained', async () => {
    const kept = await adaptedHtml({
      ...data,
      fullModelKept: true,
      statement: ['Full model kept: no faster point could be certified.'],
      exits: [{ name: 'final', share: 1, agreement: 1 }],
      points: [],
      differences: [],
      compared: { n: 1000, what: 'test images', agreement: 1 },
      original: { macs: 40_000_000, bytes: 1, ms: {} },
      adapted: { macs: 40_000_000, bytes: 1, ms: {} },
    });
    const page = parseHTML(kept).document;
    expect(page.querySelector('.lede')!.textContent).toContain('could not be made faster');
    expect(page.querySelector('#exits')).toBeNull();
    expect(page.querySelector('#differences p')!.textContent).toContain('Nowhere: all 1,000 images');
  });
});
