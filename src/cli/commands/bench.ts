import { Random, subset } from '../../data/index.ts';
import { load, type ModelCard } from '../../deploy/index.ts';
import { type NDArray, ndarray, sizeOf } from '../../graph/index.ts';
import { environment } from '../../runtime/index.ts';
import { table } from '../../table.ts';
import { openModel } from '../certified.ts';
import type { CommonOptions, Context, Outcome } from '../context.ts';
import { count, DASH, milliseconds, percent } from '../format.ts';
import { naming, openSource, rawRows, type Source, testData } from '../source.ts';
import { openCuts, type Timed, timed } from '../timing.ts';

export interface BenchOptions extends CommonOptions {
  readonly data?: string;
  readonly budget?: number;
  readonly rounds?: number;
  readonly batch?: number;
  readonly threads?: number;
}

/** Times a model against its own full path; a run's against its gate-free cuts too, which gives the realisation. */
export async function bench(path: string, options: BenchOptions, cx: Context): Promise<Outcome> {
  const { rounds = 300, threads, budget } = options;
  const session = threads ? { intraOpNumThreads: threads } : {};
  const source = await openSource(path);
  const model = await naming(path, () => load(source.bytes, { session }));
  const cuts = source.run ? await openCuts(await openModel(source.run), session) : [];
  try {
    const { card } = model;
    const { images, name, batch } = await imagesFor(options, source, card, cx);
    const plan = [{ batch: 1, rounds }];
    if (card.form === 'branch' && options.batch)
      cx.note('--batch is left out: form "branch" takes one image at a time');
    if (card.form === 'rows' && batch > 1) plan.push({ batch, rounds: Math.max(5, Math.ceil(rounds / 10)) });
    cx.progress.start(
      'time',
      plan.reduce((sum, p) => sum + p.rounds, 0),
    );
    const results: Timed[] = [];
    const setting = budget === undefined ? {} : { budget };
    let before = 0;
    for (const part of plan) {
      const onRound = (round: number) => cx.progress.update(before + round);
      results.push(await timed(model, { ...part, images, setting, cuts, onRound }));
      before += part.rounds;
    }
    cx.progress.stop();
    const budgetUsed = budget ?? card.points[card.chosen]?.budget;
    return {
      json: { model: path, images: name, budget: budgetUsed, results, machine: await environment() },
      text: [
        `Images: ${name}. MACs of the full path: ${count(card.fullMacs)}.`,
        ...shown(results),
        ...(cuts.length > 0
          ? []
          : [
              'Speed-up and MACs: over the same file when nobody exits, its heads and questions included; a file without decisions takes less than that.',
            ]),
      ],
    };
  } finally {
    await Promise.all([model, ...cuts].map((m) => m.close()));
  }
}

async function imagesFor({ data, batch: wanted = 64 }: BenchOptions, source: Source, card: ModelCard, cx: Context) {
  if (data !== undefined || source.run) {
    const ds = await testData(data, source, card, cx, 'optional');
    const batch = Math.min(wanted, ds.length);
    // In an order without classes: folders are sorted by them.
    const mixed = subset(ds, new Random(1, 0).permutation(ds.length));
    return { name: ds.name, batch, images: (from: number, n: number) => rawRows(mixed, from % (ds.length - n + 1), n) };
  }
  cx.note('no --data: the images are noise, and noise takes other exits than images do');
  const { shape } = card.preprocessing;
  const size = sizeOf(shape);
  const random = new Random(1, 0);
  const bytes = Uint8Array.from({ length: 4 * wanted * size }, () => random.int(256));
  const images = (from: number, n: number): NDArray => {
    const at = from % (4 * wanted - n + 1);
    return ndarray('uint8', [n, ...shape], bytes.subarray(at * size, (at + n) * size));
  };
  return { name: 'noise', batch: wanted, images };
}

function shown(results: readonly Timed[]): string[] {
  const exits = Object.keys(results[0]?.exits ?? {});
  const times = (factor: number) => `${factor.toFixed(2)} x`;
  // Of a file alone there are no gate-free cuts.
  const known = results.every((r) => r.full !== null);
  const rows = results.map((r) => [
    r.batch === 1 ? 'one image' : `batch of ${r.batch}`,
    milliseconds(r.dynamic),
    milliseconds(r.dynamicP95),
    milliseconds(r.nobodyExits),
    ...(known ? [milliseconds(r.full!)] : []),
    times(r.speedup),
    times(r.macSpeedup),
    ...(known ? [r.realisation === null ? DASH : r.realisation.toFixed(3)] : []),
    ...exits.map((e) => percent(r.exits[e])),
  ]);
  const gateFree = (column: string) => (known ? [column] : []);
  const head = [
    '',
    'dynamic',
    'p95',
    'nobody exits',
    ...gateFree('full'),
    'speed-up',
    'MACs',
    ...gateFree('realisation'),
  ];
  return table([[...head, ...exits], ...rows]);
}
