import type { Dataset } from '../data/index.ts';
import { type ModelCard, toBytes } from '../deploy/index.ts';
import { DynaError } from '../errors.ts';
import { isFolder, readBytes } from '../files.ts';
import { formatShape, type NDArray, sameShape } from '../graph/index.ts';
import { openModel } from './certified.ts';
import type { Context } from './context.ts';
import { isRunFolder, openRun, type Run, runParts } from './run-folder.ts';
import { openTest, requireLabels } from './sets.ts';

/** A model as commands name it: a file, or the folder of a run. */
export interface Source {
  readonly bytes: Uint8Array;
  /** Where the model was named by its run. */
  readonly run?: Run;
}

/** @throws DynaError 'file' where there is nothing, or a folder without a run */
export async function openSource(path: string): Promise<Source> {
  if (await isRunFolder(path)) {
    const run = await openRun(path);
    return { bytes: toBytes(await openModel(run)), run };
  }
  if (await isFolder(path))
    throw new DynaError('file', `${path} is a folder without a training run (no run.json)`, {
      fix: 'name a run folder or an ONNX file',
    });
  return { bytes: await readBytes(path) };
}

/** Puts the model's name before what was wrong with it. */
export async function naming<T>(path: string, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // A file's error names the file.
    if (!(error instanceof DynaError) || error.code === 'usage' || error.code === 'file') throw error;
    throw new DynaError(error.code, `${path}: ${error.message}`, { cause: error });
  }
}

/**
 * The data that a model is reported on: a named set's test split, or what its run held back for that.
 *
 * @param labels whether they are needed; times and pictures can do without
 * @throws DynaError 'usage' where neither is known, 'data' where it does not fit the model
 */
export async function testData(
  data: string | undefined,
  { run }: Source,
  { preprocessing, classes }: ModelCard,
  cx: Context,
  labels: 'needed' | 'optional' = 'needed',
): Promise<Dataset> {
  const { shape, mean, std } = preprocessing;
  const like = { shape, mean, std, classes };
  const own = run?.record;
  if (data === undefined && !own)
    throw new DynaError('usage', 'a file does not say which data it was trained on', {
      fix: 'give --data fashion-mnist, mnist, cifar10 or a folder of images',
    });
  const ds =
    data === undefined && own?.split.test !== undefined
      ? await (await runParts(own, cx)).test()
      : await openTest(data ?? own!.data, like, cx);
  if (!sameShape(shape, ds.shape))
    throw new DynaError(
      'data',
      `the model takes inputs ${formatShape(shape)}, ${ds.name} has ${formatShape(ds.shape)}`,
    );
  if (ds.classes.length === 0 && labels === 'optional') return ds;
  requireLabels(ds);
  if (ds.classes.length !== classes.length)
    throw new DynaError(
      'data',
      `the model answers with ${classes.length} classes, ${ds.name} has ${ds.classes.length}`,
    );
  if (ds.classes.some((c, i) => c !== classes[i]))
    cx.note(
      `the class names of ${ds.name} differ from the model's (e.g. "${ds.classes[0]}" for "${classes[0]}"): is it the right data?`,
    );
  return ds;
}

/** Items `from` to `from + n`, as raw bytes (all sets that a command line can name hold bytes): the model normalises them. */
export function rawRows(ds: Dataset, from: number, n: number): NDArray {
  const size = ds.inputs.length / ds.length;
  return { dtype: 'uint8', dims: [n, ...ds.shape], data: ds.inputs.subarray(from * size, (from + n) * size) };
}
