import { DynaError } from '../errors.ts';
import type { NDArray } from '../graph/array.ts';
import type { Arrays, SessionOptions, TensorSpec } from './backend.ts';
import { checkOutputs } from './check.ts';
import { compile, type Runner, type RunOptions } from './runner.ts';

/** A tensor that lives on from call to call: fed to `input`, and replaced by `output` where a graph has it. */
export interface StatePair {
  readonly input: string;
  readonly output: string;
}

export interface StateOptions {
  readonly state: readonly StatePair[];
  /** The first value of each state tensor, under its input's name. */
  readonly initial: Arrays;
  readonly session?: SessionOptions;
}

/** One graph as its caller sees it: without the state. */
export interface GraphSignature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** Graphs over one shared state that stays where they run. */
export interface StateRunner {
  readonly graphs: Readonly<Record<string, GraphSignature>>;
  /**
   * Runs a graph on `feeds` and the state, replaces the state by the graph's state outputs, and returns the other outputs.
   * Calls are served in order, so the next batch may be handed over while a step runs. A call that fails leaves the state as
   * it was.
   */
  call(graph: string, feeds: Arrays, options?: CallOptions): Promise<Arrays>;
  /** `call` of the first graph. */
  step(feeds: Arrays, options?: CallOptions): Promise<Arrays>;
  /** A copy of the state after all calls so far. */
  read(): Promise<Arrays>;
  /** Replaces the named state tensors by copies of the given ones; shapes and dtypes must stay. */
  write(state: Arrays): Promise<void>;
  /** Waits for the call in flight, then frees everything. Closing twice does nothing. */
  close(): Promise<void>;
}

export interface CallOptions extends RunOptions {
  /** Hands the feeds' memory over instead of copying it: the caller's arrays are empty afterwards. Matters for workers. */
  readonly transfer?: boolean;
}

/**
 * Opens graphs over one state in this thread; `openStateInWorker` keeps the caller's thread free. A graph may read a state
 * tensor (it has the input), write it (it has the output), do both or neither.
 *
 * @throws DynaError 'usage' | 'shape' | 'dtype' when the state does not fit the graphs
 * @example
 * const trainer = await openState({ train, eval: evaluation }, { state: [{ input: 'w', output: 'w_out' }], initial: { w } });
 * const { loss } = await trainer.step({ x, y });
 * const { guess } = await trainer.call('eval', { x });
 */
export async function openState(
  graphs: Readonly<Record<string, Uint8Array>>,
  options: StateOptions,
): Promise<StateRunner> {
  const names = Object.keys(graphs);
  if (names.length === 0) throw new DynaError('usage', 'a state runner needs at least one graph, got none');
  const runners = new Map<string, Runner>();
  try {
    for (const name of names) runners.set(name, await compile(graphs[name]!, options.session));
    return new LocalState(runners, options);
  } catch (error) {
    await Promise.all([...runners.values()].map((r) => r.close()));
    throw error;
  }
}

/** The signature of a graph by name. */
export function signatureOf(graphs: Readonly<Record<string, GraphSignature>>, graph: string): GraphSignature {
  const signature = Object.hasOwn(graphs, graph) ? graphs[graph] : undefined;
  if (!signature)
    throw new DynaError('usage', `no graph "${graph}", expected one of ${Object.keys(graphs).join(', ')}`);
  return signature;
}

const describe = (a: { dtype: string; dims: readonly (number | string)[] }) => `${a.dtype} [${a.dims.join(', ')}]`;

const copy = (a: NDArray): NDArray => ({ dtype: a.dtype, dims: [...a.dims], data: a.data.slice() });

class LocalState implements StateRunner {
  readonly graphs: Record<string, GraphSignature> = {};
  readonly #runners: Map<string, Runner>;
  readonly #pairs: readonly StatePair[];
  #state: Arrays = {};
  #queue: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;

  constructor(runners: Map<string, Runner>, options: StateOptions) {
    this.#runners = runners;
    this.#pairs = options.state;
    for (const pair of options.state) this.#checkPair(pair, options.initial);
    const unknown = Object.keys(options.initial).filter((name) => !options.state.some((s) => s.input === name));
    if (unknown.length > 0) throw new DynaError('usage', `initial values without a state of that name: ${unknown}`);
    for (const { input } of options.state) this.#state[input] = copy(options.initial[input]!);
    for (const [name, r] of runners)
      this.graphs[name] = {
        inputs: r.inputs.filter((s) => !options.state.some((p) => p.input === s.name)),
        outputs: r.outputs.filter((s) => !options.state.some((p) => p.output === s.name)),
      };
  }

  #checkPair({ input, output }: StatePair, initial: Arrays): void {
    const first = initial[input];
    if (!first) throw new DynaError('usage', `state "${input}" has no initial value`);
    let used = false;
    for (const [graph, runner] of this.#runners)
      for (const spec of [...runner.inputs, ...runner.outputs]) {
        if (spec.name !== input && spec.name !== output) continue;
        used = true;
        const fits =
          spec.dtype === first.dtype &&
          spec.shape.length === first.dims.length &&
          spec.shape.every((d, i) => typeof d === 'string' || d === first.dims[i]);
        if (!fits)
          throw new DynaError(
            spec.dtype === first.dtype ? 'shape' : 'dtype',
            `"${spec.name}" of graph "${graph}" is ${describe({ ...spec, dims: spec.shape })}, but state "${input}" starts as ${describe(first)}`,
          );
      }
    if (!used) throw new DynaError('usage', `no graph has the state input "${input}" or its output "${output}"`);
  }

  step(feeds: Arrays, options?: CallOptions): Promise<Arrays> {
    return this.call(Object.keys(this.graphs)[0]!, feeds, options);
  }

  call(graph: string, feeds: Arrays, options: CallOptions = {}): Promise<Arrays> {
    return this.#inOrder(async () => {
      const { outputs: metrics } = signatureOf(this.graphs, graph);
      const runner = this.#runners.get(graph)!;
      if (options.outputs?.length) checkOutputs(metrics, options.outputs);
      const fed = { ...feeds };
      for (const { input } of this.#pairs) {
        if (input in feeds)
          throw new DynaError('usage', `"${input}" is state and cannot be fed`, { fix: 'use write() to change it' });
        if (runner.inputs.some((s) => s.name === input)) fed[input] = this.#state[input]!;
      }
      const written = this.#pairs.filter((p) => runner.outputs.some((s) => s.name === p.output));
      const wanted = options.outputs ?? metrics.map((s) => s.name);
      const outputs = [...new Set([...wanted, ...written.map((p) => p.output)])];
      const results = await runner.run(fed, { outputs });
      const next = Object.fromEntries(written.map((p) => [p.input, results[p.output]!]));
      for (const [name, value] of Object.entries(next)) this.#checkFits(name, value, `graph "${graph}" returned`);
      Object.assign(this.#state, next);
      return Object.fromEntries(wanted.map((name) => [name, results[name]!]));
    });
  }

  read(): Promise<Arrays> {
    return this.#inOrder(async () =>
      Object.fromEntries(Object.entries(this.#state).map(([name, value]) => [name, copy(value)])),
    );
  }

  write(state: Arrays): Promise<void> {
    return this.#inOrder(async () => {
      for (const [name, value] of Object.entries(state)) this.#checkFits(name, value, 'got');
      for (const [name, value] of Object.entries(state)) this.#state[name] = copy(value);
    });
  }

  #checkFits(name: string, value: NDArray, came: string): void {
    const now = this.#state[name];
    if (!now)
      throw new DynaError('usage', `no state "${name}", expected one of ${Object.keys(this.#state).join(', ')}`);
    if (describe(now) !== describe(value) || now.data.length !== value.data.length)
      throw new DynaError(
        now.dtype === value.dtype ? 'shape' : 'dtype',
        `state "${name}" must stay ${describe(now)}, ${came} ${describe(value)} with ${value.data.length} values`,
      );
  }

  /** One call after the other, each on the state that the one before left. */
  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed)
      return Promise.reject(new DynaError('usage', 'this state runner is closed', { fix: 'open the state again' }));
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  close(): Promise<void> {
    this.#closed ??= this.#queue.then(async () => {
      await Promise.all([...this.#runners.values()].map((r) => r.close()));
      this.#state = {};
    });
    return this.#closed;
  }
}
