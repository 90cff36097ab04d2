import { Worker } from 'node:worker_threads';
import { DynaError } from '../errors.ts';
import { type Calls, fromPlainError, type Method, type Reply, type Request, RUNNING, STOP } from './messages.ts';

interface Pending {
  resolve(result: unknown): void;
  reject(error: DynaError): void;
}

/** How long `process.exit` may wait for a worker to come out of the engine. */
const EXIT_PATIENCE_MS = 10_000;

const alive = new Set<WorkerHost>();

// A thread that is torn down while inside the engine takes the whole process with it (the binding aborts), so an exit first
// waits until no worker is inside.
function waitForAll(): void {
  for (const host of alive) host.holdStill(EXIT_PATIENCE_MS);
}

/** What a worker starts with: the compiled file next to us, or the TypeScript source when we ourselves run from source. */
const workerFile = (): URL =>
  new URL(import.meta.url.endsWith('.ts') ? './worker-from-source.mjs' : './worker.js', import.meta.url);

/**
 * A worker thread that answers calls in order. It keeps the process alive only while a call is open. If the thread ends by
 * itself, all open calls and all later ones are rejected.
 */
export class WorkerHost {
  readonly #worker: Worker;
  readonly #flags = new Int32Array(new SharedArrayBuffer(8));
  readonly #pending = new Map<number, Pending>();
  readonly #exited: Promise<void>;
  #next = 0;
  #ended: DynaError | undefined;
  #closed: Promise<void> | undefined;

  constructor(file: URL = workerFile()) {
    this.#worker = new Worker(file, { workerData: this.#flags, execArgv: [] });
    this.#worker.on('message', (reply: Reply) => this.#settle(reply));
    this.#worker.on('error', (cause) => this.#end(cause));
    this.#worker.on('messageerror', (cause) => {
      this.#end(cause);
      void this.#worker.terminate();
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        this.#end(new Error(`exit code ${code}`));
        alive.delete(this);
        if (alive.size === 0) process.off('exit', waitForAll);
        resolve();
      });
    });
    if (alive.size === 0) process.on('exit', waitForAll);
    alive.add(this);
    this.#worker.unref();
  }

  /** Asks the worker; `transfer` lists memory that is handed over instead of copied. */
  call<M extends Method>(
    method: M,
    args: Parameters<Calls[M]>,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<ReturnType<Calls[M]>> {
    if (this.#closed) return Promise.reject(new DynaError('usage', 'this runner is closed', { fix: 'open it again' }));
    if (this.#ended) return Promise.reject(this.#ended);
    return this.#post(method, args, transfer) as Promise<ReturnType<Calls[M]>>;
  }

  #post(method: Method, args: readonly unknown[], transfer: readonly ArrayBuffer[]): Promise<unknown> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      try {
        this.#worker.postMessage({ id, method, args } satisfies Request, transfer);
      } catch (cause) {
        throw new DynaError('usage', `cannot be sent to the worker thread: ${(cause as Error).message}`, { cause });
      }
      this.#pending.set(id, { resolve, reject });
      this.#worker.ref();
    });
  }

  #settle(reply: Reply): void {
    const open = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#worker.unref();
    if ('error' in reply) open?.reject(fromPlainError(reply.error));
    else open?.resolve(reply.result);
  }

  #end(cause: unknown): void {
    const why = cause instanceof Error ? cause.message : String(cause);
    this.#ended ??= new DynaError('runtime', `the worker thread ended by itself: ${why}`, {
      fix: 'its state is lost; open it again',
      cause,
    });
    for (const { reject } of this.#pending.values()) reject(this.#ended);
    this.#pending.clear();
  }

  /** Lets the call that runs finish, rejects those not yet begun, and ends the thread. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    if (this.#ended) return this.#exited;
    Atomics.store(this.#flags, STOP, 1);
    await this.#post('close', [], []).catch(() => undefined);
    this.#worker.ref();
    await this.#exited;
  }

  /** Blocks this thread until the worker is outside the engine, and lets it begin nothing more. */
  holdStill(milliseconds: number): void {
    Atomics.store(this.#flags, STOP, 1);
    Atomics.wait(this.#flags, RUNNING, 1, milliseconds);
  }
}
