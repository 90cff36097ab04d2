import type { Contender, Figure, Stat, SystemResult, Wanted } from './system.ts';

const spread = ({ sd, n }: Stat, digits: number, scale = 1): string =>
  n > 1 ? ` ± ${(scale * sd).toFixed(digits)}` : '';

export const percent = (s: Stat | null): string => (s ? `${(100 * s.mean).toFixed(2)}${spread(s, 2, 100)} %` : '-');
export const million = (s: Stat | null): string => (s ? `${(s.mean / 1e6).toFixed(1)} M` : '-');
export const ms = (s: Stat | undefined): string => (s ? s.mean.toFixed(3) : '');

/** A figure with its unit. */
export function figureText({ value, unit }: Figure): string {
  if (!Number.isFinite(value.mean)) return 'never';
  if (unit === '%') return percent(value);
  if (unit === 'points') return `${(100 * value.mean).toFixed(2)}${spread(value, 2, 100)} points`;
  const digits = unit === 'epochs' || unit === 's' ? 1 : unit === 'ms' ? 3 : 2;
  const number =
    Math.abs(value.mean) < 1e-3 && value.mean !== 0 ? value.mean.toExponential(1) : value.mean.toFixed(digits);
  return `${number}${spread(value, digits)}${unit === 'x' ? 'x' : unit === '' ? '' : ` ${unit}`}`;
}

/** Whether a figure is what was wanted, and by how much it falls short. */
export function wantedText({ figure, least }: Wanted, figures: readonly Figure[]): string {
  const found = figures.find((f) => f.name === figure);
  if (!found) return `${figure}: not measured`;
  const text = (mean: number) => figureText({ ...found, value: { mean, sd: 0, n: 1 } });
  const { mean } = found.value;
  const so = mean >= least ? 'reached' : `short by ${text(least - mean)}`;
  return `${figure}: ${figureText(found)}, wanted at least ${text(least)}: ${so}`;
}

export const headOf = ({ measure = 'accuracy' }: Pick<SystemResult, 'measure'>): string[] => [
  '',
  measure,
  'MACs',
  'ms, one image',
  'ms, batches of 64',
  'p95',
  'worst case',
];

/** One contender's row of the table; its cells stand under `headOf`. */
export const rowOf = (c: Contender): string[] => [
  c.role === 'dynamic' ? c.name : `${c.name} (${c.role})`,
  percent(c.accuracy),
  million(c.macs),
  ms(c.ms1),
  ms(c.ms64),
  ms(c.p95),
  ms(c.worst),
];

/** What one line says of a result. */
export function headline(result: object): string {
  const { figures, headline: names, seeds } = result as SystemResult;
  const told = names.flatMap((name) => figures.filter((f) => f.name === name).map((f) => `${name} ${figureText(f)}`));
  return `${told.join('; ')} (${seeds.length} seed${seeds.length === 1 ? '' : 's'})`;
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}

const MARKS = 'abcdefghijklmnopqrstuvwxyz';

/** Accuracy over MACs in letters, for a terminal. */
function chart({ curve }: SystemResult, width = 60, height = 14): string[] {
  if (curve.length === 0) return [];
  const series = [...new Set(curve.map((p) => p.series))];
  const range = (values: readonly number[]) => [Math.min(...values), Math.max(...values)] as const;
  const [x0, x1] = range(curve.map((p) => p.macs));
  const [y0, y1] = range(curve.map((p) => p.accuracy));
  const grid = Array.from({ length: height }, () => new Array<string>(width).fill(' '));
  const at = (v: number, low: number, high: number, cells: number) =>
    high > low ? Math.round(((v - low) / (high - low)) * (cells - 1)) : 0;
  for (const p of curve)
    grid[height - 1 - at(p.accuracy, y0, y1, height)]![at(p.macs, x0, x1, width)] = MARKS[series.indexOf(p.series)]!;
  const label = (i: number) => (i === 0 ? y1 : i === height - 1 ? y0 : undefined);
  return [
    ...grid.map(
      (row, i) =>
        `${(label(i) === undefined ? '' : `${(100 * label(i)!).toFixed(1)} %`).padStart(8)} |${row.join('').trimEnd()}`,
    ),
    `${' '.repeat(9)}+${'-'.repeat(width)}`,
    `${' '.repeat(9)} ${`${(x0 / 1e6).toFixed(0)} M`.padEnd(width - 12)}${`${(x1 / 1e6).toFixed(0)} M MACs`.padStart(12)}`,
    ...series.map((s, i) => `${' '.repeat(10)}${MARKS[i]} ${s}`),
  ];
}

/** A result for a terminal: contenders, figures, spread, curve, notes. */
export function resultText(given: object): readonly string[] {
  const result = given as SystemResult;
  const { data, machine, contenders, figures, spread: spreads, notes } = result;
  return [
    `${data}; ${machine}`,
    '',
    ...table([headOf(result), ...contenders.map(rowOf)]),
    '',
    ...table(figures.map((f) => [f.name, figureText(f)])),
    ...(spreads.length > 0 ? ['', ...spreads.map(spreadText)] : []),
    ...(result.curve.length > 0 ? ['', ...chart(result)] : []),
    ...(notes.length > 0 ? ['', ...notes] : []),
  ];
}

export const spreadText = (s: SystemResult['spread'][number]): string =>
  `${s.name}: ${s.dynamic ? '' : 'STATIC, choices do not depend on the input: '}${s.paths} ways, ${s.bits.toFixed(2)} bits; ${Object.entries(
    s.rates,
  )
    .map(([option, rate]) => `${option} ${(100 * rate).toFixed(1)} %`)
    .join(', ')}`;
