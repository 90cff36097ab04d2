import { type Dataset, evenly } from '../data/index.ts';
import { sizeOf } from '../graph/index.ts';
import { version } from '../version.ts';
import { content, onDisk, type Site, type SiteFile } from './site.ts';

/** Inputs as the page gets them: raw values in one file, the rest in the manifest. */
export interface PackedInputs {
  readonly name: string;
  readonly file: string;
  readonly dtype: 'uint8' | 'float32';
  readonly shape: readonly number[];
  readonly n: number;
  /** Items of the whole set. */
  readonly of: number;
  /** Their numbers in the whole set. */
  readonly numbers: readonly number[];
  /** Class numbers; empty where the set has none. */
  readonly labels: readonly number[];
}

/** A training in the manifest. */
export interface ListedRun {
  readonly name: string;
  readonly file: string;
  /** Streams the file's lines as they come. */
  readonly events?: string;
  readonly finished?: true;
  /** When the file was last written, in milliseconds since 1970, where it is shown as it was then. */
  readonly still?: number;
}

/** What a page finds at `data/studio.json`. */
export interface Manifest {
  readonly version: string;
  readonly models: readonly { readonly name: string; readonly file: string }[];
  readonly inputs?: PackedInputs;
  readonly runs: readonly ListedRun[];
  /** Whether the page may ask the training to stop. */
  readonly stoppable?: true;
}

/** The metrics file (JSON lines) of a training. */
export interface MetricsSource {
  readonly name: string;
  readonly path: string;
  /** Whether it was trained to its end. */
  readonly finished?: boolean;
  /** When it was last written, in milliseconds since 1970, where no more lines are awaited. */
  readonly still?: number;
}

/** What a studio is made of. */
export interface Exhibits {
  readonly models?: readonly { readonly name: string; readonly bytes: Uint8Array }[];
  readonly inputs?: Dataset;
  /** At most so many inputs, evenly spaced over the set; default 1000. */
  readonly limit?: number;
  readonly runs?: readonly MetricsSource[];
  /** Whether the lines of runs that are neither finished nor still are streamed: false for a hosted build. */
  readonly live?: boolean;
  readonly stoppable?: boolean;
}

function packInputs(ds: Dataset, limit: number): [PackedInputs, Uint8Array] {
  const numbers = evenly(ds.length, limit);
  const size = sizeOf(ds.shape);
  const bytes = ds.inputs.BYTES_PER_ELEMENT * size;
  const all = new Uint8Array(ds.inputs.buffer, ds.inputs.byteOffset, ds.inputs.byteLength);
  const packed = new Uint8Array(numbers.length * bytes);
  for (const [i, at] of numbers.entries()) packed.set(all.subarray(at * bytes, (at + 1) * bytes), i * bytes);
  const labels = ds.classes.length > 0 ? numbers.map((at) => ds.labels[at]!) : [];
  return [
    {
      name: ds.name,
      file: 'inputs.bin',
      dtype: ds.inputs instanceof Uint8Array ? 'uint8' : 'float32',
      shape: ds.shape,
      n: numbers.length,
      of: ds.length,
      numbers,
      labels,
    },
    packed,
  ];
}

/**
 * The files below `data/` of a studio: the manifest and what it names.
 *
 * @example const site = new Map([...(await pageFiles()), ...dataFiles({ models: [{ name: 'shirts.onnx', bytes }] })])
 */
export function dataFiles({ models = [], inputs, limit = 1000, runs = [], live, stoppable }: Exhibits): Site {
  const files = new Map<string, SiteFile>();
  const [packed, bytes] = inputs ? packInputs(inputs, limit) : [];
  const manifest: Manifest = {
    version,
    models: models.map(({ name }, i) => ({ name, file: `models/${i}.onnx` })),
    ...(packed ? { inputs: packed } : {}),
    runs: runs.map(({ name, finished, still }, i) => ({
      name,
      file: `runs/${i}.jsonl`,
      ...(live && !finished && still === undefined ? { events: `runs/${i}/events` } : {}),
      ...(finished ? { finished: true } : still === undefined ? {} : { still }),
    })),
    ...(stoppable ? { stoppable: true } : {}),
  };
  files.set('data/studio.json', content('studio.json', JSON.stringify(manifest)));
  for (const [i, model] of models.entries()) files.set(`data/models/${i}.onnx`, content('', model.bytes));
  if (bytes) files.set('data/inputs.bin', content('', bytes));
  for (const [i, run] of runs.entries()) files.set(`data/runs/${i}.jsonl`, onDisk(run.path));
  return files;
}
