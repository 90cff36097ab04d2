import fc from 'fast-check';
import { parseHTML } from 'linkedom';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { example, run } from './fixtures/data.ts';
import { count, duration, exactPercent, milliseconds, percent, points, times, whole } from './format.ts';
import { html, trusted } from './html.ts';
import { explainedFigures, summaryTable } from './index.ts';
import { ticks } from './sections/confidence.ts';
import { style, themes } from './style.ts';
import { thumbnails } from './thumbnails.ts';

describe('format', () => {
  it('writes figures as people read them', () => {
    expect([percent(0.92567), percent(1, 0), exactPercent(0.005), exactPercent(0.1)]).toEqual([
      '92.57 %',
      '100 %',
      '0.5 %',
      '10 %',
    ]);
    expect([points(-0.0025), points(0.0125), points(-1e-9)]).toEqual(['−0.25', '+1.25', '±0.00']);
    expect([times(3.917), times(0.5)]).toEqual(['3.92×', '0.50×']);
    expect([0.14153, 1.234, 12.34, 123.4].map(milliseconds)).toEqual(['0.142 ms', '1.23 ms', '12.3 ms', '123 ms']);
    expect([0, 12, 999.9, 12_501_632, 3.2e9].map(count)).toEqual(['0', '12', '1.00 k', '12.5 M', '3.20 G']);
    expect([12, 75, 3600, 5400].map(duration)).toEqual(['12 s', '1 min 15 s', '1 h 0 min', '1 h 30 min']);
    expect(whole(1234567.2)).toBe('1,234,567');
  });

  it('writes a dash for what is not there', () => {
    for (const show of [percent, exactPercent, points, times, milliseconds, count, duration, whole])
      expect([null, undefined, Number.NaN, Number.POSITIVE_INFINITY].map((v) => show(v))).toEqual(['–', '–', '–', '–']);
  });
});

describe('html', () => {
  it('brings any text through a parser unchanged, in elements and in attributes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii' }), (text) => {
        const { document } = parseHTML(
          html`<!doctype html><html><body><p title="${text}">${text}</p></body></html>`.text,
        );
        const p = document.querySelector('p') as unknown as { textContent: string; getAttribute(n: string): string };
        expect([p.textContent, p.getAttribute('title')]).toEqual([text, text]);
      }),
    );
  });

  it('keeps HTML, joins lists and drops nothing-values', () => {
    expect(html`<b>${trusted('<i>')}${['<', html`<u>`, 3]}${null}${undefined}${false}</b>`.text).toBe(
      '<b><i>&lt;<u>3</b>',
    );
  });
});

describe('summary table', () => {
  it('is plain rows with the figures of each net', () => {
    expect(summaryTable(run.summary)).toEqual([
      ['net', 'accuracy', 'MACs', 'one image', 'one of 64'],
      ['static', '92.81 %', '59.1 M', '0.621 ms', '0.402 ms'],
      ['full', '92.74 %', '60.2 M', '0.651 ms', '0.411 ms'],
      ['dynamic', '92.56 %', '28.1 M', '0.245 ms', '0.151 ms'],
      ['static, same mean MACs', '91.61 %', '27.9 M', '–', '–'],
    ]);
  });

  it('explains the risk that was certified', () => {
    const meaning = (risk: string) => {
      const summary = { ...run.summary, certificate: { ...run.summary.certificate, risk } };
      return explainedFigures(summary)
        .flatMap((g) => g.figures)
        .find((f) => f.name === 'risk')?.meaning;
    };
    expect(meaning('harm')).toMatch(/^Harm: .*full net’s would have been right/);
    expect(meaning('loss')).toMatch(/^Loss: .*accuracy/);
    expect(meaning('disagreement')).toMatch(/^Disagreement: .*differs/);
  });
});

describe('thumbnails', () => {
  const bytes = (uri: string | undefined) => Buffer.from(uri!.split(',')[1]!, 'base64');

  it('keep colours: planes become pixels', async () => {
    const thumbs = await thumbnails([3, 2, 2], 1);
    const pixels = Uint8Array.of(255, 0, 10, 40, 0, 255, 20, 50, 0, 0, 30, 60);
    const uri = await thumbs.of({ ...example('a', 'a', 1, 1), pixels });
    const raw = await sharp(bytes(uri)).removeAlpha().raw().toBuffer();
    expect([...raw]).toEqual([255, 0, 0, 0, 255, 0, 10, 20, 30, 40, 50, 60]);
  });

  it('scale large images down in their proportions and leave small ones alone', async () => {
    const large = await thumbnails([1, 200, 100], 4);
    const meta = await sharp(bytes(await large.of(example('a', 'a', 1, 1, 20_000)))).metadata();
    expect([meta.width, meta.height]).toEqual([48, 96]);
    expect([large.pixelated, (await thumbnails([28, 28], 4)).pixelated]).toEqual([false, true]);
  });

  it('make none of inputs that are no images, and refuse pixels that do not fit', async () => {
    expect(await (await thumbnails([20], 1)).of(example('a', 'a', 1, 1, 20))).toBeUndefined();
    expect(await (await thumbnails([7, 8, 8], 1)).of(example('a', 'a', 1, 1, 448))).toBeUndefined();
    const thumbs = await thumbnails([1, 28, 28], 1);
    await expect(thumbs.of(example('a', 'a', 1, 1, 27))).rejects.toThrow(/27 bytes.*\[1, 28, 28\] have 784/);
  });
});

describe('ticks of a histogram', () => {
  it('are round, ordered, within the counts, and never on top of each other', () => {
    const counts = fc.integer({ min: 1, max: 1_000_000 });
    fc.assert(
      fc.property(counts, counts, (up, down) => {
        const at = ticks(up, down);
        const place = (n: number) => Math.sign(n) * Math.sqrt(Math.abs(n));
        const height = Math.sqrt(up) + Math.sqrt(down);
        expect(at).toContain(0);
        for (const [i, n] of at.entries()) {
          expect(n >= -down && n <= up && /^-?[125]?0*$/.test(String(n))).toBe(true);
          if (i > 0) expect((place(n) - place(at[i - 1]!)) / height).toBeGreaterThanOrEqual(0.13);
        }
        expect(at.length).toBeGreaterThanOrEqual(2);
      }),
    );
  });
});

describe('colours', () => {
  /** Relative luminance and contrast of WCAG 2.2. */
  const luminance = (hex: string): number => {
    const [r, g, b] = [1, 3, 5].map((i) => {
      const v = Number.parseInt(hex.slice(i, i + 2), 16) / 255;
      return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  };
  const contrast = (a: string, b: string): number => {
    const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (light! + 0.05) / (dark! + 0.05);
  };

  it.each(Object.entries(themes))('have AA contrast in the %s theme', (_, t) => {
    expect(contrast('#000000', '#ffffff')).toBeCloseTo(21);
    for (const ground of [t.paper, t.card, t.band])
      for (const text of [t.ink, t.muted, t.accent, t.wrong])
        expect(contrast(text, ground)).toBeGreaterThanOrEqual(4.5);
    for (const ground of [t.paper, t.band])
      for (const mark of [t.second, t.third, t.fourth, t.fifth])
        expect(contrast(mark, ground)).toBeGreaterThanOrEqual(3);
    // A bar has to stand out from its track.
    for (const bar of [t.accent, t.fourth]) expect(contrast(bar, t.rule)).toBeGreaterThanOrEqual(3);
  });

  it('are all defined where the style sheet uses them', () => {
    for (const [, name] of style.matchAll(/var\(--([a-z]+)\)/g)) expect(Object.keys(themes.light)).toContain(name);
    expect(Object.keys(themes.dark)).toEqual(Object.keys(themes.light));
  });
});
