import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { currentPage } from '../bench/systems.ts';
import { galleryPage, headline, resultText, type SystemResult, systems } from './index.ts';
import { wantedText } from './shared/text.ts';

const one = (mean: number, sd = 0, n = 1) => ({ mean, sd, n });
const result: SystemResult = {
  id: 'early-exit',
  command: 'dyna system early-exit --seeds 2',
  seeds: [1, 2],
  quick: false,
  machine: 'a machine',
  commit: 'abc',
  data: 'CIFAR-10',
  headline: ['speed-up', 'lost'],
  contenders: [
    { name: 'static', role: 'static', accuracy: one(0.935), macs: one(202e6), ms1: one(2), ms64: one(1.9) },
    { name: 'confidence', role: 'dynamic', accuracy: one(0.9312, 0.0011, 2), macs: one(80e6, 1e6, 2), p95: one(2.2) },
  ],
  figures: [
    { name: 'speed-up', value: one(2.41, 0.02, 2), unit: 'x' },
    { name: 'lost', value: one(-0.0038, 0.001, 2), unit: 'points', note: 'a | b' },
    { name: 'soft: epochs', value: one(Number.POSITIVE_INFINITY), unit: 'epochs' },
  ],
  spread: [{ name: 'confidence', rates: { 'exit1/exit': 0.4 }, paths: 4, bits: 1.5, dynamic: true }],
  curve: [
    { series: 'confidence', macs: 80e6, accuracy: 0.93 },
    { series: 'confidence', macs: 120e6, accuracy: 0.934 },
  ],
  notes: ['a note'],
};

it('docs/systems.md is what systems/ and results/ say; `npm run figures` writes it', () => {
  expect(readFileSync(new URL('../docs/systems.md', import.meta.url), 'utf8')).toBe(currentPage());
});

it('shows claim, anchors, ours and baselines side by side', () => {
  const page = galleryPage(systems, (id) => (id === 'early-exit' ? result : undefined));
  expect(page).toContain("- The field's claim: 2.8x energy, ~11 ms on a phone");
  expect(page).toContain('| static (static) | 93.50 % | 202.0 M | 2.000 | 1.900 |  |  |');
  expect(page).toContain('| confidence | 93.12 ± 0.11 % | 80.0 M |  |  | 2.200 |  |');
  expect(page).toContain('| lost | -0.38 ± 0.10 points | a \\| b |');
  expect(page).toContain('| soft: epochs | never |  |');
  expect(page).toContain('- confidence: above the static net: not measured');
  expect(page).toContain('No committed result yet; `dyna system adaptive-depth` makes it.');
  for (const { id, state } of systems) if (state === 'planned') expect(page).toContain(`\n| ${id}: `);
});

it('tells what a figure was to reach, and by how much it falls short', () => {
  const wanted = (figure: string, least: number) => wantedText({ figure, least }, result.figures);
  expect(wanted('speed-up', 2.3)).toBe('speed-up: 2.41 ± 0.02x, wanted at least 2.30x: reached');
  expect(wanted('lost', -0.002)).toBe('lost: -0.38 ± 0.10 points, wanted at least -0.20 points: short by 0.18 points');
});

it('tells a terminal the same', () => {
  const text = resultText(result).join('\n');
  expect(text).toMatch(/confidence\s+93\.12 ± 0\.11 %\s+80\.0 M/);
  expect(text).toContain('a confidence');
  expect(headline(result)).toBe('speed-up 2.41 ± 0.02x; lost -0.38 ± 0.10 points (2 seeds)');
});
