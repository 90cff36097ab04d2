import { median, trimmedMean } from '../../src/deploy/robust.ts';
import {
  costTable,
  decisionsOf,
  decodeTrace,
  extremeMacs,
  type Model,
  type Net,
  ownViews,
  plan,
  type Trace,
  type TraceKey,
  traceKey,
} from '../../src/dynamic/index.ts';
import type { NDArray } from '../../src/graph/index.ts';
import { profile } from '../../src/runtime/index.ts';
import type { Case } from './cases.ts';
import { dynamicFile, even, type File, onFullPath, open, row, waves, weightsFor, weightsOf } from './files.ts';
import { race, session } from './race.ts';

export const BATCH = 64;
/** A file that takes nearly all MACs on average guards nothing: units that are only put to zero. */
const SAVES = 0.98;

/** What one size of a decision gives, for single inputs or in batches. */
export interface Side {
  readonly form: string;
  readonly dynamicMs: number;
  readonly idealMs: number;
  readonly plainMs: number;
  readonly fullPathMs: number;
  readonly realisation: number;
  readonly speedup: number;
  readonly macSpeedup: number;
  /** Null where nothing is guarded. */
  readonly worth: number | null;
}

export interface Measured {
  readonly size: number;
  /** Of the inputs that took each way. */
  readonly shares: readonly number[];
  readonly planned: number | null;
  readonly one: Side;
  readonly batch: Side;
  readonly bytes: number;
  /** Files of shared weights in both ways to store them, on the same inputs. */
  readonly views?: Readonly<Record<'copies' | 'slices', { bytes: number; ms1: number; ms64: number }>>;
  readonly spent: readonly { readonly op: string; readonly share: number; readonly microseconds: number }[];
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;
const round = (v: number, digits = 3): number => Number(v.toFixed(digits));
const macs = (net: Net): number => extremeMacs({ decisions: decisionsOf(net), regions: costTable(net) }, Math.max);

/** Inputs that go the same way, with a trace of it. */
interface Group {
  readonly members: number[];
  readonly trace: Trace | undefined;
}

function grouped(traces: readonly (Trace | undefined)[]): Group[] {
  const groups = new Map<string, Group>();
  for (const [i, trace] of traces.entries()) {
    const way = JSON.stringify(trace?.rows.map((r) => (r.kind === 'index' ? r.value : 0)));
    const group = groups.get(way) ?? { members: [], trace };
    group.members.push(i);
    groups.set(way, group);
  }
  return [...groups.values()];
}

const meanMacs = async (net: Net, { runner }: File, key: TraceKey, inputs: readonly NDArray[]): Promise<number> => {
  if (decisionsOf(net).length === 0) return macs(net);
  const all: number[] = [];
  for (const input of inputs) all.push(...decodeTrace((await runner.run({ input })).trace!, key).map((t) => t.macs));
  return mean(all);
};

/** Times one decision at one size: the dynamic file, each of its ways compiled gate-free, all on the full path, the plain net. */
export async function measured(one: Case, size: number, rounds: { one: number; many: number }): Promise<Measured> {
  const net = one.make(size);
  const x = waves([BATCH, ...net.spec.input], 1);
  const weights = weightsOf(net);
  const preprocessing = { shape: net.spec.input, scale: 1, mean: [0], std: [1] };
  const shared: Model = { net, weights, classes: [], preprocessing };
  const thresholds = await even(net, weights, x);
  const copied = one.views === 'copies';
  const model = copied ? ownViews(shared) : shared;
  const single = await dynamicFile(model, thresholds, one.form);
  const many = one.form === 'rows' ? single : await dynamicFile(model, thresholds, 'rows');
  const [keyOne, keyMany] = [traceKey(model.net, one.form), traceKey(model.net)];

  const traces = decisionsOf(net).length > 0 ? decodeTrace((await many.runner.run({ input: x })).trace!, keyMany) : [];
  const groups = grouped(Array.from({ length: BATCH }, (_, i) => traces[i]));
  const plainNet = one.plain(net, size);
  const plain = await open(plainNet, weightsFor(plainNet, weights));
  const ideals: File[] = [];
  for (const { trace } of groups) {
    const ideal = one.ideal(net, size, trace);
    ideals.push(await open(ideal, weightsFor(ideal, weights)));
  }
  const sliced = copied ? [await dynamicFile(shared, thresholds, one.form)] : [];
  const [whole1, whole64] = [await onFullPath(single, net), await onFullPath(many, net)];

  const some = Array.from({ length: 8 }, (_, i) => row(x, i));
  const ones = await race(
    [
      ...groups.flatMap(({ members }, g) =>
        [single, ideals[g]!].map(({ runner }) => ({ runner, inputs: members.map((i) => row(x, i)) })),
      ),
      ...[...sliced, single, whole1, plain].map((f) => ({ ...f, inputs: some })),
    ],
    rounds.one,
  );
  const batches = await race(
    [many, ...ideals, ...sliced, whole64, plain].map((f) => ({ ...f, inputs: [x] })),
    rounds.many,
  );

  const share = groups.map((g) => g.members.length / BATCH);
  const weighted = (of: (g: number) => number): number => sum(share.map((s, g) => s * of(g)));
  const [typical1, full1, plain1] = ones.slice(-3).map(median) as [number, number, number];
  const ms64 = batches.map((t) => trimmedMean(t) / BATCH);
  const [full64, plain64] = ms64.slice(-2) as [number, number];
  const plainMacs = macs(plainNet);
  const plans = plan(net);
  const guarded = Math.min(...plans.map((p) => p.guardedMacs)) / plainMacs;
  const side = (form: string, dynamic: number, ideal: number, ms: number, full: number, used: number): Side => ({
    ...{ form, dynamicMs: round(dynamic), idealMs: round(ideal), plainMs: round(ms), fullPathMs: round(full) },
    ...{ realisation: round(ideal / dynamic), speedup: round(ms / dynamic), macSpeedup: round(plainMacs / used) },
    // Several decisions share what the file takes above the plain net on the full path.
    worth:
      plans.length === 0 || used > SAVES * plainMacs
        ? null
        : round((guarded * ms * plans.length) / Math.max(full - ms, 0.001 * ms), 1),
  });
  const [dynamic1, ideal1] = [weighted((g) => median(ones[2 * g]!)), weighted((g) => median(ones[2 * g + 1]!))];
  const { ops } = await profile(single.bytes, { input: row(x, 0) }, { optimization: 'all', runs: 20, session });
  const views = sliced.map(({ bytes }) => ({
    copies: { bytes: single.bytes.length, ms1: round(typical1), ms64: round(ms64[0]!) },
    slices: { bytes: bytes.length, ms1: round(median(ones.at(-4)!)), ms64: round(ms64.at(-3)!) },
  }))[0];
  const result: Measured = {
    size,
    shares: share.map((s) => round(s)),
    planned: plans.length === 0 ? null : round(Math.min(...plans.map((p) => p.ratio)), 1),
    one: side(one.form, dynamic1, ideal1, plain1, full1, await meanMacs(net, single, keyOne, some)),
    batch: side(
      'rows',
      ms64[0]!,
      weighted((g) => ms64[1 + g]!),
      plain64,
      full64,
      await meanMacs(net, many, keyMany, [x]),
    ),
    bytes: single.bytes.length,
    ...(views ? { views } : {}),
    spent: ops
      .slice(0, 6)
      .map(({ op, share: part, microseconds }) => ({ op, share: round(part), microseconds: round(microseconds, 1) })),
  };
  for (const { runner } of new Set([single, many, ...sliced, whole1, whole64, plain, ...ideals])) await runner.close();
  return result;
}
