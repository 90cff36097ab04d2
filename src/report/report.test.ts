import { parseHTML } from 'linkedom';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { example, run } from './fixtures/data.ts';
import { type ReportData, reportHtml } from './index.ts';

interface Node {
  readonly textContent: string;
  readonly tagName: string;
  getAttribute(name: string): string | null;
  querySelector(css: string): Node | null;
  querySelectorAll(css: string): Iterable<Node>;
}

const parse = (text: string): Node => parseHTML(text).document as unknown as Node;
const all = (root: Node, css: string): Node[] => [...root.querySelectorAll(css)];
const words = (root: Node, css: string): string[] =>
  all(root, css).map((n) => n.textContent.replace(/\s+/g, ' ').trim());
const render = async (changes: Partial<ReportData> = {}): Promise<{ text: string; page: Node }> => {
  const text = await reportHtml({ ...run, ...changes });
  return { text, page: parse(text) };
};

describe('a whole run', () => {
  let text: string;
  let page: Node;
  beforeAll(async () => {
    ({ text, page } = await render());
  });

  it('has a title, one h1 and a labelled section for every part, in order', () => {
    expect(words(page, 'title').at(0)).toBe('garments: DynaNeural report');
    expect(words(page, 'h1')).toEqual(['garments']);
    const ids = all(page, 'main > section').map((s) => s.getAttribute('id'));
    expect(ids).toEqual(['curve', 'exits', 'images', 'confidence', 'training', 'figures', 'notes', 'reproduce']);
    for (const id of ids) expect(words(page, `#${id} > h2#${id}-h`)).toHaveLength(1);
    for (const link of all(page, 'nav a')) expect(page.querySelector(link.getAttribute('href')!)).not.toBeNull();
    const levels = all(page, 'h1,h2,h3,h4').map((h) => Number(h.tagName[1]));
    for (const [i, level] of levels.entries()) expect(level - (levels[i - 1] ?? 0)).toBeLessThanOrEqual(1);
  });

  it('puts speed-ups, accuracies and the certificate into the strip', () => {
    expect(words(page, '.strip .figure')).toEqual(['2.53×', '2.66×', '92.56 %', 'harm ≤ 0.5 %']);
    const strip = words(page, '.strip').join();
    for (const figure of ['0.245 ms', '0.621 ms', '0.151 ms', '0.402 ms', 'static 92.81 %', '−0.25 points'])
      expect(strip).toContain(figure);
    expect(strip).toContain(run.statement);
  });

  it('draws every operating point and reference twice, over time and over MACs', () => {
    const charts = all(page, '#curve svg[role=img]');
    expect(charts).toHaveLength(2);
    for (const [i, svg] of charts.entries()) {
      const titles = words(svg, 'title');
      const count = (start: string) => titles.filter((t) => t.startsWith(start)).length;
      expect([count('certified'), count('not certified'), count('chosen')]).toEqual([3, 1, 1]);
      expect([count('full'), count('static:'), count('static net of the same')]).toEqual([1, 1, i]);
      expect(svg.getAttribute('aria-label')).toMatch(/4 operating points\. chosen: 92\.56 %.*static: 92\.81 %/);
    }
    expect(words(page, '#curve tbody tr.chosen')).toEqual([
      '46.7 %92.56 %28.1 M0.240 ms62.0 % / 38.0 %certified, chosen',
    ]);
    expect(all(page, '#curve tbody tr')).toHaveLength(4);
  });

  it('places points by their figures: the fastest point lies furthest left and lowest', () => {
    const dots = all(page, '#curve svg[role=img]').flatMap((svg) => all(svg, 'circle'));
    const of = (start: string) =>
      dots
        .filter((d) => d.textContent.startsWith(start))
        .map((d) => ['cx', 'cy'].map((a) => Number(d.getAttribute(a))) as [number, number]);
    const [x, y] = of('not certified')[0]!;
    const [cx, cy] = of('chosen')[0]!;
    expect(cx).toBeGreaterThan(x);
    expect(cy).toBeLessThan(y);
    // Time starts at zero, so that distances to the left edge are ratios of times: 0.12 ms to 0.24 ms.
    expect((cx - 44) / (x - 44)).toBeCloseTo(2, 5);
  });

  it('gives bars the width of their figures', () => {
    expect(words(page, '#exits tbody tr')).toEqual(['early62.1 %98.82 %', 'last37.9 %81.01 %']);
    expect(all(page, '#exits i b').map((b) => b.getAttribute('style'))).toEqual(
      ['62.14', '98.82', '37.86', '81.01'].map((w) => `width:${w}%`),
    );
  });

  it('shows images with class and confidence, wrong ones with a word and a sign', async () => {
    expect(words(page, '#images li')).toEqual([
      'coat> 99.9 %',
      'bag99.8 %',
      'shirt✗ wrongly answered coat91.3 %',
      'dress91.5 %',
      'bag97.0 %',
      'bag✗ wrongly answered shirt30.5 %',
    ]);
    expect(words(page, '#images li.wrong')).toHaveLength(2);
    const sources = all(page, '#images img').map((img) => img.getAttribute('src')!);
    expect(new Set(sources).size).toBe(6);
    const png = Buffer.from(sources[0]!.slice('data:image/png;base64,'.length), 'base64');
    const { data, info } = await sharp(png).toColourspace('b-w').raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels]).toEqual([28, 28, 1]);
    expect(new Uint8Array(data)).toEqual(run.exits[0]!.easiest[0]!.pixels);
    for (const img of all(page, 'img')) expect(img.getAttribute('alt')).toMatch(/^an image of class \w+$/);
  });

  it('draws a histogram for each exit from its counts', () => {
    const [early, last] = all(page, '#confidence svg[role=img]');
    expect(words(early!, 'title')).toEqual([
      '5 right, 50 % to 75 % sure',
      '8,835 right, 75 % to 100 % sure',
      '310 wrong, 25 % to 50 % sure',
      '600 wrong, 50 % to 75 % sure',
      '250 wrong, 75 % to 100 % sure',
    ]);
    expect(early!.getAttribute('aria-label')).toContain('10,000 images reached it, 88.40 % of its answers were right');
    expect(last!.getAttribute('aria-label')).toContain('3,786 images reached it, 81.01 %');
    expect(all(early!, 'rect[width="0"]')).toEqual([]);
    expect(page.querySelector('pattern#hatch')).not.toBeNull();
  });

  it('draws the training curves and says where they end', () => {
    expect(all(page, '#training svg[role=img]')).toHaveLength(2);
    expect(words(page, '#training .key li')).toEqual(['early: 87.77 % at the end', 'last: 92.22 % at the end']);
    expect(words(page, '#training')[0]).toContain('3 epochs in 2 min 51 s, 1,212 images a second');
  });

  it('lists and explains every figure of the summary', () => {
    const table = words(page, '#figures .explained')[0]!;
    const figures = [
      '2.53×',
      '2.66×',
      '2.10×',
      '97.1 %',
      '98.3 %',
      '0.672 ms',
      '0.668 ms',
      '0.651 ms',
      '4,321',
      '10 %',
    ];
    for (const figure of figures) expect(table).toContain(figure);
    for (const term of ['Harm:', 'How much of the skipping the clock keeps', 'trained without exits', 'own last exit'])
      expect(table).toContain(term);
    expect(words(page, '#figures table')[0]).toContain('static, same mean MACs91.61 %27.9 M––');
  });

  it('tells how to get it again', () => {
    const { command, commit, machine, seed } = run.summary;
    const place = words(page, '#reproduce')[0]!;
    for (const fact of [command, commit, machine, `seed${seed}`]) expect(place).toContain(fact);
    expect(words(page, '#notes li')).toEqual(run.summary.notes);
  });

  it('loads nothing from elsewhere and forbids it', () => {
    expect(text).not.toMatch(/https?:|url\((?!#hatch)|@import|<link|<iframe|<object/i);
    for (const element of all(page, '[src],[href],[srcset],[data],[action],[poster]'))
      expect(element.getAttribute('src') ?? element.getAttribute('href')).toMatch(/^(data:image\/png;base64,|#)/);
    expect(page.querySelector('meta[http-equiv]')?.getAttribute('content')).toMatch(
      /^default-src 'none'; img-src data:;/,
    );
  });

  it('is small and comes out the same twice', async () => {
    expect(text.length).toBeLessThan(120_000);
    expect(await reportHtml(run)).toBe(text);
  });

  it('gives every drawing and picture words, and repeats no id', () => {
    for (const svg of all(page, 'svg'))
      expect(Boolean(svg.getAttribute('aria-label')) || svg.getAttribute('aria-hidden') === 'true').toBe(true);
    const ids = all(page, '[id]').map((n) => n.getAttribute('id'));
    expect(new Set(ids).size).toBe(ids.length);
    expect(text).not.toMatch(/NaN|undefined|Infinity|\[object/);
  });
});

describe('what may be missing', () => {
  const empty = { right: new Array(20).fill(0), wrong: new Array(20).fill(0) };

  it('shows a dash where a figure could not be had', async () => {
    const { summary } = run;
    const { text, page } = await render({
      summary: {
        ...summary,
        full: { ...summary.full, accuracy: null },
        static: { ...summary.static, accuracy: null },
        baseline: { sameMacs: { accuracy: null, macs: null } },
        notes: [],
      },
    });
    expect(words(page, '.strip .figure')[2]).toBe('92.56 %');
    expect(words(page, '.strip')[0]).toContain('static –');
    expect(words(page, '.key')[0]).toMatch(/static: accuracy unknown, 0\.621 ms.*same mean MACs: not measured/);
    expect(words(page, '#curve svg title').filter((t) => t.startsWith('static'))).toEqual([]);
    expect(page.querySelector('#notes')).toBeNull();
    expect(text).not.toMatch(/NaN|null|undefined|Infinity/);
  });

  it('says so where nobody left at an exit or reached it', async () => {
    const nobody = { ...run.exits[1]!, share: 0, accuracy: Number.NaN, easiest: [], hardest: [], histogram: empty };
    const { text, page } = await render({ exits: [run.exits[0]!, nobody] });
    expect(words(page, '#exits tbody tr')[1]).toBe('last0.0 %–');
    expect(words(page, '#images')[0]).toContain('No image left here.');
    expect(words(page, '#confidence')[0]).toContain('No image reached this exit.');
    expect(text).not.toMatch(/NaN|Infinity/);
  });

  it('says "full model kept" where only the full model is certified', async () => {
    const curve = run.curve.map((p, i) => ({ ...p, certified: i === 0, chosen: i === 0 }));
    for (const points of [curve, curve.slice(0, 1)]) {
      const { text, page } = await render({ curve: points });
      expect(words(page, '.strip .figure')[3]).toBe('full model kept');
      expect(words(page, '#curve svg text')).not.toContain('certified');
      expect(text).not.toMatch(/NaN|Infinity/);
    }
  });

  it('stands without points, epochs and exits', async () => {
    const { text, page } = await render({ curve: [], epochs: [], exits: [] });
    expect(words(page, '#training')[0]).toContain('No training curve was recorded.');
    expect(text).not.toMatch(/NaN|Infinity/);
    const one = await render({ epochs: run.epochs.slice(0, 1) });
    expect(one.text).not.toMatch(/NaN|Infinity/);
  });

  it('leaves broken losses out of the curve', async () => {
    const { text } = await render({
      epochs: [...run.epochs, { epoch: 4, loss: Number.NaN, accuracy: { early: 0.5 } }],
    });
    expect(text).not.toMatch(/NaN/);
  });
});

describe('hostile words', () => {
  const evil = `</style><script>alert(1)</script><img src=x onerror="alert('1')">&amp;`;

  it('are shown, never obeyed', async () => {
    const { summary } = run;
    const { page } = await render({
      statement: evil,
      summary: {
        ...summary,
        dataset: evil,
        machine: evil,
        command: evil,
        commit: evil,
        notes: [evil],
        certificate: { ...summary.certificate, risk: evil, method: evil },
      },
      exits: run.exits.map((e) => ({
        ...e,
        name: evil,
        easiest: [example(evil, evil, 0.5, 1), example(evil, `${evil}2`, 0.5, 2)],
      })),
      epochs: [{ epoch: 1, loss: 1, accuracy: { [evil]: 0.5 } }],
    });
    expect(all(page, 'script')).toHaveLength(1);
    expect(all(page, '[onerror],[src=x]')).toEqual([]);
    expect(all(page, 'style')).toHaveLength(1);
    expect(page.querySelector('h1')?.textContent).toBe(evil);
    expect(page.querySelector('#notes li')?.textContent).toBe(evil);
    expect(page.querySelector('#images img')?.getAttribute('alt')).toBe(`an image of class ${evil}`);
    expect(page.querySelector('#confidence svg[role=img]')?.getAttribute('aria-label')).toContain(evil);
    expect(page.querySelector('pre code')?.textContent).toBe(evil);
  });
});

describe('size', () => {
  it('stays under 1.5 MB with many large images of noise', async () => {
    let state = 1;
    const noise = () =>
      Uint8Array.from({ length: 3 * 224 * 224 }, () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state >>> 24;
      });
    const many = Array.from({ length: 16 }, () => ({ ...example('a', 'a', 0.5, 1, 0), pixels: noise() }));
    const { text, page } = await render({
      imageShape: [3, 224, 224],
      exits: run.exits.map((e) => ({ ...e, easiest: many, hardest: many })),
    });
    expect(all(page, '#images img')).toHaveLength(64);
    expect(text.length).toBeGreaterThan(200_000);
    expect(text.length).toBeLessThan(1_500_000);
  });
});
