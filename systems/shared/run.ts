import { readFileSync } from 'node:fs';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Context } from './context.ts';
import { fromJson, toJson, writeWhole } from './context.ts';
import { cifarSplits } from './data.ts';
import { plotSvg } from './plot.ts';
import { backboneFolder, trainBackbone } from './static.ts';
import type { SystemResult, Works } from './system.ts';

export interface RunOptions extends Pick<Context, 'progress' | 'note' | 'signal' | 'threads'> {
  readonly quick: boolean;
  /** How many; 1, 2, ... */
  readonly seeds: number;
  /** Caches, plots, and the results of quick runs. */
  readonly out: string;
  /** Where `ID.json` of a full run goes; `weights/` there holds trainings that need not be done again. */
  readonly results: string;
  readonly machine: string;
  readonly commit: string;
}

export interface RunOutcome {
  readonly result: SystemResult;
  /** Files that were written: the result, and its plot. */
  readonly files: readonly string[];
}

const contextOf = ({ quick, seeds, out, results, progress, note, signal, threads }: RunOptions): Context => ({
  quick,
  seeds: Array.from({ length: seeds }, (_, i) => i + 1),
  cache: join(out, quick ? 'cache-quick' : 'cache'),
  progress,
  note,
  ...(quick ? {} : { weights: join(results, 'weights') }),
  ...(signal ? { signal } : {}),
  ...(threads === undefined ? {} : { threads }),
});

/**
 * Runs one system and writes what it found: `results/ID.json` of a full run; a quick one stays in the working folder.
 *
 * @throws whatever stops it; what was done until then is kept, and the same call goes on from there
 */
export async function runSystem(system: Works, options: RunOptions): Promise<RunOutcome> {
  const { quick, seeds, out, results, machine, commit } = options;
  const cx = contextOf(options);
  const findings = await system.run(cx);
  const result: SystemResult = {
    id: system.id,
    command: `dyna system ${system.id}${quick ? ' --quick' : ''} --seeds ${seeds}`,
    seeds: cx.seeds,
    quick,
    machine,
    commit,
    ...findings,
    notes: [
      ...findings.notes,
      ...(quick ? ['QUICK form: little data, a small net, one epoch; it proves only that the road is whole.'] : []),
    ],
  };
  const own = join(out, system.id);
  const path = quick ? join(own, 'quick.json') : join(results, `${system.id}.json`);
  await writeWhole(path, `${toJson(result)}\n`);
  const svg = await plotSvg(result, system.title);
  if (svg === undefined) return { result, files: [path] };
  const plot = join(own, quick ? 'quick.svg' : 'plot.svg');
  await mkdir(dirname(plot), { recursive: true });
  await writeFile(plot, svg);
  return { result, files: [path, plot] };
}

/** Trains what all systems share, alone: the backbone. A full one is laid beside the results, to be handed on with them. */
export async function trainShared(
  options: RunOptions,
): Promise<{ readonly accuracy: number; readonly seconds: number; readonly folder: string }> {
  const cx = contextOf(options);
  const { train } = await cifarSplits(cx);
  const { history, training } = await trainBackbone(cx, train);
  const kept = backboneFolder(cx, train)!;
  const folder = cx.weights === undefined ? kept : join(cx.weights, basename(kept));
  if (folder !== kept) await cp(kept, folder, { recursive: true });
  return { accuracy: history.at(-1)!.accuracy.final!, seconds: training.seconds, folder };
}

/** The committed or latest full result of a system, from the first folder that has one. */
export function readResult(id: string, folders: readonly (string | URL)[]): SystemResult | undefined {
  for (const folder of folders) {
    const path = folder instanceof URL ? new URL(`${id}.json`, folder) : join(folder, `${id}.json`);
    try {
      const found = fromJson(readFileSync(path, 'utf8')) as SystemResult;
      // A benchmark may have written figures of another form under this name.
      if (Array.isArray(found.contenders)) return found;
    } catch {
      // No result there.
    }
  }
  return undefined;
}
