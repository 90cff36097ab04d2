// Runs inside the worker thread: one runner or one state, calls in order.
import { parentPort, workerData } from 'node:worker_threads';
import { DynaError } from '../errors.ts';
import type { Arrays } from './backend.ts';
import { type Calls, type Method, pack, type Reply, type Request, RUNNING, STOP, toPlainError } from './messages.ts';
import { compile, type Runner } from './runner.ts';
import { openState, type StateRunner } from './state.ts';

const port = parentPort!;
const flags = workerData as Int32Array;

let runner: Runner | undefined;
let state: StateRunner | undefined;

type Serve = { [M in Method]: (...args: Parameters<Calls[M]>) => Promise<ReturnType<Calls[M]>> };
const serve: Serve = {
  async openRunner(bytes, options) {
    runner = await compile(bytes, options);
    return { inputs: runner.inputs, outputs: runner.outputs };
  },
  async openState(graphs, options) {
    state = await openState(graphs, options);
    return { ...state.graphs };
  },
  run: (feeds, options) => runner!.run(feeds, options),
  call: (graph, feeds, options) => state!.call(graph, feeds, options),
  read: () => state!.read(),
  write: async (values) => void (await state!.write(values)),
  close: async () => void (await Promise.all([runner?.close(), state?.close()])),
};

const returnsArrays: ReadonlySet<Method> = new Set<Method>(['run', 'call', 'read']);

async function answer({ id, method, args }: Request): Promise<void> {
  Atomics.store(flags, RUNNING, 1);
  try {
    if (Atomics.load(flags, STOP) === 1 && method !== 'close')
      throw new DynaError('usage', 'closed before this call began', { fix: 'await the calls before closing' });
    const result: unknown = await (serve[method] as (...a: readonly unknown[]) => Promise<unknown>)(...args);
    if (returnsArrays.has(method)) {
      const { arrays, transfer } = pack(result as Arrays, true);
      port.postMessage({ id, result: arrays } satisfies Reply, transfer);
    } else port.postMessage({ id, result } satisfies Reply);
  } catch (error) {
    port.postMessage({ id, error: toPlainError(error) } satisfies Reply);
  } finally {
    Atomics.store(flags, RUNNING, 0);
    Atomics.notify(flags, RUNNING);
  }
  if (method === 'close') port.close(); // nothing else keeps this thread alive
}

let queue: Promise<void> = Promise.resolve();
port.on('message', (request: Request) => {
  queue = queue.then(() => answer(request));
});
