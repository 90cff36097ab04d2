import { milliseconds, percent, type Summary, summaryTable, times } from '../report/index.ts';
import { table } from '../table.ts';

/** The summary for a terminal. */
export function summaryText(s: Summary, statement: string, out: string): string[] {
  const exits = s.exits.map((e) => [e.name, percent(e.share), percent(e.accuracy)]);
  return [
    '',
    ...table(summaryTable(s), { indent: 0 }),
    '',
    ...table([['exit', 'share', 'accuracy'], ...exits], { indent: 0 }),
    '',
    `speed-up: ${times(s.speedup1)} for one image, ${times(s.speedup64)} in batches of 64 (MACs: ${times(s.macSpeedup)})`,
    `realisation: ${s.realisation1.toFixed(3)} for one image, ${s.realisation64.toFixed(3)} in batches (one image, against cuts that run alone: ${s.realisation1Warm.toFixed(3)})`,
    `worst case: ${milliseconds(s.dynamic.ms1NobodyExits)} where nobody exits (static ${milliseconds(s.static.ms1)}); 95th percentile ${milliseconds(s.dynamic.ms1p95)}`,
    statement,
    ...s.notes,
    '',
    `${out}/report.html   ${out}/summary.json   ${out}/model.onnx`,
  ];
}
