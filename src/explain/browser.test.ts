import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build, type Rollup } from 'vite';
import { expect, it } from 'vitest';

/** What a page gets that imports a file, minified. */
async function bundled(file: string): Promise<string> {
  const results = (await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      lib: { entry: fileURLToPath(new URL(file, import.meta.url)), formats: ['es'], fileName: 'page' },
      rollupOptions: { external: /^node:/ },
    },
  })) as Rollup.RollupOutput[];
  return results.flatMap(({ output }) => output.map((o) => (o.type === 'chunk' ? o.code : ''))).join('\n');
}

it.each([
  ['./algorithms.ts', 10],
  ['./gradient.ts', 100],
])('%s runs in a page: no Node, no engine, at most %i kB', { timeout: 30_000 }, async (file, most) => {
  const code = await bundled(file);
  expect(code.length).toBeGreaterThan(1000);
  expect(code.match(/.{0,60}(["']node:|onnxruntime|\bprocess\.versions|\brequire\().{0,60}/g) ?? []).toEqual([]);
  expect(gzipSync(code).length).toBeLessThan(most * 1000);
});
