import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { commit, machine } from '../src/provenance.ts';

const folder = new URL('../results/', import.meta.url);

/** Writes `results/NAME.json`, with where and how the figures were made. */
export async function writeResult(name: string, command: string, figures: object): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const result = { command, machine: await machine(), commit: commit(), ...figures };
  const path = fileURLToPath(new URL(`${name}.json`, folder));
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
  console.log(`results/${name}.json`);
}

export function readResult(name: string): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8')) as Record<string, unknown>;
  } catch {
    return {};
  }
}
