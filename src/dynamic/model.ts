import { createHash } from 'node:crypto';
import type { NDArray } from '../graph/index.ts';
import type { Certificate, OperatingPoint } from './certify/index.ts';
import type { Thresholds } from './lower/choice.ts';
import type { Net } from './traced.ts';

/** How raw inputs become what the net is fed with: (value * scale - mean) / std, channel by channel. */
export interface Preprocessing {
  /** Shape of one input, channels first. */
  readonly shape: readonly number[];
  /** 1/255 for bytes, 1 for floats. */
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** A net with its numbers: what training gives, and what calibration, lowerings and files start from. */
export interface Model {
  readonly net: Net;
  /** Values of all parameters by scoped name (temperatures of exits among them). */
  readonly weights: ReadonlyMap<string, NDArray>;
  readonly classes: readonly string[];
  readonly preprocessing: Preprocessing;
}

/** A setting of all thresholds that a caller can choose by its budget. */
export interface Point {
  /** By the decision's name (one number, or one for each of several options); +Infinity is "never". */
  readonly thresholds: Thresholds;
  /**
   * Mean share of the full net's MACs on the certify split, for one input at a time: what `budget` is compared with; 1
   * before any measurement.
   */
  readonly budget: number;
  /** The same in files for batches, where that differs: these put some of the units that they drop to zero. */
  readonly batched?: number;
  /** Observed risk: on the certify split, of points that are not certified on the tune split. */
  readonly risk: number;
  /** Share of inputs that left at each exit, the full path last; on the same split as the risk. */
  readonly shares: readonly number[];
  readonly certified: boolean;
}

/** A model with calibrated thresholds and a statement about them. */
export interface CertifiedModel extends Model {
  /** From the full model to the boldest certified point, then the uncertified rest of the path. */
  readonly points: readonly Point[];
  /** The point that a caller gets who asks for nothing: the cheapest certified one. */
  readonly chosen: Point;
  readonly certificate: Certificate;
  /** Of weights, thresholds and preprocessing; a file whose content does not give it is refused. */
  readonly hash: string;
  /** The path as the tune split saw it, for reports. */
  readonly path: readonly OperatingPoint[];
}

/** What a certificate is bound to: weights, preprocessing and the thresholds that it covers. */
export function bindingHash(
  weights: Iterable<readonly [string, NDArray]>,
  preprocessing: Preprocessing,
  points: readonly { readonly thresholds: Thresholds }[],
): string {
  const hash = createHash('sha256');
  for (const [name, { dtype, dims, data }] of [...weights].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${name}:${dtype}[${dims.join()}]`);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  const { shape, scale, mean, std } = preprocessing;
  const floats = (values: readonly number[]) => [...values].map((v) => String(Math.fround(v))).join();
  hash.update(`preprocessing:${shape.join()}:${floats([scale])}:${floats(mean)}:${floats(std)}`);
  for (const { thresholds } of points) {
    const sorted = Object.entries(thresholds).sort(([a], [b]) => (a < b ? -1 : 1));
    hash.update(JSON.stringify(sorted.map(([name, v]) => [name, floats(typeof v === 'number' ? [v] : v)])));
  }
  return hash.digest('hex');
}
