// npm run figures: writes the tables of README.md and of pages in docs/ from results/*.json.
import { readFileSync, writeFileSync } from 'node:fs';
import { LEAST_RATIO } from '../src/dynamic/index.ts';
import type { Summary } from '../src/report/types.ts';
import type { Measured } from './decisions/measure.ts';
import { WANTED } from './decisions/wanted.ts';

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const json = <T>(name: string): T => JSON.parse(read(`results/${name}.json`)) as T;

const percent = (v: number | null): string => (v === null ? '-' : `${(100 * v).toFixed(2)} %`);
const million = (v: number | null): string => (v === null ? '-' : `${(v / 1e6).toFixed(1)} M`);
const ms = (v: number): string => `${v.toFixed(3)} ms`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

function demo(): string {
  const s = json<Summary>('demo-fashion-mnist');
  const row = (name: string, r: Summary['full']) => [name, percent(r.accuracy), million(r.macs), ms(r.ms1), ms(r.ms64)];
  return [
    `Fashion-MNIST, seed ${s.seed}, ${s.training.epochs} epochs in ${Math.round(s.training.seconds)} s, measured on: ${s.machine}.`,
    '',
    table(
      ['', 'test accuracy', 'MACs', 'one image', 'in batches of 64, each'],
      [
        row('static', s.static),
        row('full', s.full),
        row('**dynamic**', s.dynamic),
        ['same MACs', percent(s.baseline.sameMacs.accuracy), million(s.baseline.sameMacs.macs), '', ''],
      ],
    ),
    '',
    `**${s.speedup1.toFixed(2)}x** faster for one image and **${s.speedup64.toFixed(2)}x** in batches of 64 (MACs: ${s.macSpeedup.toFixed(2)}x); realisation ${s.realisation1.toFixed(3)} and ${s.realisation64.toFixed(3)} (one image, against cuts that run alone in warm caches: ${s.realisation1Warm.toFixed(3)}). ` +
      `The worst case beside it: an image that exits nowhere takes ${ms(s.dynamic.ms1NobodyExits)} (static ${ms(s.static.ms1)}); 95th percentile ${ms(s.dynamic.ms1p95)}. ` +
      `Certified: ${s.certificate.risk} <= ${100 * s.certificate.epsilon} % with confidence ${100 * (1 - s.certificate.delta)} % (${s.certificate.method}, n = ${s.certificate.n}). ` +
      `Exits: ${s.exits.map((e) => `${e.name} takes ${percent(e.share)} at ${percent(e.accuracy)}`).join(', ')}.`,
    '',
    `Made by \`${s.command}\` ([results/demo-fashion-mnist.json](results/demo-fashion-mnist.json)).`,
  ].join('\n');
}

interface Side {
  readonly ms: number;
  readonly imagesPerSecond: number;
}

function training(): string {
  const t = json<{
    ours: Side;
    torch: Side;
    torchChannelsLast: Side;
    ratio: number;
    ratioChannelsLast: number;
    command: string;
  }>('training');
  const speed = (side: Side) => Math.round(side.imagesPerSecond);
  return `ResNet-20, 32x32 images, batch 64, SGD with momentum: **${speed(t.ours)} images/s** against ${speed(t.torch)} for PyTorch on the same machine in the same run (${t.ratio.toFixed(2)}x), and ${speed(t.torchChannelsLast)} where its tensors keep channels last (${t.ratioChannelsLast.toFixed(2)}x; \`${t.command}\`, [results/training.json](results/training.json)).`;
}

interface Decided {
  readonly decision: string;
  readonly unit: string;
  readonly why?: string;
  readonly breakEven: Readonly<Record<'one' | 'batch', number | null>>;
  readonly sizes: readonly Measured[];
}

const ratio = (value: number | null): string => (value === null ? '-' : value > 100 ? '> 100x' : `${value}x`);

/** Sizes at which a decision guards enough, and the clock keeps too little all the same. */
function short(decisions: readonly Decided[]): string[] {
  const sides = { one: 'one image', batch: 'batches of 64' } as const;
  return decisions.flatMap(({ decision, sizes }) =>
    sizes.flatMap((s) =>
      (['one', 'batch'] as const).flatMap((side) => {
        const { worth, realisation: kept } = s[side];
        return worth !== null && worth >= LEAST_RATIO && kept < WANTED
          ? [`${decision} at ${s.size}, ${sides[side]}: ${kept.toFixed(2)} where it guards ${ratio(worth)}`]
          : [];
      }),
    ),
  );
}

/** Files whose branches have copies of shared weights, beside files that store every weight once. */
function stored(decisions: readonly Decided[]): string[] {
  const rows = decisions.flatMap(({ sizes }) =>
    sizes.flatMap(({ size, views }) => {
      if (!views) return [];
      const cells = ({ bytes, ms1, ms64 }: NonNullable<Measured['views']>['copies']) => [
        `${(bytes / 1e6).toFixed(1)} MB`,
        ms(ms1),
        ms(ms64),
      ];
      return [[String(size), ...cells(views.copies), ...cells(views.slices)]];
    }),
  );
  if (rows.length === 0) return [];
  const head = ['channels', 'copies', 'one image', 'batches of 64, each', 'slices', 'one image', 'batches of 64, each'];
  return ['Widths, stored in both ways:', '', table(head, rows), ''];
}

function realisation(): string {
  const { decisions, command, machine } = json<{ decisions: readonly Decided[]; command: string; machine: string }>(
    'decisions',
  );
  const cells = (side: Measured['one'], breakEven: number | null) => [
    // An own time near zero is within the noise of the clock.
    ratio(side.worth),
    side.realisation.toFixed(2),
    `${side.speedup.toFixed(2)}x`,
    breakEven === null ? 'none' : String(breakEven),
  ];
  const rows = decisions.flatMap(({ decision, unit, breakEven, sizes }) =>
    sizes.map((s, i) => [
      i === 0 ? `${decision} (${unit})` : '',
      String(s.size),
      ratio(s.planned),
      ...cells(s.one, breakEven.one),
      ...cells(s.batch, breakEven.batch),
    ]),
  );
  const whys = new Map<string, string[]>();
  for (const { decision, why } of decisions) if (why) whys.set(why, [...(whys.get(why) ?? []), decision]);
  const missed = short(decisions);
  return [
    `Measured on: ${machine}, one thread.`,
    '',
    table(
      [
        '',
        'size',
        'planned',
        'guards',
        'realisation',
        'speed-up',
        'pays from',
        'guards (64)',
        'realisation',
        'speed-up',
        'pays from',
      ],
      rows,
    ),
    '',
    ...[...whys].map(([why, names]) => `- ${names.join(', ')}: ${why}.`),
    '',
    ...(missed.length > 0
      ? [
          `Where a decision guards at least ${LEAST_RATIO} times its own time and the clock keeps less than ${WANTED} all the same:`,
          '',
        ]
      : [`Wherever a decision guards at least ${LEAST_RATIO} times its own time, the clock keeps at least ${WANTED}.`]),
    ...missed.map((m) => `- ${m}`),
    '',
    ...stored(decisions),
    `Made by \`${command}\` ([results/decisions.json](../results/decisions.json)).`,
  ].join('\n');
}

interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}
type Curves = Readonly<Record<string, { readonly lessRandom?: Interval }>>;

/** How maps are called on the page. */
const methods: Readonly<Record<string, string>> = {
  gradient: 'gradient',
  gradientTimesInput: 'gradient x input',
  smoothGrad: 'SmoothGrad',
  integratedGradients: 'integrated gradients',
  rise: 'RISE',
  edges: 'edges of the image (control)',
};

function saliency(): string {
  const { decisions, images, command } = json<{
    decisions: Readonly<Record<string, { readonly deletion: Curves; readonly insertion: Curves }>>;
    images: { readonly explained: number };
    command: string;
  }>('saliency');
  const interval = ({ mean, low, high }: Interval) => `${mean.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
  const names = Object.keys(decisions);
  const rows = Object.entries(methods).map(([key, name]) => [
    name,
    ...names.flatMap((d) =>
      [decisions[d]!.deletion, decisions[d]!.insertion].map((c) => interval(c[key]!.lessRandom!)),
    ),
  ]);
  return [
    `Area under the curve less that of random orders, ${images.explained} test images, 95 % intervals. Deletion should be below zero, insertion above it; an interval with zero in it is no better than chance.`,
    '',
    table(['', ...names.flatMap((d) => [`${d}, deletion`, 'insertion'])], rows),
    '',
    `Made by \`${command}\` ([results/saliency.json](../results/saliency.json)).`,
  ].join('\n');
}

interface AdaptedWay {
  readonly way: string;
  readonly fullModelKept: boolean;
  readonly macSpeedup: number;
  readonly oracleMacSpeedup: number;
  readonly times: readonly { readonly original: number; readonly speedup: number }[];
  readonly test: {
    readonly n: number;
    readonly agreement: number;
    readonly harm?: number;
    readonly accuracy?: { readonly original: number; readonly adapted: number };
  };
  readonly seconds: number;
  readonly peakMemoryMiB: number;
  readonly machine: string;
}

/** Of every model what was certified, in each way. */
function adapted(): string {
  const { models, command } = json<{
    models: Readonly<Record<string, Readonly<Record<string, AdaptedWay>>>>;
    command: string;
  }>('adapt');
  const speed = (v: number | undefined): string => (v === undefined ? '-' : `${v.toFixed(2)}x`);
  const sections = Object.entries(models).flatMap(([name, ways]) => {
    const all = Object.values(ways);
    const { test, times } = all[0]!;
    const accuracy = test.accuracy ? `, ${percent(test.accuracy.original)} right` : '';
    const machines = [...new Set(all.map((w) => w.machine))].join('; ');
    return [
      `\`${name}\`${accuracy}, ${ms(times[0]!.original)} for one image (measured on: ${machines}, one thread):`,
      '',
      table(
        [
          '',
          'form',
          'agrees',
          'harm',
          'right',
          'MACs',
          'perfect exits',
          'one image',
          'batches of 64',
          'took',
          'memory',
        ],
        Object.entries(ways).map(([way, w]) => [
          `${way} (n = ${w.test.n})`,
          w.fullModelKept ? 'original kept' : w.way,
          percent(w.test.agreement),
          percent(w.test.harm ?? null),
          percent(w.test.accuracy?.adapted ?? null),
          speed(w.macSpeedup),
          speed(w.oracleMacSpeedup),
          ...w.times.map((t) => speed(t.speedup)),
          `${w.seconds} s`,
          `${w.peakMemoryMiB} MiB`,
        ]),
      ),
      '',
    ];
  });
  return [...sections, `Made by \`${command}\` ([results/adapt.json](../results/adapt.json)).`].join('\n');
}

/** The generated sections of each page. */
const pages: Readonly<Record<string, Readonly<Record<string, () => string>>>> = {
  'README.md': { demo, training },
  'docs/adapt.md': { adapted },
  'docs/decisions.md': { realisation },
  'docs/explain.md': { saliency },
};

/** A page as the results say it should be. */
export function currentText(page: string): string {
  let text = read(page);
  for (const [name, write] of Object.entries(pages[page] ?? {}))
    text = text.replace(
      new RegExp(`(<!-- figures: ${name} -->\\n)[\\s\\S]*?(<!-- /figures -->)`),
      (_, open: string, close: string) => `${open}${write()}\n${close}`,
    );
  return text;
}

export const figurePages = Object.keys(pages);

if (process.argv[1]?.endsWith('figures.ts'))
  for (const page of figurePages) writeFileSync(new URL(`../${page}`, import.meta.url), currentText(page));
