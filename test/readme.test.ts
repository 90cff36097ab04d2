import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { cliPage } from '../bench/cli.ts';
import { currentText, figurePages } from '../bench/figures.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
test.each(figurePages)('the figures of %s are those of results/*.json', (page) => {
  const text = readFileSync(join(root, page), 'utf8');
  expect(text).toContain('<!-- figures: ');
  expect(text).toBe(currentText(page));
});

test('docs/cli.md is what the commands say of themselves', () => {
  expect(readFileSync(join(root, 'docs/cli.md'), 'utf8')).toBe(cliPage());
});

/** The TypeScript of a page, as one module. */
const codeOf = (page: string): string =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)].map((m) => m[1]).join('\n');

test('the code of the pages compiles against the library', () => {
  const folder = mkdtempSync(join(root, 'test', '.page-'));
  try {
    const pages = {
      'README.md': '\ndeclare const image: Uint8Array;\nexport { answers, trace };\n',
      'docs/decisions.md': '\ndeclare const image: Uint8Array;\nexport { answers, fixed };\n',
      'docs/library.md': '\nexport { points, chosen, fullMacs };\n',
    };
    for (const [page, rest] of Object.entries(pages)) {
      const code = codeOf(page);
      expect(code.length).toBeGreaterThan(500);
      const name = page.replaceAll('/', '-').replace('.md', '.ts');
      writeFileSync(
        join(folder, name),
        code
          .replaceAll("'dynaneural'", "'../../src/index.ts'")
          .replaceAll(/'dynaneural\/(\w+)'/g, "'../../src/$1/index.ts'") + rest,
      );
    }
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: '../../tsconfig.json',
        compilerOptions: { noUnusedLocals: false },
        include: ['*.ts'],
      }),
    );
    const { status, stdout } = spawnSync('npx', ['tsc', '-p', folder], { cwd: root, encoding: 'utf8' });
    expect(stdout + status).toBe('0');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** What takes time or a network; everything else on the page is the library's own. */
const shim = `
export * from '../../src/index.ts';
const same = async (model) => model;
export const train = async (net) => ({ net, weights: new Map() });
export { same as certify, same as recalibrate };
export const save = async () => {};
export const load = async () => ({ run: async () => ({ answers: [] }) });
export const cifar10 = async () => ({});
export const splitDataset = () => ({ train: {}, tune: {}, certify: {} });
`;

test('the nets of the page on decisions are traced as they stand there', async () => {
  const folder = mkdtempSync(join(root, 'test', '.page-'));
  try {
    writeFileSync(join(folder, 'shim.mjs'), shim);
    const code = codeOf('docs/decisions.md')
      .replaceAll("'dynaneural'", "'./shim.mjs'")
      .replaceAll(/'dynaneural\/(\w+)'/g, "'../../src/$1/index.ts'");
    const path = join(folder, 'page.ts');
    writeFileSync(path, `const image = new Uint8Array();\n${code}\nexport { fixed };\n`);
    const page = (await import(path)) as Record<string, { readonly output?: object }>;
    const nets = Object.values(page).filter((v) => v?.output);
    expect(nets.length).toBeGreaterThan(5);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
