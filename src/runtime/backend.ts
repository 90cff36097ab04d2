import { DynaError } from '../errors.ts';
import type { DType, NDArray } from '../graph/array.ts';

/** Options of a session, under the names that ONNX Runtime gives them. What is left out keeps ONNX Runtime's default. */
export interface SessionOptions {
  /** Where nodes run, in order of preference: `'cpu'`, `'webgpu'`, `'cuda'`, ... */
  executionProviders?: readonly string[];
  /** Threads inside one operator; 0 lets the engine choose. */
  intraOpNumThreads?: number;
  /** Threads across operators; matters only with `executionMode: 'parallel'`. */
  interOpNumThreads?: number;
  graphOptimizationLevel?: 'disabled' | 'basic' | 'extended' | 'layout' | 'all';
  executionMode?: 'sequential' | 'parallel';
  enableCpuMemArena?: boolean;
  enableMemPattern?: boolean;
  /** Writes a profile file when the session is released; `profile()` is the comfortable way. */
  enableProfiling?: boolean;
  profileFilePrefix?: string;
  freeDimensionOverrides?: Readonly<Record<string, number>>;
  /** 0 tells everything, 4 only what is fatal. Default 4: every failure already arrives as an error. */
  logSeverityLevel?: 0 | 1 | 2 | 3 | 4;
  /** Configuration entries by path, e.g. `{ session: { intra_op: { allow_spinning: '0' } } }`. */
  extra?: Readonly<Record<string, unknown>>;
}

/** What a model says about one of its inputs or outputs. A name in `shape` is a dimension that each run chooses. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly (number | string)[];
}

/** Arrays by the names of inputs or outputs. */
export type Arrays = Record<string, NDArray>;

/** A loaded model inside an engine. It checks nothing: `compile` does. */
export interface BackendSession {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Computes `outputs` (all of them when undefined). The result is fresh memory that belongs to the caller. */
  run(feeds: Arrays, outputs?: readonly string[]): Promise<Arrays>;
  /** Frees the engine's memory; writes the profile if one was asked for. */
  release(): Promise<void>;
}

/** An engine. Everything above this interface is the same for every engine. */
export interface Backend {
  readonly name: string;
  readonly version: string;
  /** Execution providers that need nothing more to be installed. */
  readonly providers: readonly string[];
  open(bytes: Uint8Array, options: SessionOptions): Promise<BackendSession>;
}

let chosen: Promise<Backend> | undefined;

/** The engine of this environment, loaded when first needed. A browser's engine will be chosen here too. */
export function backend(): Promise<Backend> {
  chosen ??= load().catch((cause: unknown) => {
    chosen = undefined;
    throw cause;
  });
  return chosen;
}

async function load(): Promise<Backend> {
  if (!globalThis.process?.versions?.node)
    throw new DynaError('runtime', 'no engine for this environment: Node was expected');
  try {
    return (await import('./onnxruntime-node.ts')).onnxruntimeNode;
  } catch (cause) {
    const at = `${process.platform}-${process.arch}`;
    throw new DynaError('runtime', `ONNX Runtime could not be loaded on ${at}`, {
      fix: 'reinstall the packages with npm ci, and see that this platform is one that onnxruntime-node carries',
      cause,
    });
  }
}
