import { readdir, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import type { Net } from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import { makeFolder, readBytes, writeAtomic } from '../files.ts';
import { openTrained, type Trained } from '../train/index.ts';
import type { Context } from './context.ts';
import { fromJson, toJson } from './context.ts';
import { type NetSource, openNet } from './nets.ts';
import { openParts, type Parts, type SplitRecord } from './sets.ts';

const SCHEMA = 1;

/** What a training run was: `run.json`, from which every later command finds its net, its data and its parts again. */
export interface RunRecord {
  readonly schema: number;
  /** A built-in recipe, or a module's path as seen from the run folder. */
  readonly net: { readonly recipe: string } | { readonly module: string };
  /** An official set, or a folder's absolute path. */
  readonly data: string;
  readonly split: SplitRecord;
  /** Of one input, channels first, and how it is normalised. */
  readonly shape: readonly number[];
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly classes: readonly string[];
  readonly training: {
    readonly epochs: number;
    readonly batch: number;
    readonly lr?: number;
    readonly clip?: number;
    readonly seed: number;
    readonly crop?: number;
    readonly flip?: boolean;
    /** What another process needs to go on in the same way. */
    readonly threads?: number;
    readonly checkpointEvery?: number;
    readonly metrics?: string;
  };
}

/** The files of a run folder. */
export const filesOf = (folder: string) => ({
  record: join(folder, 'run.json'),
  checkpoint: join(folder, 'checkpoint'),
  trained: join(folder, 'trained'),
  certified: join(folder, 'certified.json'),
  model: join(folder, 'model.onnx'),
  metrics: join(folder, 'metrics.jsonl'),
});

export const exists = async (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

export const isRunFolder = (path: string): Promise<boolean> => exists(filesOf(path).record);

/** Whether a folder holds a run that would be lost if another one began there. */
export async function isStarted(folder: string): Promise<boolean> {
  const { trained, checkpoint } = filesOf(folder);
  const kept = await readdir(checkpoint).catch(() => []);
  return kept.length > 0 || exists(trained);
}

/** Writes a JSON file of a run folder, which is made where it is missing. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await makeFolder(dirname(path));
  await writeAtomic(path, `${toJson(value)}\n`);
}

/** Reads a JSON file of a run folder. */
export async function readJson(path: string): Promise<unknown> {
  try {
    return fromJson(new TextDecoder().decode(await readBytes(path)));
  } catch (cause) {
    if (cause instanceof SyntaxError) throw new DynaError('file', `${path} is damaged: it is not JSON`, { cause });
    throw cause;
  }
}

export const netRecord = (folder: string, { id, kind }: NetSource): RunRecord['net'] =>
  kind === 'recipe' ? { recipe: id } : { module: relative(resolve(folder), id) };

export const netName = (folder: string, net: RunRecord['net']): string =>
  'recipe' in net ? net.recipe : resolve(folder, net.module);

export const writeRecord = (folder: string, record: Omit<RunRecord, 'schema'>): Promise<void> =>
  writeJson(filesOf(folder).record, { schema: SCHEMA, ...record });

/** @throws DynaError 'file' where the folder holds no run, or one of a newer version */
export async function readRecord(folder: string): Promise<RunRecord> {
  const path = filesOf(folder).record;
  if (!(await exists(path)))
    throw new DynaError('file', `${folder} holds no training run (no run.json)`, { fix: 'make one with dyna train' });
  const record = ((await readJson(path)) ?? {}) as RunRecord;
  if (record.schema !== SCHEMA)
    throw new DynaError('file', `${path} has schema ${record.schema}, this version reads ${SCHEMA}`, {
      fix: 'use the version of dynaneural that wrote it',
    });
  requireFields(path, record, ['net', 'data', 'split', 'shape', 'mean', 'std', 'classes', 'training']);
  return record;
}

/** Refuses a record that was cut or altered by hand, by the name of what it lacks. */
export function requireFields<T extends object>(path: string, record: T, names: readonly (keyof T & string)[]): void {
  const missing = names.find((n) => record[n] === undefined || record[n] === null);
  if (missing) throw new DynaError('file', `${path} is damaged: it has no "${missing}"`, { fix: 'make it again' });
}

/** A run that is trained to its end. */
export interface Run {
  readonly folder: string;
  readonly record: RunRecord;
  readonly net: Net;
  readonly trained: Trained;
}

/** @throws DynaError 'file' where there is no run, 'training' where it is not finished or belongs to another net */
export async function openRun(folder: string): Promise<Run> {
  const record = await readRecord(folder);
  const { trained: path } = filesOf(folder);
  if (!(await exists(path)))
    throw new DynaError('training', `the run in ${folder} is not trained to its end`, {
      fix: `go on with: dyna train --out ${folder} --resume`,
    });
  const net = await buildNet(folder, record);
  return { folder, record, net, trained: await openTrained(path, net) };
}

export async function buildNet(folder: string, record: RunRecord): Promise<Net> {
  const source = await openNet(netName(folder, record.net));
  return source.build({ input: record.shape, classes: record.classes.length });
}

/** The four splits of a run, cut as they were when it was trained. */
export const runParts = (record: Omit<RunRecord, 'schema'>, cx: Context): Promise<Parts> =>
  openParts(
    record.data,
    record.split,
    { shape: record.shape, mean: record.mean, std: record.std, classes: record.classes },
    cx,
  );
