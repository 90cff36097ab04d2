import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Dataset, dataset, datasets, evenly, imageFolder, type Split, subset } from '../data/index.ts';
import { type Foreign, itemShape, statedPixels } from '../deploy/adapt/index.ts';
import { DynaError } from '../errors.ts';
import { readBytes } from '../files.ts';
import type { Context } from './context.ts';
import { ownLabels, withLabels } from './labels.ts';
import { readNpy } from './npy.ts';
import { official, officialPart } from './sets.ts';

/** How pixels become what a foreign model takes: (pixel * scale - mean) / std. */
export interface Normalisation {
  readonly scale?: number;
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
}

interface ImageRequest extends Normalisation {
  readonly limit?: number;
  readonly split?: Split;
  /** Where labels come from (see `withLabels`); without it those that lie with the images, where they are the model's. */
  readonly labels?: string;
}

/**
 * Opens inputs for a foreign model, brought to its size; labels are kept where the data has them.
 *
 * @throws DynaError 'usage' where nothing says how the model's inputs are normalised, 'data' for what does not fit
 */
export async function openImages(path: string, foreign: Foreign, request: ImageRequest, cx: Context): Promise<Dataset> {
  const ds = await read(path, foreign, request, cx);
  const floats = ds.inputs instanceof Float32Array;
  const known =
    request.labels === undefined
      ? (ownLabels(ds, foreign.classes) ?? { ...ds, classes: [], labels: new Int32Array(ds.length).fill(-1) })
      : await withLabels(ds, request.labels, foreign.classes);
  const fed = { ...known, ...normalisation(request, foreign, floats) };
  const { limit } = request;
  return limit === undefined || limit >= ds.length ? fed : subset(fed, evenly(ds.length, limit));
}

async function read(path: string, foreign: Foreign, { split = 'train' }: ImageRequest, cx: Context): Promise<Dataset> {
  const known = officialPart(path, split);
  if (known) return official(known.name, known.split, cx);
  const found = await stat(path).catch(() => undefined);
  const wanted = itemShape(foreign);
  if (found?.isDirectory()) {
    const [channels, height, width] = wanted as [number, number, number];
    if (channels !== 1 && channels !== 3)
      throw new DynaError('data', `the model takes ${channels} channels first, image files have 1 or 3`, {
        fix: 'give its inputs as a .npy file [n, C, H, W]',
      });
    return imageFolder(path, { size: [height, width], channels, mean: [0], std: [1], onNote: cx.note });
  }
  if (!found || !path.endsWith('.npy'))
    throw new DynaError(
      'usage',
      `images are expected as a folder, a .npy file or one of ${Object.keys(datasets).join(', ')}, ${found ? `and ${path} is neither` : `and there is nothing at ${resolve(path)}`}`,
    );
  const { dims, data } = readNpy(await readBytes(path), path);
  if (dims.length !== 4) throw new DynaError('data', `${path} should hold [n, C, H, W], got [${dims.join(', ')}]`);
  return dataset({ inputs: data, shape: dims.slice(1), name: path });
}

/** In the data sets' own units: of value / 255 for bytes. */
function normalisation(
  { scale, mean, std }: Normalisation,
  foreign: Foreign,
  floats: boolean,
): { mean: number[]; std: number[] } {
  const unit = floats ? 1 : 255;
  if (scale === undefined && mean === undefined && std === undefined) {
    if (floats) return { mean: [0], std: [1] };
    const stated = statedPixels(foreign);
    if (stated) return { mean: [...stated.mean], std: [...stated.std] };
    throw new DynaError('usage', 'the file does not say how pixels become its input', {
      fix: 'give --mean and --std (and --scale): the model takes (pixel * scale - mean) / std; --scale 1 is raw pixels',
    });
  }
  const factor = unit * (scale ?? (floats ? 1 : 1 / 255));
  const [m, s] = [mean ?? [0], std ?? [1]];
  const n = Math.max(m.length, s.length);
  const spread = (list: readonly number[]) => (list.length === 1 ? new Array<number>(n).fill(list[0]!) : list);
  return { mean: spread(m).map((v) => v / factor), std: spread(s).map((v) => v / factor) };
}
