import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const src = fileURLToPath(new URL('../src', import.meta.url));

/** From the bottom up; what stands in one line knows nothing of its neighbours. */
const floors = [
  ['errors.ts', 'version.ts', 'progress.ts', 'some.ts', 'table.ts'],
  ['files.ts'],
  ['lock.ts'],
  ['graph'],
  ['runtime'],
  ['provenance.ts'],
  ['nn'],
  ['data'],
  ['dynamic'],
  ['train'],
  ['deploy', 'explain', 'zoo', 'report'],
  ['demo', 'studio'],
  ['cli'],
  ['index.ts'],
];

const roomOf = (file: string): string => relative(src, file).split(sep)[0]!;
const level = (file: string): number => floors.findIndex((rooms) => rooms.includes(roomOf(file)));

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((f) => f.endsWith('.ts') && !f.endsWith('.test.ts') && !f.split(sep).includes('fixtures'))
  .map((f) => join(src, f));

/** Files of this package that a file imports, at once or later. */
const importsOf = (file: string): string[] =>
  [...readFileSync(file, 'utf8').matchAll(/(?:\bfrom|\bimport\(|^import) ?'(\.[^']+)'/gm)].map((m) =>
    join(dirname(file), m[1]!),
  );

test('every file has its floor', () => {
  expect(files.length).toBeGreaterThan(200);
  expect(files.filter((f) => level(f) < 0)).toEqual([]);
});

test('a floor imports only from floors below it', () => {
  const imports = files.flatMap((f) => importsOf(f).map((to) => [f, to] as const));
  expect(imports.length).toBeGreaterThan(500);
  const upward = imports.filter(([from, to]) => roomOf(from) !== roomOf(to) && level(to) >= level(from));
  expect(upward.map(([from, to]) => `${relative(src, from)} imports ${relative(src, to)}`)).toEqual([]);
});
