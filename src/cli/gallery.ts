import { existsSync } from 'node:fs';
import { DynaError } from '../errors.ts';
import type { Progress } from '../progress.ts';

/** What the command line wants of the gallery, which stands outside of the library and uses it as everyone else does. */
export interface Gallery {
  readonly systems: readonly GallerySystem[];
  runSystem(system: GallerySystem, options: GalleryOptions): Promise<{ result: object; files: readonly string[] }>;
  trainShared(
    options: GalleryOptions,
  ): Promise<{ readonly accuracy: number; readonly seconds: number; readonly folder: string }>;
  readResult(id: string, folders: readonly (string | URL)[]): object | undefined;
  resultText(result: object): readonly string[];
  headline(result: object): string;
}

export interface GallerySystem {
  readonly id: string;
  readonly title: string;
  readonly claim: string;
  readonly state: 'works' | 'planned';
}

export interface GalleryOptions {
  readonly quick: boolean;
  readonly seeds: number;
  readonly out: string;
  readonly results: string;
  readonly machine: string;
  readonly commit: string;
  readonly progress: Progress;
  readonly note: (line: string) => void;
  readonly signal?: AbortSignal;
  readonly threads?: number;
}

const source = import.meta.url.endsWith('.ts');
/** Of the checkout or the installed package. */
const root = new URL('../../', import.meta.url);

/** Full results: those of the working folder, else the committed ones. */
export const resultFolders = (): readonly (string | URL)[] => ['results', new URL('results/', root)];

/** Loads the systems, which import this package by its name. */
export async function openGallery(): Promise<Gallery> {
  const at = new URL(source ? 'systems/index.ts' : 'dist/systems/index.js', root);
  try {
    return (await import(at.href)) as Gallery;
  } catch (cause) {
    if (existsSync(at)) throw cause;
    throw new DynaError('file', `the gallery of systems could not be loaded from ${at.pathname}`, {
      fix: 'build the package (npm run build)',
      cause,
    });
  }
}
