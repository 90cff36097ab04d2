import { DynaError } from '../errors.ts';
import { type Arrays, type BackendSession, backend, type SessionOptions, type TensorSpec } from './backend.ts';
import { checkFeeds, checkOutputs } from './check.ts';

/** What one run may choose. */
export interface RunOptions {
  /** The outputs to compute and return; all of them when left out. */
  outputs?: readonly string[];
}

/** A model that can be run. */
export interface Runner {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /**
   * Computes the outputs. The results are fresh memory of the caller's; `feeds` must not change until the promise settles.
   *
   * @throws DynaError 'usage' | 'dtype' | 'shape' before the engine is called; 'runtime' when the engine refuses
   */
  run(feeds: Arrays, options?: RunOptions): Promise<Arrays>;
  /** Waits for runs in flight, then gives the session back. Closing twice does nothing. */
  close(): Promise<void>;
}

interface Shared {
  readonly session: Promise<BackendSession>;
  users: number;
}

const sessions = new Map<string, Shared>();

/** How many sessions are open in this thread (equal models with equal options share one). */
export const openSessions = (): number => sessions.size;

/**
 * Loads an ONNX model into this thread. A run blocks the thread's event loop; `compileInWorker` does not.
 * Equal bytes with equal options share one session, which ends when its last runner is closed.
 *
 * @throws DynaError 'model' (not a model that the engine can load), 'usage' (a wrong option), 'runtime'
 * @example
 * const runner = await compile(bytes, { intraOpNumThreads: 1 });
 * const { y } = await runner.run({ x: ndarray('float32', [1, 3], [1, 2, 3]) });
 * await runner.close();
 */
export async function compile(bytes: Uint8Array, options: SessionOptions = {}): Promise<Runner> {
  checkBytes(bytes);
  const key = await keyOf(bytes, options);
  let shared = sessions.get(key);
  if (!shared) {
    shared = { session: backend().then((b) => b.open(bytes, options)), users: 0 };
    sessions.set(key, shared);
  }
  shared.users++;
  try {
    return new LocalRunner(await shared.session, () => giveBack(key, shared));
  } catch (error) {
    if (sessions.get(key) === shared) sessions.delete(key);
    throw error;
  }
}

export function checkBytes(bytes: Uint8Array): void {
  if (!(bytes instanceof Uint8Array))
    throw new DynaError('usage', `a model's bytes should be a Uint8Array, got ${typeof bytes}`, {
      fix: 'read the file first: await readFile(path)',
    });
  if (bytes.length === 0) throw new DynaError('model', 'a model of 0 bytes cannot be loaded');
}

async function giveBack(key: string, shared: Shared): Promise<void> {
  if (--shared.users > 0) return;
  sessions.delete(key); // at once, so that nobody gets a session that is about to end
  await (await shared.session).release();
}

async function keyOf(bytes: Uint8Array, options: SessionOptions): Promise<string> {
  const own = bytes.buffer instanceof SharedArrayBuffer ? bytes.slice() : bytes;
  const digest = await globalThis.crypto.subtle.digest('SHA-256', own as Uint8Array<ArrayBuffer>);
  const sorted = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1));
  return `${Array.from(new Uint8Array(digest), (b) => b.toString(16).padStart(2, '0')).join('')} ${JSON.stringify(sorted)}`;
}

class LocalRunner implements Runner {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly #session: BackendSession;
  readonly #giveBack: () => Promise<void>;
  readonly #inFlight = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  constructor(session: BackendSession, giveBack: () => Promise<void>) {
    this.#session = session;
    this.#giveBack = giveBack;
    this.inputs = session.inputs;
    this.outputs = session.outputs;
  }

  async run(feeds: Arrays, options: RunOptions = {}): Promise<Arrays> {
    if (this.#closed) throw new DynaError('usage', 'this runner is closed', { fix: 'compile the model again' });
    checkFeeds(this.inputs, feeds);
    checkOutputs(this.outputs, options.outputs);
    const run = this.#session.run(feeds, options.outputs);
    this.#inFlight.add(run);
    try {
      return await run;
    } finally {
      this.#inFlight.delete(run);
    }
  }

  close(): Promise<void> {
    this.#closed ??= Promise.allSettled(this.#inFlight).then(this.#giveBack);
    return this.#closed;
  }
}
