import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect } from 'vitest';
import { order, type Tensor } from '../../src/graph/index.ts';

const value = (v: unknown): unknown =>
  ArrayBuffer.isView(v) ? Array.from(v as unknown as ArrayLike<number | bigint>, String).join(' ') : v;

/** A graph as one line a node: number, place, operator, inputs, attributes, results. */
export function listing(outputs: Readonly<Record<string, Tensor>>): string {
  const nodes = order(Object.values(outputs));
  const places = new Map(nodes.map((n, i) => [n, i]));
  const name = (t: Tensor | undefined): string =>
    t ? `%${places.get(t.node)}${t.node.outputs.length > 1 ? `.${t.index}` : ''}` : '-';
  const lines = nodes.map((n, i) => {
    const attrs = JSON.stringify(n.attrs, (_, v) => value(v)).replaceAll('"', '');
    const types = n.outputs.map((t) => `${t.dtype}[${t.shape.join(', ')}]`).join(' ');
    const place = n.scope ? `${n.scope}/` : '';
    return `%${i} = ${place}${n.op.name}(${n.inputs.map(name).join(', ')}) ${attrs} : ${types}`;
  });
  const results = Object.fromEntries(Object.entries(outputs).map(([key, t]) => [key, name(t)]));
  return `${JSON.stringify({ nodes: lines, results }, null, 1)}\n`;
}

/** Compares with a file byte for byte; `UPDATE_GOLDEN=1` writes it instead. */
export function expectFile(path: string, text: string): void {
  if (process.env.UPDATE_GOLDEN === '1') {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  expect(existsSync(path), `${path} is missing; run the tests with UPDATE_GOLDEN=1`).toBe(true);
  expect(text, `${path} differs; if that is meant, run the tests with UPDATE_GOLDEN=1`).toBe(
    readFileSync(path, 'utf8'),
  );
}
