import { operators, readableOperators } from '../../src/graph/index.ts';
import { countOf, passing, type StoredTallies, sum, type Tallies, type Tally, unstored } from './tally.ts';

/** What `results/conformance.json` holds, as far as the page needs it. */
export interface Results {
  readonly command: string;
  readonly machine: string;
  readonly suites: Readonly<Record<string, StoredTallies>>;
}

type Suites = Readonly<Record<string, Tallies>>;

const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [row(head), row(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(row)].join('\n');

const cases = (t: Tally): number =>
  passing(t).length + countOf(t.refused) + countOf(t.engine) + Object.keys(t.wrong).length;

const figures = (t: Tallies): number[] => [
  sum(t, cases),
  sum(t, (x) => passing(x).length),
  sum(t, (x) => x.stored),
  sum(t, (x) => countOf(x.refused)),
  sum(t, (x) => countOf(x.engine)),
  sum(t, (x) => Object.keys(x.wrong).length),
  sum(t, (x) => x.gradients.elements),
  sum(t, (x) => x.gradients.refused),
];

/** Operators that the reader has, and those whose expansion into others it reads. */
const isKnown = (suites: Suites, op: string): boolean =>
  readableOperators.includes(op) || sum(across(suites, op), (t) => passing(t).length) > 0;

/** The cases of one operator in all suites, one after the other. */
function across(suites: Suites, op: string): Tallies {
  return Object.fromEntries(
    Object.entries(suites).flatMap(([name, tallies]) => (tallies[op] ? [[name, tallies[op]]] : [])),
  );
}

function reasons(tallies: Tallies, kind: 'refused' | 'engine'): [string, number][] {
  const counts = new Map<string, number>();
  for (const tally of Object.values(tallies))
    for (const [why, n] of Object.entries(tally[kind])) counts.set(why, (counts.get(why) ?? 0) + n);
  return [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
}

const names = (list: readonly string[]): string => list.map((op) => `\`${op}\``).join(', ');
const listed = (op: string, reasonsOf: readonly [string, number][]): string[] =>
  reasonsOf.map(([why, n]) => `- \`${op}\`, ${n}: ${why.replaceAll('|', '\\|').replaceAll('<', '&lt;')}`);

/** `docs/conformance.md`, made from the results. */
export function conformancePage({ command, machine, suites: kept }: Results): string {
  const suites: Suites = Object.fromEntries(Object.entries(kept).map(([name, t]) => [name, unstored(t)]));
  const all = [...new Set(Object.values(suites).flatMap((t) => Object.keys(t)))].sort();
  const known = all.filter((op) => isKnown(suites, op));
  const foreign = all.filter((op) => !isKnown(suites, op));
  const plain = operators.filter((op) => !op.leaf && op.domain !== 'dynaneural').map((op) => op.name);
  const without = [...new Set([...plain, ...readableOperators])].filter((op) => !all.includes(op)).sort();
  const rest = foreign.reduce((n, op) => n + sum(across(suites, op), cases), 0);
  return `${[
    '# Conformance',
    '',
    `ONNX's own backend tests (\`node\`, \`simple\`, \`pytorch-operator\`, \`pytorch-converted\`), of several releases because each`,
    'holds the newest version of each operator only. Every case is read, its results inferred, written again and run in ONNX',
    "Runtime; values are compared with the case's own (floats to 1e-3 of the value or 1e-6, float16 to 1e-2, others exactly). Where a",
    'result is differentiable, the gradient of a random weighting of all results is compared with central differences of the same',
    'run, to 2 %, for up to ten elements of each input.',
    '',
    '- **pass**: element types, shapes and values are as the case says. **stored**: passes where the reader needs some inputs (axes,',
    '  shapes, limits) to be stored in the file, as exporters do; the case itself feeds them.',
    '- **refused**: the reader says no, in a sentence. **engine**: ONNX Runtime does not run the original either, or gives the same',
    '  other numbers for it. **wrong**: anything else; there must be none, and the test suite sees to it.',
    '- **gradients**: elements compared. Left out are elements beside a kink or a jump, and those whose gradient is NaN because a',
    '  value on the way is infinite or NaN (rows of attention that are masked whole); the results count both. **no gradient**:',
    '  inputs of passing cases for which the library says that it has none ([why](operators.md)).',
    '',
    'An operator that the reader does not have can still stand in the table: its cases come once more as a graph of simpler ones.',
    '',
    `Made by \`${command}\` on: ${machine} ([results/conformance.json](../results/conformance.json)). The tests come with the Python`,
    'package `onnx` (`DYNANEURAL_PYTHON`, else `python3`); `DYNANEURAL_ONNX_DATA` adds folders `onnx/backend/test/data` of other',
    'releases, separated by ":".',
    '',
    table(
      ['release', 'cases', 'pass', 'stored', 'refused', 'engine', 'wrong', 'gradients', 'no gradient'],
      Object.entries(suites).map(([name, tallies]) => [name, ...figures(tallies)]),
    ),
    '',
    '## By operator',
    '',
    `All releases together. ${rest} cases are about operators that the reader does not have: ${names(foreign)}.`,
    '',
    `Without a case: ${names(without)}. These have tests of their own.`,
    '',
    table(
      ['operator', 'cases', 'pass', 'stored', 'refused', 'engine', 'wrong', 'gradients', 'no gradient'],
      known.map((op) => [op, ...figures(across(suites, op))]),
    ),
    '',
    '## Refused, and why',
    '',
    ...known.flatMap((op) => listed(op, reasons(across(suites, op), 'refused'))),
    '',
    '## The engine',
    '',
    ...known.flatMap((op) => listed(op, reasons(across(suites, op), 'engine'))),
  ].join('\n')}\n`;
}
