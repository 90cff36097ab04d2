import { type Dataset, evenly, subset } from '../../data/index.ts';
import { type BudgetOptions, type LoadedModel, load, type ModelCard } from '../../deploy/index.ts';
import { answerNames, fullThresholds, isExit, losses, type Point } from '../../dynamic/index.ts';
import { table } from '../../table.ts';
import type { CommonOptions, Context, Outcome } from '../context.ts';
import { count, percent, whole } from '../format.ts';
import { naming, openSource, rawRows, testData } from '../source.ts';

export interface EvalOptions extends CommonOptions {
  readonly data?: string;
  readonly budget?: number;
  readonly limit?: number;
  readonly batch?: number;
  readonly threads?: number;
}

/** What a model did with the test split at one operating point. */
interface Measured {
  readonly budget: number | null;
  readonly certified: boolean;
  readonly chosen: boolean;
  readonly thresholds?: Point['thresholds'];
  readonly accuracy: number;
  /** Mean MACs of an image, and as a share of the full model's. */
  readonly macs: number;
  readonly macShare: number;
  /** Against the full model's answers. */
  readonly harm: number;
  readonly loss: number;
  readonly disagreement: number;
  /** Share of the images that left at each exit. */
  readonly exits: Readonly<Record<string, number>>;
  readonly note?: string;
}

/** Runs a model over a test split at its operating points, and on its full path. */
export async function evaluate(path: string, options: EvalOptions, cx: Context): Promise<Outcome> {
  const source = await openSource(path);
  const session = options.threads ? { intraOpNumThreads: options.threads } : {};
  const model = await naming(path, () => load(source.bytes, { session, worker: true }));
  try {
    const { card } = model;
    const found = await testData(options.data, source, card, cx);
    const n = Math.min(options.limit ?? found.length, found.length);
    // Folders are sorted by class: the first images would all be of one.
    const all = n < found.length ? subset(found, evenly(found.length, n)) : found;
    if (card.form === 'branch' && options.batch)
      cx.note('--batch is left out: form "branch" takes one image at a time');
    const batch = card.form === 'branch' ? 1 : (options.batch ?? 256);
    const settings = settingsOf(card, options.budget);
    cx.progress.start('evaluate', n * (settings.length + 1));
    let done = 0;
    const pass = (setting: BudgetOptions) =>
      observed(model, all, n, batch, setting, (rows) => {
        done += rows;
        cx.progress.update(done);
      });

    const nobody = await pass({ thresholds: fullThresholds(card.decisions) });
    const points: Measured[] = [];
    for (const { setting, point } of settings) {
      const seen = await pass(setting);
      points.push(measured(seen, nobody.answers, all, card, point));
    }
    cx.progress.stop();
    const full = accuracy(nobody.answers, all);
    const drift = card.certificate && counted(card, options) ? model.drift() : undefined;
    return {
      json: { model: path, data: all.name, n, full: { accuracy: full, macs: card.fullMacs }, points, drift },
      text: [
        `${all.name}, ${whole(n)} images. The full model: accuracy ${percent(full, 2)}, ${count(card.fullMacs)} MACs.`,
        ...shown(points, card),
        ...(drift?.drifted ? [`Careful: ${drift.message}.`] : []),
      ],
    };
  } finally {
    await model.close();
  }
}

/** Whether the chosen point was run, so that its exits can be compared with those at certification. */
const counted = (card: ModelCard, { budget }: EvalOptions): boolean =>
  budget === undefined && card.decisions.some(isExit);

function settingsOf({ points, chosen }: ModelCard, budget: number | undefined) {
  if (budget !== undefined) return [{ setting: { budget } as BudgetOptions, point: undefined }];
  return points.map((p, i) => ({
    setting: { thresholds: p.thresholds } as BudgetOptions,
    point: { ...p, chosen: i === chosen },
  }));
}

interface Seen {
  readonly answers: Int32Array;
  readonly macs: number;
  readonly exits: Readonly<Record<string, number>>;
  readonly point: Awaited<ReturnType<LoadedModel['run']>>['point'];
}

async function observed(
  model: LoadedModel,
  ds: Dataset,
  n: number,
  batch: number,
  setting: BudgetOptions,
  tell: (rows: number) => void,
): Promise<Seen> {
  const answers = new Int32Array(n);
  const counts = new Map(answerNames(model.card.decisions).map((name) => [name, 0]));
  let macs = 0;
  let point: Seen['point'] | undefined;
  for (let from = 0; from < n; from += batch) {
    const rows = Math.min(batch, n - from);
    const result = await model.run(rawRows(ds, from, rows), setting);
    point = result.point;
    for (const [i, { index, exit }] of result.answers.entries()) {
      answers[from + i] = index;
      counts.set(exit, (counts.get(exit) ?? 0) + 1);
    }
    for (const t of result.trace) macs += t.macs;
    tell(rows);
  }
  return { answers, macs: macs / n, exits: Object.fromEntries([...counts].map(([k, c]) => [k, c / n])), point: point! };
}

const accuracy = (answers: Int32Array, { labels }: Dataset): number =>
  answers.reduce((right, a, i) => right + (a === labels[i] ? 1 : 0), 0) / answers.length;

function measured(
  { answers, macs, exits, point: used }: Seen,
  full: Int32Array,
  ds: Dataset,
  card: ModelCard,
  point: (Point & { chosen: boolean }) | undefined,
): Measured {
  const labels = ds.labels.subarray(0, answers.length);
  const mean = (values: Int8Array) => values.reduce((a, b) => a + b, 0) / values.length;
  const risk = (name: 'harm' | 'loss' | 'disagreement') => mean(losses(name, answers, full, labels));
  return {
    budget: used.budget,
    certified: used.certified,
    chosen: point?.chosen ?? false,
    ...(point ? { thresholds: point.thresholds } : {}),
    accuracy: accuracy(answers, ds),
    macs,
    macShare: macs / card.fullMacs,
    harm: risk('harm'),
    loss: risk('loss'),
    disagreement: risk('disagreement'),
    exits,
    ...(used.note ? { note: used.note } : {}),
  };
}

function shown(points: readonly Measured[], { certificate }: ModelCard): string[] {
  // What is certified stands beside what is asked for most.
  const risks = [...new Set(['harm', certificate?.risk ?? 'harm'] as const)];
  const exits = Object.keys(points[0]?.exits ?? {});
  return [
    ...table(
      [
        ['budget', 'accuracy', 'MACs', 'of full', ...risks, ...exits, ''],
        ...points.map((p) => [
          percent(p.budget ?? undefined),
          percent(p.accuracy, 2),
          count(p.macs),
          percent(p.macShare),
          ...risks.map((r) => percent(p[r], 2)),
          ...exits.map((e) => percent(p.exits[e])),
          p.chosen ? 'chosen' : p.certified ? '' : 'not certified',
        ]),
      ],
      { left: [0, 4 + risks.length + exits.length] },
    ),
    ...points.flatMap((p) => (p.note && p.note !== 'not certified' ? [p.note] : [])),
  ];
}
