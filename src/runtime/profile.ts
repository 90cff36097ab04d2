import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynaError } from '../errors.ts';
import { type Arrays, backend, type SessionOptions } from './backend.ts';
import { checkFeeds } from './check.ts';
import { checkBytes } from './runner.ts';

export interface ProfileOptions {
  /** 'disabled' (default) keeps each node under its own name; 'all' shows what really runs, with fused nodes. */
  readonly optimization?: 'disabled' | 'all';
  /** Runs to average over, after one that warms up. Default 10. */
  readonly runs?: number;
  readonly session?: SessionOptions;
}

/** Time of a node or of a kind of operator, averaged over the runs. */
export interface Cost {
  readonly op: string;
  /** Own time in one run, in microseconds: nodes inside an `If` or `Loop` are counted for themselves, not for it. */
  readonly microseconds: number;
  /** Part of the time of all nodes, 0 to 1. */
  readonly share: number;
  /** Executions in one run. */
  readonly count: number;
}

/** A tensor that a node got or gave; the dtype in this library's word where it has one. */
export interface TensorShape {
  readonly dtype: string;
  readonly dims: readonly number[];
}

/** One execution of one node: what executed MACs are counted from. */
export interface Execution {
  readonly op: string;
  readonly node: string;
  readonly inputs: readonly TensorShape[];
  readonly outputs: readonly TensorShape[];
}

export interface Profile {
  /** Mean time of a whole run in microseconds, with what the profiler itself costs. */
  readonly microseconds: number;
  /** The dearest first. */
  readonly nodes: readonly (Cost & { readonly node: string })[];
  readonly ops: readonly Cost[];
  /** What the last run executed, in order, with the nodes of the branches that were taken. */
  readonly executed: readonly Execution[];
}

interface Event {
  readonly cat: string;
  readonly name: string;
  readonly ts: number;
  readonly dur: number;
  readonly args: Readonly<Record<string, unknown>>;
}

/**
 * Runs a model with ONNX Runtime's profiler and tells which node and which kind of operator costs what.
 *
 * @throws DynaError as `compile` and `run`
 * @example
 * const { ops, executed } = await profile(bytes, { x }, { optimization: 'all' });
 */
export async function profile(bytes: Uint8Array, feeds: Arrays, options: ProfileOptions = {}): Promise<Profile> {
  const { optimization = 'disabled', runs = 10 } = options;
  if (!Number.isInteger(runs) || runs < 1)
    throw new DynaError('usage', `runs should be a whole number from 1, got ${runs}`);
  checkBytes(bytes);
  const folder = await mkdtemp(join(tmpdir(), 'dyna-profile-'));
  try {
    const session = await (await backend()).open(bytes, {
      ...options.session,
      graphOptimizationLevel: optimization,
      executionMode: 'sequential', // nodes side by side have no time of their own
      enableProfiling: true,
      profileFilePrefix: join(folder, 'profile'),
    });
    try {
      checkFeeds(session.inputs, feeds);
      for (let i = 0; i < runs + 1; i++) await session.run(feeds);
    } finally {
      await session.release();
    }
    const [file] = await readdir(folder);
    if (!file) throw new DynaError('runtime', 'ONNX Runtime wrote no profile');
    return summarise(JSON.parse(await readFile(join(folder, file), 'utf8')) as Event[], runs);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const SUFFIX = '_kernel_time';

function summarise(events: readonly Event[], runs: number): Profile {
  const whole = events.filter((e) => e.name === 'model_run').sort((a, b) => a.ts - b.ts);
  if (whole.length !== runs + 1)
    throw new DynaError('runtime', `the profile should hold ${runs + 1} runs, got ${whole.length}`);
  const begin = whole[1]!.ts;
  const last = whole[runs]!.ts;
  const nodes = events
    .filter((e) => e.cat === 'Node' && e.name.endsWith(SUFFIX) && e.ts >= begin)
    .sort((a, b) => a.ts - b.ts || b.dur - a.dur);
  const own = ownTimes(nodes);
  const total = own.reduce((a, b) => a + b, 0) || 1;
  const gather = (keyOf: (e: Event) => string) => {
    const groups = new Map<string, { first: Event; time: number; count: number }>();
    nodes.forEach((e, i) => {
      const group = groups.get(keyOf(e)) ?? { first: e, time: 0, count: 0 };
      groups.set(keyOf(e), { first: group.first, time: group.time + own[i]!, count: group.count + 1 });
    });
    return [...groups.values()]
      .sort((a, b) => b.time - a.time)
      .map(({ first, time, count }) => ({
        op: opOf(first),
        node: nodeOf(first),
        microseconds: time / runs,
        share: time / total,
        count: count / runs,
      }));
  };
  return {
    microseconds: whole.slice(1).reduce((sum, e) => sum + e.dur, 0) / runs,
    nodes: gather((e) => `${opOf(e)} ${nodeOf(e)}`),
    ops: gather(opOf).map(({ node: _, ...cost }) => cost),
    executed: nodes
      .filter((e) => e.ts >= last)
      .map((e) => ({
        op: opOf(e),
        node: nodeOf(e),
        inputs: shapes(e.args.input_type_shape),
        outputs: shapes(e.args.output_type_shape),
      })),
  };
}

const endOf = (e: Event) => e.ts + e.dur;
const opOf = (e: Event) => String(e.args.op_name);
const nodeOf = (e: Event) => e.name.slice(0, -SUFFIX.length) || `${opOf(e)}#${e.args.node_index}`;

/** Each event's time without the events inside it: a branch's nodes run within the time of their `If`. */
function ownTimes(sorted: readonly Event[]): number[] {
  const own = sorted.map((e) => e.dur);
  const around: number[] = [];
  sorted.forEach((e, i) => {
    while (around.length > 0 && endOf(sorted[around.at(-1)!]!) <= e.ts) around.pop();
    const parent = around.at(-1);
    if (parent !== undefined) own[parent] = Math.max(0, own[parent]! - e.dur);
    around.push(i);
  });
  return own;
}

const words: Readonly<Record<string, string>> = { float: 'float32', double: 'float64' };

/** `[{"float":[1,3]}]` as the profiler writes it. */
function shapes(value: unknown): TensorShape[] {
  return ((value ?? []) as Record<string, number[]>[]).flatMap((entry) =>
    Object.entries(entry).map(([dtype, dims]) => ({ dtype: words[dtype] ?? dtype, dims })),
  );
}
