// The only file that knows onnxruntime-node.
import { env, InferenceSession, listSupportedBackends, Tensor } from 'onnxruntime-node';
import { DynaError } from '../errors.ts';
import type { DType, NDArray, TypedArray } from '../graph/array.ts';
import type { Arrays, Backend, BackendSession, SessionOptions, TensorSpec } from './backend.ts';

const dtypes: ReadonlySet<string> = new Set<DType>([
  'float32',
  'float64',
  'float16',
  'int64',
  'int32',
  'int8',
  'uint8',
  'bool',
]);

// ONNX Runtime would print each failure on stderr as well; ours all arrive as errors.
if (env.logLevel === undefined || env.logLevel === 'warning') env.logLevel = 'fatal';

/** ONNX Runtime's text as one sentence: the node that failed and why, without source paths of the engine. */
export function sentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const node = /while running (\S+) node\. Name:'([^']*)' Status Message:\s*([\s\S]*)/.exec(text);
  const said = (node?.[3] ?? text)
    .replace(/\S*onnxruntime_src\S*\s.*?\[ONNXRuntimeError\][^:]*:[^:]*:[^:]*:/s, '')
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/\.$/, '');
  return node ? `${node[1]} "${node[2]}": ${said}` : said;
}

/** Lends an array to ONNX Runtime without a copy; only shared memory must be copied, for it refuses that. */
function toTensor(a: NDArray): Tensor {
  const data = a.data.buffer instanceof SharedArrayBuffer ? a.data.slice() : a.data;
  return new Tensor(a.dtype as 'float32', data as Float32Array, a.dims as number[]);
}

function toArray(t: Tensor): NDArray {
  // Newer Node versions have Float16Array; ours is the raw bit pattern, over the same memory.
  const data =
    t.type === 'float16' && !(t.data instanceof Uint16Array) ? bits(t.data as unknown as Uint16Array) : t.data;
  return { dtype: t.type as DType, dims: t.dims, data: data as TypedArray };
}

const bits = (a: ArrayBufferView & { length: number }) =>
  new Uint16Array(a.buffer as ArrayBuffer, a.byteOffset, a.length);

function spec(kind: 'input' | 'output', meta: InferenceSession.ValueMetadata): TensorSpec {
  if (meta.isTensor && dtypes.has(meta.type))
    return { name: meta.name, dtype: meta.type as DType, shape: [...meta.shape] };
  const got = meta.isTensor ? meta.type : 'no tensor at all';
  throw new DynaError(
    'model',
    `${kind} "${meta.name}" of the model is ${got}, expected one of ${[...dtypes].join(', ')}`,
  );
}

class Session implements BackendSession {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly #session: InferenceSession;
  readonly #profiled: boolean;

  constructor(session: InferenceSession, profiled: boolean) {
    this.#session = session;
    this.#profiled = profiled;
    this.inputs = session.inputMetadata.map((meta) => spec('input', meta));
    this.outputs = session.outputMetadata.map((meta) => spec('output', meta));
  }

  async run(feeds: Arrays, outputs: readonly string[] = this.#session.outputNames): Promise<Arrays> {
    const tensors: Record<string, Tensor> = {};
    for (const name of this.#session.inputNames) tensors[name] = toTensor(feeds[name]!);
    let results: InferenceSession.OnnxValueMapType;
    try {
      // Preallocated outputs gain nothing here: the binding copies them into fresh memory all the same.
      results = await this.#session.run(tensors, outputs as string[]);
    } catch (cause) {
      throw new DynaError('runtime', `ONNX Runtime could not run the model: ${sentence(cause)}`, { cause });
    }
    const arrays: Arrays = {};
    for (const name of outputs) arrays[name] = toArray(results[name] as Tensor);
    return arrays;
  }

  async release(): Promise<void> {
    if (this.#profiled) this.#session.endProfiling();
    await this.#session.release();
  }
}

const supported = listSupportedBackends();

/** The engine starts as many threads as it is told to, a hundred thousand too. */
const MOST_THREADS = 1024;

function checkThreads({ intraOpNumThreads = 0, interOpNumThreads = 0 }: SessionOptions): void {
  for (const threads of [intraOpNumThreads, interOpNumThreads])
    if (!Number.isInteger(threads) || threads < 0 || threads > MOST_THREADS)
      throw new DynaError(
        'usage',
        `threads are a whole number from 0 (the engine chooses) to ${MOST_THREADS}, got ${threads}`,
      );
}

async function open(bytes: Uint8Array, options: SessionOptions): Promise<BackendSession> {
  checkThreads(options);
  for (const name of options.executionProviders ?? [])
    if (!supported.some((b) => b.name === name))
      throw new DynaError(
        'usage',
        `unknown execution provider "${name}", expected one of ${supported.map((b) => b.name).join(', ')}`,
      );
  const own = bytes.buffer instanceof SharedArrayBuffer ? bytes.slice() : bytes;
  let session: InferenceSession;
  try {
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    session = await InferenceSession.create(own, { logSeverityLevel: 4, ...Object.fromEntries(given) });
  } catch (cause) {
    throw openingError(cause);
  }
  try {
    return new Session(session, options.enableProfiling === true);
  } catch (error) {
    await session.release();
    throw error;
  }
}

/** Sorts what can go wrong while loading: a wrong option, a provider that is not installed, or the model itself. */
function openingError(cause: unknown): DynaError {
  const said = sentence(cause);
  if (/^'\w+' is|sessionOptions|Invalid argument: /.test(said))
    return new DynaError('usage', `a session option cannot be used: ${said}`, { cause });
  if (/ExecutionProvider|shared library/.test(said))
    return new DynaError('runtime', `an execution provider could not be started: ${said}`, {
      fix: "use executionProviders: ['cpu'], or install what the provider needs",
      cause,
    });
  return new DynaError('model', `ONNX Runtime cannot load this model: ${said}`, { cause });
}

export const onnxruntimeNode: Backend = {
  name: 'onnxruntime-node',
  version: env.versions.node ?? env.versions.common,
  providers: supported.filter((b) => b.bundled).map((b) => b.name),
  open,
};
