import { existsSync, readFileSync } from 'node:fs';

/** Nets without decisions, trained like the demo's; made by `npm run bench`, too slow to train in the demo. */
export interface Baselines {
  readonly command: string;
  readonly commit: string;
  readonly machine: string;
  readonly seed: number;
  readonly epochs: number;
  /** The same architecture without exits. */
  readonly static: { readonly accuracy: number; readonly macs: number };
  /** A net without exits trained at about the dynamic net's mean MACs. */
  readonly sameMacs: { readonly accuracy: number; readonly macs: number };
}

/** The committed baselines of a data set, or undefined. */
export function baselinesOf(dataset: string): Baselines | undefined {
  const file = new URL('../../results/baselines.json', import.meta.url);
  if (!existsSync(file)) return undefined;
  return (JSON.parse(readFileSync(file, 'utf8')) as Record<string, Baselines>)[dataset];
}
