import { operators } from './table.ts';
import { noMacs, type Operator, type Rule } from './tensor.ts';

/** Cases of a differentiable operator that have no gradient and say so; the record cannot show them. */
const limits: Readonly<Record<string, string>> = {
  AveragePool: 'not with `ceil_mode`',
  Compress: 'along axis 0',
  Concat: 'along a known axis',
  GatherND: 'where the axes behind the first are known',
  Resize: '`nearest` by whole factors',
  Slice: 'along a known axis',
};

const kind = (rule: Rule): string =>
  rule === null ? 'zero' : typeof rule === 'function' ? 'yes' : `no (${rule.refuse})`;

/** One word where all inputs are alike, else each input by number. */
function gradientOf(op: Operator): string {
  const rules = typeof op.gradient === 'function' ? [op.gradient(0)] : op.gradient;
  const kinds = rules.map(kind);
  if (kinds.length === 0) return '';
  const same = kinds.every((k) => k === kinds[0]);
  const text = same ? kinds[0]! : kinds.map((k, i) => `${i} ${k}`).join(', ');
  const limit = limits[op.name];
  return limit ? `${text}; ${limit}` : text;
}

const differentiable = (op: Operator): boolean =>
  typeof op.gradient === 'function'
    ? typeof op.gradient(0) === 'function'
    : op.gradient.some((r) => typeof r === 'function');

const domain = (op: Operator): string => (op.leaf ? 'leaf' : op.domain || 'ONNX');

/**
 * The operators of the library as a Markdown table, made from their records.
 *
 * @example writeFileSync('docs/operators.md', operatorTable())
 */
export function operatorTable(): string {
  const rows = operators.map((op) => {
    const name = op.couplesBatch ? `${op.name} (training)` : op.name;
    const second = differentiable(op) ? 'yes' : '';
    const macs = op.macs === noMacs ? '' : 'yes';
    const folds = op.evaluate && !op.leaf ? 'yes' : '';
    return [name, domain(op), gradientOf(op), second, macs, folds];
  });
  const table = [['Operator', 'Domain', 'Gradient', 'Second', 'MACs', 'Folds'], ...rows];
  const widths = table[0]!.map((_, i) => Math.max(...table.map((cells) => cells[i]!.length)));
  const line = (cells: readonly string[]): string => `| ${cells.map((c, i) => c.padEnd(widths[i]!)).join(' | ')} |`;
  const [head, ...body] = table.map(line);
  return [
    '# Operators',
    '',
    "Made from the operators' own records (`src/graph/ops`) by `operatorTable()`; the test suite keeps it up to date.",
    '',
    '- **Gradient**: `yes`; `zero` where the derivative is zero almost everywhere; `no` with the reason, which is also what',
    '  the error says. Where inputs differ, each by its number.',
    '- **Second**: the gradient can be differentiated again.',
    '- **MACs**: counts multiply-accumulates. **Folds**: evaluated while a graph is simplified, where all inputs are constants.',
    '',
    head,
    line(widths.map((w) => '-'.repeat(w))),
    ...body,
    '',
  ].join('\n');
}
