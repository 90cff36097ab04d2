import { Random } from '../../data/index.ts';
import { type LoadedModel, load, type ModelCard } from '../../deploy/index.ts';
import { median, quantile } from '../../deploy/measure.ts';
import { type NDArray, ndarray, sizeOf } from '../../graph/index.ts';
import { environment } from '../../runtime/index.ts';
import type { CommonOptions, Context, Outcome } from '../context.ts';
import { count, milliseconds, percent } from '../format.ts';
import { naming, openSource, rawRows, type Source, testData } from '../source.ts';
import { table } from '../table.ts';

export interface BenchOptions extends CommonOptions {
  readonly data?: string;
  readonly budget?: number;
  readonly rounds?: number;
  readonly batch?: number;
  readonly threads?: number;
}

/** One image or one batch, timed in both ways, milliseconds of the engine. */
interface Timed {
  readonly batch: number;
  readonly rounds: number;
  /** Mean of the medians of each path, weighted by how often it was taken. */
  readonly dynamic: number;
  readonly dynamicP95: number;
  /** The same file with all exits at "never": median. */
  readonly nobodyExits: number;
  readonly speedup: number;
  /** How many times fewer MACs than the full path. */
  readonly macSpeedup: number;
  readonly exits: Readonly<Record<string, number>>;
}

const WARM_UP = 10;

/** Times a model against itself with nobody exiting: interleaved in one process, by medians. */
export async function bench(path: string, options: BenchOptions, cx: Context): Promise<Outcome> {
  const { rounds = 300, threads, budget } = options;
  const source = await openSource(path);
  const model = await naming(path, () =>
    load(source.bytes, threads ? { session: { intraOpNumThreads: threads } } : {}),
  );
  try {
    const { card } = model;
    const { images, name, batch } = await imagesFor(options, source, card, cx);
    const batches = card.form === 'branch' || batch === 1 ? [] : [Math.max(5, Math.ceil(rounds / 10))];
    cx.progress.start('time', rounds + (batches[0] ?? 0));
    const single = await timed(model, images, 1, rounds, budget, (i) => cx.progress.update(i));
    const many: Timed[] = [];
    for (const r of batches)
      many.push(await timed(model, images, batch, r, budget, (i) => cx.progress.update(rounds + i)));
    cx.progress.stop();
    const results = [single, ...many];
    return {
      json: {
        model: path,
        images: name,
        point: budget ?? card.points[card.chosen]?.budget,
        results,
        machine: await environment(),
      },
      text: [`Images: ${name}. MACs of the full path: ${count(card.fullMacs)}.`, ...shown(results)],
    };
  } finally {
    await model.close();
  }
}

async function imagesFor({ data, batch: wanted = 64 }: BenchOptions, source: Source, card: ModelCard, cx: Context) {
  if (data !== undefined || source.run) {
    const ds = await testData(data, source, card, cx);
    const batch = Math.min(wanted, ds.length);
    return { name: ds.name, batch, images: (from: number, n: number) => rawRows(ds, from % (ds.length - n + 1), n) };
  }
  cx.note('no --data: the images are noise, and noise takes other exits than images do');
  const { shape } = card.preprocessing;
  const random = new Random(1, 0);
  const bytes = Uint8Array.from({ length: 4 * wanted * sizeOf(shape) }, () => random.int(256));
  const size = sizeOf(shape);
  const images = (from: number, n: number): NDArray => {
    const at = from % (4 * wanted - n + 1);
    return ndarray('uint8', [n, ...shape], bytes.subarray(at * size, (at + n) * size));
  };
  return { name: 'noise', batch: wanted, images };
}

async function timed(
  model: LoadedModel,
  images: (from: number, n: number) => NDArray,
  batch: number,
  rounds: number,
  budget: number | undefined,
  tell: (round: number) => void,
): Promise<Timed> {
  const { decisions, fullMacs } = model.card;
  const never = Object.fromEntries(
    decisions.filter((d) => d.rule === 'threshold').map((d) => [d.name, Number.POSITIVE_INFINITY]),
  );
  const dynamicTimes: number[] = [];
  const fullTimes: number[] = [];
  const byPath = new Map<string, number[]>();
  const exits = new Map([...decisions.map((d) => d.name), 'final'].map((name) => [name, 0]));
  let macs = 0;
  for (let i = -WARM_UP; i < rounds; i++) {
    const x = images(Math.max(0, i) * batch, batch);
    const both = [
      () => model.run(x, budget === undefined ? {} : { budget }),
      () => model.run(x, { thresholds: never }),
    ] as const;
    const first = Math.abs(i) % 2; // in turn, so that drift of the machine falls on both alike
    const a = await both[first]!();
    const b = await both[1 - first]!();
    if (i < 0) continue;
    const [dynamic, full] = first === 0 ? [a, b] : [b, a];
    dynamicTimes.push(dynamic.ms);
    fullTimes.push(full.ms);
    for (const { exit } of dynamic.answers) exits.set(exit, exits.get(exit)! + 1);
    for (const t of dynamic.trace) macs += t.macs;
    const path = batch === 1 ? (dynamic.answers[0]?.exit ?? '') : '';
    byPath.set(path, [...(byPath.get(path) ?? []), dynamic.ms]);
    tell(i + 1);
  }
  const n = rounds * batch;
  const dynamic = [...byPath.values()].reduce((sum, times) => sum + (times.length / rounds) * median(times), 0);
  const nobodyExits = median(fullTimes);
  return {
    batch,
    rounds,
    dynamic,
    dynamicP95: quantile(dynamicTimes, 0.95),
    nobodyExits,
    speedup: nobodyExits / dynamic,
    macSpeedup: (fullMacs * n) / macs,
    exits: Object.fromEntries([...exits].map(([name, c]) => [name, c / n])),
  };
}

const shown = (results: readonly Timed[]): string[] => {
  const exits = Object.keys(results[0]?.exits ?? {});
  return table([
    ['', 'dynamic', 'p95', 'nobody exits', 'speed-up', 'MACs fewer', ...exits],
    ...results.map((r) => [
      r.batch === 1 ? 'one image' : `batch of ${r.batch}`,
      milliseconds(r.dynamic),
      milliseconds(r.dynamicP95),
      milliseconds(r.nobodyExits),
      `${r.speedup.toFixed(2)} x`,
      `${r.macSpeedup.toFixed(2)} x`,
      ...exits.map((e) => percent(r.exits[e])),
    ]),
  ]);
};
