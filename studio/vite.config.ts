import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/**
 * Files of the library that the page shares import Node's modules for functions that the page never calls. They fall
 * away when the page is built; whatever did not would say so when it is used.
 */
const withoutNode = (): Plugin => ({
  name: 'without-node',
  enforce: 'pre',
  resolveId: (id) => (/^(node:.*|sharp|onnxruntime-node)$/.test(id) && id !== 'node:crypto' ? '\0absent' : null),
  load: (id) =>
    id === '\0absent'
      ? {
          code: `export default new Proxy({}, { get(_, name) { throw new Error(String(name) + ' is not there in a browser') } })`,
          syntheticNamedExports: true,
          moduleSideEffects: false,
        }
      : null,
});

/** Many web servers do not know .mjs. */
const assetFileNames = ({ names }: { readonly names: string[] }): string =>
  names[0]?.endsWith('.mjs') ? 'assets/[name]-[hash].js' : 'assets/[name]-[hash][extname]';

export default defineConfig({
  root: here('.'),
  base: './',
  plugins: [withoutNode()],
  resolve: {
    // The engine's own file, loaded beside the page: bundled, its threads would start this page's worker again.
    conditions: ['onnxruntime-web-use-extern-wasm', 'import', 'module', 'browser', 'default'],
    alias: { 'node:crypto': here('src/engine/crypto.ts') },
  },
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  worker: { format: 'es', plugins: () => [withoutNode()], rollupOptions: { output: { assetFileNames } } },
  build: {
    outDir: here('../dist/studio/page'),
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800,
    rollupOptions: { output: { assetFileNames } },
  },
});
