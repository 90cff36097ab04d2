import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DynaError } from '../errors.ts';
import { fileError, writeAtomic } from '../files.ts';
import type { Arrays } from '../runtime/index.ts';
import { decodeState, encodeState } from './container.ts';
import type { MeterState } from './meter.ts';
import type { Recipe } from './recipe.ts';
import type { EpochMetrics } from './types.ts';

/** What bit-equality also depends on, besides the recipe. */
export interface Machine {
  readonly engine: string;
  readonly cpu: string;
  readonly cores: number;
  /** As asked for: 0 lets the engine choose. */
  readonly threads: number;
}

/** A training after `step` steps. Shuffles, augmentation and noise are drawn from (seed, step), so this is all. */
export interface Checkpoint {
  readonly step: number;
  readonly epochs: number;
  readonly recipe: Recipe;
  readonly rates: string;
  readonly machine: Machine;
  /** The epochs that are complete. */
  readonly history: readonly EpochMetrics[];
  /** Sums over the epoch that is not. */
  readonly meter: MeterState;
  readonly state: Arrays;
}

const KIND = 'checkpoint';
const NAME = 'checkpoint.dyna';
const PREVIOUS = 'previous.dyna';

export const checkpointPath = (folder: string): string => resolve(folder, NAME);

/**
 * Writes the checkpoint of a folder; the one before is kept beside it.
 *
 * @throws DynaError 'file' when it cannot be written; the old one is whole then
 */
export async function saveCheckpoint(folder: string, { state, ...meta }: Checkpoint): Promise<string> {
  const path = checkpointPath(folder);
  await writeAtomic(path, encodeState(KIND, meta, Object.entries(state)), join(folder, PREVIOUS));
  return path;
}

async function readCheckpoint(path: string): Promise<Checkpoint | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fileError(`${path} could not be read`, cause);
  }
  const { meta, tensors } = decodeState(KIND, bytes, path);
  return { ...(meta as Omit<Checkpoint, 'state'>), state: Object.fromEntries(tensors) };
}

/**
 * The newest good checkpoint of a folder; undefined where there is none. A damaged one gives way to the one before it, which
 * `warn` is told.
 *
 * @throws DynaError 'file' when there are only damaged ones
 */
export async function openCheckpoint(
  folder: string,
  warn: (message: string) => void,
): Promise<{ path: string; checkpoint: Checkpoint } | undefined> {
  let damage: unknown;
  for (const path of [checkpointPath(folder), resolve(folder, PREVIOUS)]) {
    try {
      const checkpoint = await readCheckpoint(path);
      if (!checkpoint) continue;
      if (damage) warn(`${(damage as Error).message}; continuing from the one before it, step ${checkpoint.step}`);
      return { path, checkpoint };
    } catch (error) {
      damage ??= error;
    }
  }
  if (damage instanceof DynaError)
    throw new DynaError('file', damage.message, {
      fix: damage.fix ?? 'no earlier checkpoint is left; remove the file to start anew',
      cause: damage,
    });
  if (damage) throw damage;
  return undefined;
}

/** What bit-equality with an unbroken run cannot be promised for, in words; empty where it can. */
export function machineChanges(then: Machine, now: Machine): string[] {
  const keys = Object.keys(now) as (keyof Machine)[];
  return keys.filter((k) => then[k] !== now[k]).map((k) => `${k} (${then[k]}, now ${now[k]})`);
}
