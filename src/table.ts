import { stripVTControlCharacters } from 'node:util';

export interface TableOptions {
  /** Columns that stand to the left; all others are figures and stand to the right. Default: the first. */
  readonly left?: readonly number[];
  readonly indent?: number;
}

/**
 * Aligned columns, two spaces apart; colours in cells do not count.
 *
 * @example table([['exit', 'share'], ['exit1', '40.2 %']])
 */
export function table(rows: readonly (readonly string[])[], { left = [0], indent = 2 }: TableOptions = {}): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, width(cell));
  return rows.map((row) => {
    const cells = row.map((cell, i) => {
      const space = ' '.repeat(widths[i]! - width(cell));
      return left.includes(i) ? cell + space : space + cell;
    });
    return `${' '.repeat(indent)}${cells.join('  ')}`.trimEnd();
  });
}

const width = (cell: string): number => stripVTControlCharacters(cell).length;
