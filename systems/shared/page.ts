import type { System, SystemResult, Works } from './system.ts';
import { figureText, headOf, rowOf, spreadText, wantedText } from './text.ts';

const line = (cells: readonly string[]): string => `| ${cells.map((c) => c.replaceAll('|', '\\|')).join(' | ')} |`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)];
}

/** One system that works: what the field claims, and what came out here beside its baselines. */
function section(system: Works, result: SystemResult | undefined): string[] {
  const head = [
    `## ${system.id}: ${system.title}`,
    '',
    `- The field's claim: ${system.claim}`,
    `- Anchors: ${system.anchors}`,
    `- Built: ${system.builds}`,
    `- Measured: ${system.metric}`,
    '',
  ];
  if (!result) return [...head, `No committed result yet; \`dyna system ${system.id}\` makes it.`, ''];
  const { wanted = [] } = system;
  const { contenders, figures, spread, notes, data, machine, commit, command, seeds, curve } = result;
  return [
    ...head,
    `${data}; ${seeds.length} seed${seeds.length === 1 ? '' : 's'} of the decision phase; ${machine}; commit ${commit}.`,
    '',
    ...table(headOf(result), contenders.map(rowOf)),
    '',
    ...table(
      ['figure', 'value', 'remark'],
      figures.map((f) => [f.name, figureText(f), f.note ?? '']),
    ),
    '',
    ...(wanted.length > 0
      ? ['What it was to reach:', '', ...wanted.map((w) => `- ${wantedText(w, figures)}`), '']
      : []),
    ...(spread.length > 0
      ? ['How choices differ across inputs:', '', ...spread.map((s) => `- ${spreadText(s)}`), '']
      : []),
    ...(curve.length > 0 ? [`![${result.measure ?? 'accuracy'} over MACs](systems/${system.id}.svg)`, ''] : []),
    ...(notes.length > 0 ? [...notes.map((n) => `- ${n}`), ''] : []),
    `Made by \`${command}\` ([results/${system.id}.json](../results/${system.id}.json)).`,
    '',
  ];
}

/** docs/systems.md: every system, with its committed result where there is one. */
export function galleryPage(systems: readonly System[], resultOf: (id: string) => SystemResult | undefined): string {
  const working = systems.filter((s) => s.state === 'works');
  const planned = systems.filter((s) => s.state === 'planned');
  return [
    '# Systems',
    '',
    '<!-- Made by `npm run figures` from systems/ and results/; changes belong there. -->',
    '',
    'What the field of dynamic networks claims, built with this library and measured against honest baselines. `dyna systems` lists',
    'them, `dyna system ID` runs one (`--quick`: about a minute, proves only that the road is whole).',
    '',
    'Figures with "±" are means and standard deviations over seeds of the decision phase; the static backbone is trained once. Times are',
    'taken in turns in one process, one thread. _static_: the same architecture trained without decisions; _same-macs_: a smaller static',
    "net that costs no less than the dynamic rows which are compared with it, trained as long; _random_, _constant_, _oracle_: the net's own ways dealt out without",
    'looking, the best one of them for all, and the cheapest one that is right; _worst case_: an image that takes the full path through',
    'all decisions. Each dynamic net took turns with the static one; speed-ups are of those turns, while the table shows the static',
    'times of the first dynamic net only, so quotients of its rows differ a little. Claims marked "~" have no public source.',
    '',
    'The backbone that early-exit, adaptive-depth and dynstatic start from lies in `results/weights` (kernels in 16 bits), so that a checkout need not train it',
    'again; `dyna system backbone` makes it where it is missing. A result is of the commit that it names; the backbone may have changed since.',
    '',
    ...working.flatMap((s) => section(s, resultOf(s.id))),
    '## Planned',
    '',
    ...table(
      ['system', 'claim', 'what is to be built', 'anchors', 'measured by'],
      planned.map((s) => [`${s.id}: ${s.title}`, s.claim, s.builds, s.anchors, s.metric]),
    ),
    '',
  ].join('\n');
}
