import type { Summary } from '../report/index.ts';

const percent = (v: number | null): string => (v === null || Number.isNaN(v) ? '-' : `${(100 * v).toFixed(2)} %`);
const ms = (v: number): string => (v < 0.1 ? `${(1000 * v).toFixed(0)} us` : `${v.toFixed(3)} ms`);
const million = (v: number | null): string => (v === null ? '-' : `${(v / 1e6).toFixed(1)} M`);

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, c) => Math.max(...rows.map((r) => r[c]!.length)));
  return rows.map((r) =>
    r.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!))).join('  '),
  );
}

/** The summary for a terminal. */
export function summaryText(s: Summary, statement: string, out: string): string[] {
  const row = (name: string, r: Summary['full']) => [name, percent(r.accuracy), million(r.macs), ms(r.ms1), ms(r.ms64)];
  return [
    '',
    ...aligned([
      ['', 'accuracy', 'MACs', 'one image', 'of 64, each'],
      row('static (trained without exits)', s.static),
      row('full (nobody exits)', s.full),
      row('dynamic', s.dynamic),
      ['same MACs, static', percent(s.baseline.sameMacs.accuracy), million(s.baseline.sameMacs.macs), '', ''],
    ]),
    '',
    ...aligned([['', 'share', 'accuracy'], ...s.exits.map((e) => [e.name, percent(e.share), percent(e.accuracy)])]),
    '',
    `speed-up: ${s.speedup1.toFixed(2)}x for one image, ${s.speedup64.toFixed(2)}x in batches of 64 (MACs: ${s.macSpeedup.toFixed(2)}x)`,
    `realisation: ${s.realisation1.toFixed(3)} for one image, ${s.realisation64.toFixed(3)} in batches`,
    `worst case: ${ms(s.dynamic.ms1NobodyExits)} where nobody exits (static ${ms(s.static.ms1)}); 95th percentile ${ms(s.dynamic.ms1p95)}`,
    statement,
    ...s.notes,
    '',
    `${out}/report.html   ${out}/summary.json   ${out}/model.onnx`,
  ];
}
