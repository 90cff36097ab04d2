import type { Arrays, SessionOptions, TensorSpec } from './backend.ts';
import { checkFeeds, checkOutputs } from './check.ts';
import { WorkerHost } from './host.ts';
import { pack } from './messages.ts';
import { checkBytes, type Runner } from './runner.ts';
import { type CallOptions, type GraphSignature, type StateOptions, type StateRunner, signatureOf } from './state.ts';

/** A runner in its own thread. */
export interface WorkerRunner extends Runner {
  run(feeds: Arrays, options?: CallOptions): Promise<Arrays>;
}

/**
 * Loads an ONNX model into a thread of its own: `run` leaves the caller's event loop free. Feeds are copied to it, or handed
 * over with `{ transfer: true }`. Costs about 0.1 ms a call over `compile`.
 *
 * @throws DynaError as `compile`; 'runtime' when the thread ends by itself
 * @example
 * const runner = await compileInWorker(bytes);
 * const { y } = await runner.run({ x }, { transfer: true }); // x is empty from here on
 */
export async function compileInWorker(bytes: Uint8Array, options: SessionOptions = {}): Promise<WorkerRunner> {
  checkBytes(bytes);
  return opened(
    (host) => host.call('openRunner', [bytes, options]),
    (host, specs) => new RemoteRunner(host, specs),
  );
}

/** `openState` in a thread of its own: the state never crosses threads unless `read` or `write` is called. */
export async function openStateInWorker(
  graphs: Readonly<Record<string, Uint8Array>>,
  options: StateOptions,
): Promise<StateRunner> {
  for (const bytes of Object.values(graphs)) checkBytes(bytes);
  const initial = pack(options.initial, false);
  return opened(
    (host) => host.call('openState', [graphs, { ...options, initial: initial.arrays }], initial.transfer),
    (host, signatures) => new RemoteState(host, signatures),
  );
}

async function opened<S, R>(open: (host: WorkerHost) => Promise<S>, make: (host: WorkerHost, s: S) => R): Promise<R> {
  const host = new WorkerHost();
  try {
    return make(host, await open(host));
  } catch (error) {
    await host.close();
    throw error;
  }
}

class RemoteRunner implements WorkerRunner {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly #host: WorkerHost;

  constructor(host: WorkerHost, specs: { inputs: readonly TensorSpec[]; outputs: readonly TensorSpec[] }) {
    this.#host = host;
    this.inputs = specs.inputs;
    this.outputs = specs.outputs;
  }

  async run(feeds: Arrays, { transfer: give = false, ...options }: CallOptions = {}): Promise<Arrays> {
    checkFeeds(this.inputs, feeds); // here already, so that a refused feed is not lost to the other thread
    checkOutputs(this.outputs, options.outputs);
    const { arrays, transfer } = pack(feeds, give);
    return this.#host.call('run', [arrays, options], transfer);
  }

  close(): Promise<void> {
    return this.#host.close();
  }
}

class RemoteState implements StateRunner {
  readonly graphs: Readonly<Record<string, GraphSignature>>;
  readonly #host: WorkerHost;

  constructor(host: WorkerHost, graphs: Record<string, GraphSignature>) {
    this.#host = host;
    this.graphs = graphs;
  }

  async call(graph: string, feeds: Arrays, { transfer: give = false, ...options }: CallOptions = {}): Promise<Arrays> {
    checkFeeds(signatureOf(this.graphs, graph).inputs, feeds);
    const { arrays, transfer } = pack(feeds, give);
    return this.#host.call('call', [graph, arrays, options], transfer);
  }

  step(feeds: Arrays, options?: CallOptions): Promise<Arrays> {
    return this.call(Object.keys(this.graphs)[0]!, feeds, options);
  }

  read(): Promise<Arrays> {
    return this.#host.call('read', []);
  }

  async write(state: Arrays): Promise<void> {
    const { arrays, transfer } = pack(state, false);
    await this.#host.call('write', [arrays], transfer);
  }

  close(): Promise<void> {
    return this.#host.close();
  }
}
