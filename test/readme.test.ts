import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { currentReadme } from '../bench/figures.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');

test('the figures of README.md are those of results/*.json', () => {
  expect(readme).toBe(currentReadme());
});

test('the front page compiles against the library', () => {
  const code = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
  const folder = mkdtempSync(join(root, 'test', '.page-'));
  try {
    writeFileSync(
      join(folder, 'page.ts'),
      `${code.replace("'dynaneural'", "'../../src/index.ts'")}\ndeclare const image: Uint8Array;\nexport { answers, trace };\n`,
    );
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: '../../tsconfig.json',
        compilerOptions: { noUnusedLocals: false },
        include: ['page.ts'],
      }),
    );
    const { status, stdout } = spawnSync('npx', ['tsc', '-p', folder], { cwd: root, encoding: 'utf8' });
    expect(stdout + status).toBe('0');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
