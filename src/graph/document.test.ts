import { expect, test } from 'vitest';
import { expectFile } from '../../test/graph/listing.ts';
import { operatorTable } from './document.ts';
import { operators } from './table.ts';

test('docs/operators.md is what the records say', () => {
  expectFile(new URL('../../docs/operators.md', import.meta.url).pathname, operatorTable());
});

test('the table has a line for each operator, and no line twice', () => {
  const lines = operatorTable()
    .split('\n')
    .filter((l) => l.startsWith('| '))
    .slice(2);
  expect(lines.length).toBe(operators.length);
  expect(new Set(lines.map((l) => l.split('|')[1])).size).toBe(operators.length);
  expect(lines.find((l) => l.startsWith('| Clip '))).toContain('0 yes, 1 no (Clip with a learned lower limit)');
  expect(lines.find((l) => l.startsWith('| Conv '))).toMatch(/^\| Conv +\| ONNX +\| yes +\| yes +\| yes +\| +\|$/);
});
