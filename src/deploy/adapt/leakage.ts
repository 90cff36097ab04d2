import { createHash } from 'node:crypto';
import type { Dataset } from '../../data/index.ts';
import { DynaError } from '../../errors.ts';
import { sizeOf } from '../../graph/index.ts';

/** Data sets hold a few images twice; more of them is a mistake. */
const MOST_SHARED = 0.01;

/** Hashes of the images as they are stored. */
function* hashes({ inputs, shape, length }: Dataset): Generator<string> {
  const size = sizeOf(shape) * inputs.BYTES_PER_ELEMENT;
  const bytes = new Uint8Array(inputs.buffer, inputs.byteOffset, inputs.byteLength);
  for (let i = 0; i < length; i++)
    yield createHash('sha1')
      .update(bytes.subarray(i * size, (i + 1) * size))
      .digest('base64');
}

/**
 * What proves a bound has to be new to what learned: refuses images of `data` that stand among others too, or that it holds
 * several times, because then its parts share them.
 *
 * @param others by the role that they have
 * @returns a remark on the few that any data set may hold twice
 * @throws DynaError 'data' where more than one in a hundred does
 */
export function checkLeakage(data: Dataset, others: Readonly<Record<string, Dataset | undefined>> = {}): string[] {
  const own = new Set(hashes(data));
  const repeated = data.length - own.size;
  const remarks = repeated === 0 ? [] : [`${repeated} of the ${data.length} images of data are copies of others`];
  if (repeated > MOST_SHARED * data.length)
    throw new DynaError('data', `${remarks[0]}, but what proves the bound must be new to all else`, {
      fix: 'give each image once: copies prove nothing',
    });
  for (const [role, ds] of Object.entries(others)) {
    if (!ds) continue;
    const twice = new Set<string>();
    for (const hash of hashes(ds)) if (own.has(hash)) twice.add(hash);
    if (twice.size === 0) continue;
    const said = `${twice.size} of the ${data.length} images of data are in ${role} too`;
    if (twice.size > MOST_SHARED * Math.min(data.length, ds.length))
      throw new DynaError('data', `${said}, but what proves the bound must be new to all else`, {
        fix: 'give other images; sets that are known by name have two parts, such as cifar10 and cifar10:test',
      });
    remarks.push(said);
  }
  return remarks;
}
