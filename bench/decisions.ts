// npm run bench -- decisions
// What the clock keeps of each decision's skipping: the time of the taken paths, each compiled gate-free, over the measured
// time of the dynamic file, for one input and in batches of 64. Random weights; thresholds split inputs evenly.
// DYNANEURAL_BENCH_SCALE shortens (0.1) or lengthens it.
import { levelled, median, trimmedMean } from '../src/deploy/robust.ts';
import {
  costTable,
  decisionsOf,
  decodeTrace,
  extremeMacs,
  fullThresholds,
  type Model,
  type Net,
  observe,
  ownThresholds,
  ownViews,
  parametersOf,
  plan,
  type SparseForm,
  sparse,
  type Thresholds,
  type Trace,
  thresholdName,
  traceKey,
} from '../src/dynamic/index.ts';
import { thresholdArray } from '../src/dynamic/lower/choice.ts';
import { encodeModel, type NDArray, ndarray, stripDefaults, toOnnx } from '../src/graph/index.ts';
import { materialize } from '../src/nn/index.ts';
import { compile, profile, type Runner } from '../src/runtime/index.ts';
import { type Case, cases } from './decisions/cases.ts';
import { writeResult } from './results.ts';

const BATCH = 64;
const scale = Number(process.env.DYNANEURAL_BENCH_SCALE ?? 1);
const rounds = { one: Math.max(2, Math.round(6 * scale)), many: Math.max(3, Math.round(16 * scale)) };
const session = { intraOpNumThreads: 1 };
const WANTED = 0.95;
/** A file that takes nearly all MACs on average guards nothing: units that are only put to zero. */
const SAVES = 0.98;

const what =
  `realisation: time of what each input's path would take compiled gate-free, over the measured time of the dynamic
file (wanted: ${WANTED}). speedup: the plain net without the mechanism over the dynamic file, by the clock; macSpeedup: by
multiply-accumulates. worth: the time of what the decision guards over its own time, both measured (guarded MACs at the plain
net's speed; the dynamic file where all inputs go the full path, minus the plain net); planned: the same by the planner's model. spent: what one run of the dynamic file for
one input spends its time on. reachedFrom: the smallest size from which on the realisation is as wanted; breakEven: the
smallest one at which the dynamic file is faster than the plain net. Shares are forced by thresholds at the middle score; units
kept: half.`.replaceAll('\n', ' ');

/** Numbers in [-1, 1) that look random and repeat. */
const waves = (dims: readonly number[], phase: number): NDArray =>
  ndarray(
    'float32',
    dims,
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => {
      const v = Math.sin(12.9898 * (i + 1) + phase) * 43758.5453;
      return 2 * (v - Math.floor(v)) - 1;
    }),
  );

/** Gates start near zero, where all inputs choose alike: theirs are drawn anew. */
function weightsOf(net: Net): Map<string, NDArray> {
  const weights = new Map(materialize(parametersOf(net), 1));
  for (const [name, { dims }] of weights)
    if (/(gate\d*|router|routing\w*(\/\w+)?)\/weight$/.test(name)) weights.set(name, waves(dims, name.length));
  return weights;
}

const bytesOf = (output: Record<string, Net['output']>, weights: ReadonlyMap<string, NDArray>): Uint8Array =>
  encodeModel(toOnnx(output, { weights }));

const row = ({ dims, data }: NDArray, i: number): NDArray => {
  const size = data.length / dims[0]!;
  return ndarray('float32', [1, ...dims.slice(1)], (data as Float32Array).slice(i * size, (i + 1) * size));
};

/** Thresholds at which inputs part evenly, each option of several taken about as often. */
async function even(net: Net, weights: ReadonlyMap<string, NDArray>, x: NDArray): Promise<Thresholds> {
  const { scores, choices } = observe(net);
  const named = [...scores, ...choices].map(({ decision, score }) => [decision, score] as const);
  const own = { ...ownThresholds(decisionsOf(net)) };
  if (named.length === 0) return own;
  const runner = await compile(bytesOf(Object.fromEntries(named), weights), session);
  const out = await runner.run({ input: x });
  await runner.close();
  // What is chosen among peers keeps to how many of them run.
  const peers = new Set(decisionsOf(net).flatMap((d) => (d.kind === 'select' && d.among ? [d.name] : [])));
  for (const [decision] of named.filter(([name]) => !peers.has(name))) {
    const { dims, data } = out[decision]!;
    const k = dims[1] ?? 1;
    const columns = Array.from({ length: k }, (_, c) =>
      median(Array.from({ length: dims[0]! }, (_, r) => Number(data[r * k + c]))),
    );
    own[decision] = dims.length === 1 ? columns[0]! : columns;
  }
  return own;
}

interface File {
  readonly bytes: Uint8Array;
  readonly runner: Runner;
}

async function open(net: Net, weights: ReadonlyMap<string, NDArray>): Promise<File> {
  const bytes = bytesOf({ output: net.output }, weights);
  return { bytes, runner: await compile(bytes, session) };
}

/** The same file where all inputs are sent through everything. */
async function onFullPath({ bytes }: File, net: Net): Promise<Pick<Racer, 'runner' | 'thresholds'>> {
  const decisions = decisionsOf(net);
  const own = fullThresholds(decisions);
  const thresholds = Object.fromEntries(decisions.map((d) => [thresholdName(d), thresholdArray(d, own[d.name])]));
  return { runner: await compile(stripDefaults(bytes, Object.keys(thresholds)), session), thresholds };
}

async function dynamicFile({ net, weights }: Model, thresholds: Thresholds, form: SparseForm): Promise<File> {
  const { output, trace } = sparse(net, thresholds, { form });
  const bytes = bytesOf(trace ? { output, trace } : { output }, weights);
  return { bytes, runner: await compile(bytes, session) };
}

/** A file, what it is fed with in turn, and thresholds where they are not its own. */
interface Racer {
  readonly runner: Runner;
  readonly inputs: readonly NDArray[];
  readonly thresholds?: Readonly<Record<string, NDArray>>;
}

const timed = async ({ runner, thresholds }: Racer, input: NDArray): Promise<number> => {
  const start = performance.now();
  await runner.run({ input, ...thresholds });
  return performance.now() - start;
};

/** Interleaved times of several files, each on inputs of its own choice, without the drift of the machine. */
async function race(files: readonly Racer[], times: number): Promise<number[][]> {
  const turns: number[][][] = [];
  for (let k = -1; k < times; k++) {
    const turn: number[][] = [];
    for (const racer of files) {
      await timed(racer, racer.inputs[0]!);
      const own: number[] = [];
      for (const input of racer.inputs) own.push(await timed(racer, input));
      turn.push(own);
    }
    if (k >= 0) turns.push(turn);
  }
  return levelled(turns);
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const round = (v: number, digits = 3): number => Number(v.toFixed(digits));

async function measured(one: Case, size: number): Promise<Record<string, unknown>> {
  const net = one.make(size);
  const x = waves([BATCH, ...net.spec.input], 1);
  const plainWeights = weightsOf(net);
  const plainModel = { net, weights: plainWeights, classes: [], preprocessing: noPreprocessing(net) } satisfies Model;
  const thresholds = await even(net, plainWeights, x);
  const model = one.views === 'copies' ? ownViews(plainModel) : plainModel;
  const single = await dynamicFile(model, thresholds, one.form);
  const many = one.form === 'rows' ? single : await dynamicFile(model, thresholds, 'rows');
  const has = decisionsOf(net).length > 0;
  const traced = has ? decodeTrace((await many.runner.run({ input: x })).trace!, traceKey(model.net)) : [];
  const pathOf = (t: Trace | undefined): string =>
    JSON.stringify(t?.rows.map((r) => (r.kind === 'index' ? r.value : 0)));
  const groups = new Map<string, { members: number[]; trace: Trace | undefined }>();
  for (let i = 0; i < BATCH; i++) {
    const key = pathOf(traced[i]);
    const group = groups.get(key) ?? { members: [], trace: traced[i] };
    group.members.push(i);
    groups.set(key, group);
  }
  const plainNet = one.plain(net, size);
  const plain = await open(plainNet, weightsFor(plainNet, plainWeights));
  const ideals = await Promise.all(
    [...groups.values()].map(async ({ members, trace }) => {
      const ideal = one.ideal(net, size, trace);
      return { members, ...(await open(ideal, weightsFor(ideal, plainWeights))) };
    }),
  );
  const rowsOf = (members: readonly number[]): NDArray[] => members.map((i) => row(x, i));
  const files = ideals.flatMap(({ members, runner }) => [
    { runner: single.runner, inputs: rowsOf(members) },
    { runner, inputs: rowsOf(members) },
  ]);
  const some = rowsOf([0, 1, 2, 3, 4, 5, 6, 7]);
  // The other way to store views of shared weights, in the same race.
  const sliced = one.views === 'copies' ? [await dynamicFile(plainModel, thresholds, one.form)] : [];
  const [whole1, whole64] = await Promise.all([single, many].map((file) => onFullPath(file, net)));
  const ones = await race(
    [
      ...files,
      ...sliced.map((f) => ({ ...f, inputs: some })),
      { ...whole1!, inputs: some },
      { runner: plain.runner, inputs: some },
    ],
    rounds.one,
  );
  const share = ideals.map((i) => i.members.length / BATCH);
  const dynamic1 = mean(share.map((s, i) => s * median(ones[2 * i]!))) * share.length;
  const ideal1 = mean(share.map((s, i) => s * median(ones[2 * i + 1]!))) * share.length;
  const batches = await race(
    [
      ...[many, ...ideals].map(({ runner }) => ({ runner, inputs: [x] })),
      ...sliced.map((f) => ({ ...f, inputs: [x] })),
      { ...whole64!, inputs: [x] },
      { ...plain, inputs: [x] },
    ],
    rounds.many,
  );
  const ms64 = batches.map((t) => trimmedMean(t) / BATCH);
  const ideal64 = share.reduce((sum, s, i) => sum + s * ms64[1 + i]!, 0);
  const spent = (await profile(single.bytes, { input: row(x, 0) }, { optimization: 'all', runs: 20, session })).ops
    .slice(0, 6)
    .map(({ op, share: part, microseconds }) => ({ op, share: round(part), microseconds: round(microseconds, 1) }));
  const [keyOne, keyMany] = [traceKey(model.net, one.form), traceKey(model.net)];
  const plainMacs = macs(plainNet);
  const macsOf = async (file: File, key: typeof keyOne, input: NDArray): Promise<number> =>
    has ? mean(decodeTrace((await file.runner.run({ input })).trace!, key).map((t) => t.macs)) : macs(net);
  const macs1 = mean(await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map((i) => macsOf(single, keyOne, row(x, i)))));
  const macs64 = await macsOf(many, keyMany, x);
  const plans = plan(net);
  const guarded = Math.min(...plans.map((p) => p.guardedMacs)) / plainMacs;
  /** How many times its own time a decision guards; several share what the file takes above the plain net on the full path. */
  const worth = (full: number, plainMs: number, meanMacs: number): number | null =>
    plans.length === 0 || meanMacs > SAVES * plainMacs
      ? null
      : round((guarded * plainMs * plans.length) / Math.max(full - plainMs, 0.001 * plainMs), 1);
  const [full1, plain1] = [median(ones.at(-2)!), median(ones.at(-1)!)];
  const [full64, plain64] = ms64.slice(-2) as [number, number];
  const result = {
    size,
    shares: share.map((s) => round(s)),
    planned: round(Math.min(Number.POSITIVE_INFINITY, ...plans.map((p) => p.ratio)), 1),
    one: {
      ...{ form: one.form, dynamicMs: round(dynamic1), idealMs: round(ideal1), plainMs: round(plain1) },
      ...{ fullPathMs: round(full1), realisation: round(ideal1 / dynamic1), speedup: round(plain1 / dynamic1) },
      ...{ macSpeedup: round(plainMacs / macs1), worth: worth(full1, plain1, macs1) },
    },
    batch: {
      ...{ form: 'rows', dynamicMs: round(ms64[0]!), idealMs: round(ideal64), plainMs: round(plain64) },
      ...{ fullPathMs: round(full64), realisation: round(ideal64 / ms64[0]!), speedup: round(plain64 / ms64[0]!) },
      ...{ macSpeedup: round(plainMacs / macs64), worth: worth(full64, plain64, macs64) },
    },
    bytes: single.bytes.length,
    ...(sliced[0]
      ? { slices: { bytes: sliced[0].bytes.length, ms1: round(median(ones.at(-3)!)), ms64: round(ms64.at(-3)!) } }
      : {}),
    spent,
  };
  for (const { runner } of new Set([single, many, ...sliced, whole1!, whole64!, plain, ...ideals]))
    await runner.close();
  return result;
}

const noPreprocessing = ({ spec }: Net): Model['preprocessing'] => ({
  shape: spec.input,
  scale: 1,
  mean: [0],
  std: [1],
});
const macs = (net: Net): number => extremeMacs({ decisions: decisionsOf(net), regions: costTable(net) }, Math.max);

/** The numbers of parameters that both nets have, and new ones for the others. */
function weightsFor(net: Net, known: ReadonlyMap<string, NDArray>): Map<string, NDArray> {
  const weights = weightsOf(net);
  for (const [name, { dims }] of weights) {
    const value = known.get(name);
    if (value && value.dims.join() === dims.join()) weights.set(name, value);
  }
  return weights;
}

interface Side {
  readonly realisation: number;
  readonly speedup: number;
  readonly worth: number | null;
}
type Measured = Awaited<ReturnType<typeof measured>> & {
  readonly size: number;
  readonly one: Side;
  readonly batch: Side;
};

/** The smallest size from which on something holds; null where it does not hold at the largest. */
function from(sizes: readonly Measured[], holds: (s: Measured) => boolean): number | null {
  let found: number | null = null;
  for (const s of sizes) found = holds(s) ? (found ?? s.size) : null;
  return found;
}

export async function run(): Promise<void> {
  const started = performance.now();
  const wanted = process.env.DYNANEURAL_BENCH_ONLY;
  const rows: Record<string, unknown>[] = [];
  for (const one of cases.filter((c) => !wanted || c.name.includes(wanted))) {
    const sizes: Measured[] = [];
    for (const size of one.sizes) {
      const result = (await measured(one, size)) as Measured;
      sizes.push(result);
      const { one: a, batch: b } = result;
      console.log(
        `${one.name.padEnd(30)} ${String(size).padStart(4)}  one: realisation ${a.realisation}, ${a.speedup}x, worth ${a.worth}   batch: ${b.realisation}, ${b.speedup}x, worth ${b.worth}`,
      );
    }
    const both = (f: (side: Side) => boolean) => ({
      one: from(sizes, (s) => f(s.one)),
      batch: from(sizes, (s) => f(s.batch)),
    });
    const reachedFrom = both((side) => side.realisation >= WANTED);
    rows.push({
      ...{
        decision: one.name,
        kind: one.kind,
        unit: one.unit,
        reachedFrom,
        breakEven: both((side) => side.speedup > 1),
      },
      ...((reachedFrom.one && reachedFrom.batch) || !one.why ? {} : { why: one.why }),
      sizes,
    });
  }
  console.log(`${((performance.now() - started) / 1000).toFixed(0)} s`);
  if (wanted) return;
  const shortened = scale === 1 ? '' : `DYNANEURAL_BENCH_SCALE=${scale} `;
  await writeResult('decisions', `${shortened}npm run bench -- decisions`, {
    what,
    rounds,
    batch: BATCH,
    threads: 1,
    decisions: rows,
  });
}
