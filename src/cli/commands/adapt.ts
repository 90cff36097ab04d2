import { dirname, parse, resolve } from 'node:path';
import type { Dataset } from '../../data/index.ts';
import {
  type Adapted,
  type AdaptStage,
  adapt,
  type Compared,
  type ComparedTimes,
  compareAnswers,
  compareTimes,
  type Foreign,
  pixelText,
  planExits,
  readForeign,
  removeWork,
  skipPlaces,
  type TimeShares,
  type Way,
} from '../../deploy/adapt/index.ts';
import { DynaError } from '../../errors.ts';
import { isFolder, makeFolder, readBytes, writeAtomic } from '../../files.ts';
import { readOnnxFile } from '../../graph/index.ts';
import { adaptedHtml } from '../../report/index.ts';
import { table } from '../../table.ts';
import { provenText } from '../certificate-text.ts';
import type { CommonOptions, Context, Outcome } from '../context.ts';
import { Interrupted } from '../exit.ts';
import { capitalised, count, exactPercent, milliseconds, percent, whole } from '../format.ts';
import { type Normalisation, openImages } from '../images.ts';
import { OWN_LABELS } from '../labels.ts';
import { naming } from '../source.ts';
import { planJson, planOutcome, planTable } from './adapt-plan.ts';
import { adaptedReport } from './adapt-report.ts';

export interface AdaptOptions extends CommonOptions, Normalisation {
  readonly data?: string;
  readonly train?: string;
  readonly test?: string;
  readonly labels?: string;
  readonly maxDisagreement?: number;
  readonly harm?: number;
  readonly loss?: number;
  readonly delta: number;
  readonly budget?: number;
  readonly selectBy?: 'time' | 'macs';
  readonly tune?: boolean;
  readonly tuneEpochs?: number;
  readonly skips?: boolean;
  readonly exits: number;
  readonly exitAt?: readonly string[];
  readonly plan?: boolean;
  readonly out?: string;
  readonly work?: string;
  readonly memory?: number;
  /** A path; false: none. */
  readonly report?: string | boolean;
  readonly limit?: number;
  readonly epochs?: number;
  readonly seed: number;
  readonly rounds: number;
  readonly threads?: number;
}

/** What may differ where nothing else is said. */
const MAX_RISK = 0.005;

const stages: Readonly<Record<AdaptStage, string>> = {
  features: 'run the model',
  heads: 'train heads',
  backbone: 'train all',
  gates: 'train gates',
  time: 'time exits',
  tune: 'tune',
  certify: 'certify',
  test: 'test',
};

/** Adapts somebody else's classifier; writes the dynamic file and a report. */
export async function adaptModel(path: string, options: AdaptOptions, cx: Context): Promise<Outcome> {
  const original = await naming(path, () => readOnnxFile(path));
  const foreign = await naming(path, () => readForeign(original));
  const planned = planExits(foreign, options);
  if (options.plan) return planOutcome(planned, skipPlaces(foreign));
  if (options.data === undefined)
    throw new DynaError('usage', 'adapt needs typical inputs', {
      fix: 'give --data with a folder of images (no labels needed)',
    });
  if (options.tuneEpochs !== undefined && !options.tune)
    throw new DynaError('usage', '--tune-epochs was given without --tune, so nothing would be tuned');
  const claim = claimOf(options);
  const labels = options.labels ?? (claim.maxDisagreement === undefined ? OWN_LABELS : undefined);
  const { labels: _, ...request } = options;
  const data = await openImages(options.data, foreign, { ...request, ...(labels ? { labels } : {}) }, cx);
  const { limit: _limit, ...unlimited } = request;
  const train = options.train === undefined ? undefined : await openImages(options.train, foreign, unlimited, cx);
  const test =
    options.test === undefined
      ? undefined
      : await openImages(options.test, foreign, { ...unlimited, split: 'test' }, cx);
  const { dir, name } = parse(path);
  const out = resolve(options.out ?? resolve(dir, `${name}.dynamic.onnx`));
  if (out === resolve(path))
    throw new DynaError('usage', `--out is the original itself, ${path}, which the certificate compares with`, {
      fix: 'give another file',
    });
  const work = resolve(options.work ?? `${out}.work`);
  const page = typeof options.report === 'string' ? resolve(options.report) : out.replace(/(\.onnx)?$/, '.html');
  for (const file of options.report === false ? [out] : [out, page]) {
    await makeFolder(dirname(file));
    if (await isFolder(file)) throw new DynaError('file', `"${file}" is a folder`, { fix: 'name a file' });
  }
  const session = options.threads ? { session: { intraOpNumThreads: options.threads } } : {};
  const signal = cx.interruptible('Stopping; the same command goes on from here. Press Ctrl-C again to stop at once.');
  let stage = '';
  const result = await naming(path, () =>
    adapt(original, {
      data,
      ...(train ? { train } : {}),
      ...(test ? { test } : {}),
      ...claim,
      delta: options.delta,
      exits: options.exits,
      ...(options.exitAt ? { exitAt: options.exitAt } : {}),
      ...(options.epochs ? { epochs: options.epochs } : {}),
      ...(options.budget === undefined ? {} : { budget: options.budget }),
      ...(options.tune ? { tune: options.tuneEpochs ? { epochs: options.tuneEpochs } : true } : {}),
      ...(options.skips ? { skips: true } : {}),
      ...(options.selectBy ? { selectBy: options.selectBy } : {}),
      ...(options.memory === undefined ? {} : { memory: options.memory }),
      name,
      work,
      seed: options.seed,
      signal,
      ...session,
      onPlan: (plan) => {
        for (const line of planTable(plan)) cx.note(line);
      },
      onProgress(now, done, total, fields) {
        if (now !== stage) cx.progress.start(stages[now], total);
        stage = now;
        cx.progress.update(done, fields);
      },
    }),
  ).catch((error: unknown) => {
    if (!signal.aborted) throw error;
    cx.progress.stop();
    throw new Interrupted(`adapting was stopped; ${work} holds what is done, the same command goes on from there`);
  });
  await writeAtomic(out, result.bytes);
  const images = test ?? result.held;
  const look = async () => {
    const times = await timesOf(original, foreign, result, images, options, cx);
    const compared =
      result.summary.test ?? (await compareAnswers(original, foreign, result.bytes, images, { ...session, signal }));
    return { times, compared };
  };
  const { times, compared } = await look().catch((error: unknown) => {
    if (!signal.aborted) throw error;
    cx.progress.stop();
    throw new Interrupted(`${out} is written; its times and the report are not, the same command makes them`);
  });
  const statement = statementOf(result, Buffer.from(await readBytes(path)).equals(original));
  if (options.report !== false)
    await writeAtomic(
      page,
      await adaptedHtml(
        await adaptedReport({
          path,
          data: `${options.data} (${whole(data.length)} images)`,
          command: cx.command,
          original,
          result,
          times,
          images,
          what: test ? 'test images' : 'images of the certify part',
          compared,
          statement,
          threads: options.threads ?? 1,
        }),
      ),
    );
  if (options.work === undefined) await removeWork(work);
  const written = options.report === false ? [`Written: ${out}`] : [`Written: ${out}`, `Report: ${page}`];
  return {
    json: jsonOf(result, { original, out, times, compared, report: options.report === false ? null : page }),
    text: [
      ...statement,
      ...(data.inputs instanceof Uint8Array ? [`Pixels come as ${pixelText(data)}.`] : []),
      ...resultText(result, times, compared, images === test),
      ...written,
    ],
  };
}

/** Labels turn the bound into one on harm, unless disagreement was asked for: then they only tell how often answers are right. */
function claimOf({ maxDisagreement, harm, loss, labels }: AdaptOptions) {
  const given = Object.entries({ '--max-disagreement': maxDisagreement, '--harm': harm, '--loss': loss }).flatMap(
    ([name, bound]) => (bound === undefined ? [] : [name]),
  );
  if (given.length > 1) throw new DynaError('usage', `${given.join(' and ')} were given`, { fix: 'give one of them' });
  if (loss !== undefined) return { maxLoss: loss };
  if (harm !== undefined) return { maxHarm: harm };
  if (maxDisagreement === undefined && labels !== undefined) return { maxHarm: MAX_RISK };
  return { maxDisagreement: maxDisagreement ?? MAX_RISK };
}

async function timesOf(
  original: Uint8Array,
  foreign: Foreign,
  { bytes, summary }: Adapted,
  images: Dataset,
  { rounds, threads }: AdaptOptions,
  cx: Context,
): Promise<ComparedTimes[]> {
  if (rounds === 0 || summary.fullModelKept) return [];
  cx.progress.start('time', rounds + Math.max(5, Math.ceil(rounds / 10)));
  const times = await compareTimes(original, foreign, bytes, images, {
    rounds,
    session: { intraOpNumThreads: threads ?? 1 },
    onProgress(done) {
      cx.checkInterrupted();
      cx.progress.update(done);
    },
  });
  cx.progress.stop();
  return times;
}

interface Written {
  readonly original: Uint8Array;
  readonly out: string;
  readonly report: string | null;
  readonly times: readonly ComparedTimes[];
  readonly compared: Compared;
}

const jsonOf = ({ summary, plan, certificate, model, bytes }: Adapted, w: Written) => ({
  file: w.out,
  report: w.report,
  ...summary,
  certificate: { ...certificate, points: certificate.points.length, chosen: undefined },
  thresholds: model?.chosen.thresholds ?? {},
  plan: planJson(plan),
  compared: { ...w.compared, differences: w.compared.differences.length },
  times: w.times,
  bytes: { original: w.original.length, adapted: bytes.length },
});

const ways: Readonly<Record<Way, string>> = {
  frozen: "The original's weights are as they were.",
  tuned: "The original's weights were trained together with the exits and replace the old ones.",
  'tuned, then original':
    'Tuned exits stand before the original, which is whole behind them: what leaves nowhere gets its answer.',
  skips:
    "Gates leave residual blocks out; the original's weights were trained together with them and replace the old ones.",
};

/** What is proven, in sentences. */
function statementOf({ summary, certificate }: Adapted, alone: boolean): string[] {
  if (summary.fullModelKept)
    return [
      `${capitalised(summary.message)}.`,
      `The file that was written is the original, ${alone ? 'byte for byte' : 'with its external data taken in'}.`,
    ];
  return [...provenText(certificate, 'the original'), ways[summary.way]];
}

function resultText(
  { summary }: Adapted,
  times: readonly ComparedTimes[],
  compared: Compared,
  tested: boolean,
): string[] {
  const { sizes, exits, notes, claim } = summary;
  const shares = (of: Readonly<Record<string, number>>) =>
    Object.entries(of)
      .map(([name, s]) => `${name} ${percent(s)}`)
      .join(', ');
  const factor = (a: number, b: number) => `${(a / b).toFixed(2)} x`;
  const { originalMacs, meanMacs } = summary;
  const rows = [
    ['', 'original', 'adapted', 'gain'],
    ['MACs, mean', count(originalMacs), count(meanMacs), factor(originalMacs, meanMacs)],
    ...times.map((t) => [
      run(t.batch),
      milliseconds(t.original),
      milliseconds(t.adapted),
      factor(t.original, t.adapted),
    ]),
    ...(compared.accuracy
      ? [['accuracy', percent(compared.accuracy.original, 2), percent(compared.accuracy.adapted, 2), '']]
      : []),
  ];
  return [
    `Heads learned from ${whole(sizes.heads)} views; tuned on ${whole(sizes.tune)} images, certified on ${whole(sizes.certify)} others.`,
    '',
    ...table(rows),
    '',
    ...(summary.seen === undefined
      ? []
      : [
          `Leaves at: ${shares(exits)}. ${capitalised(claim.risk)} seen: ${percent(summary.seen, 2)} (bound ${exactPercent(claim.epsilon)}).`,
        ]),
    ...(tested
      ? [
          `On ${whole(compared.n)} test images: agreement ${percent(compared.agreement, 2)}${compared.harm === undefined ? '' : `, harm ${percent(compared.harm, 2)}`}, leaves at ${shares(compared.exits)}.`,
        ]
      : []),
    ...times
      .filter((t) => t.adapted >= t.original)
      .map(
        (t) =>
          `It saves MACs, but no time at ${run(t.batch)} on this machine: the model is too small for its exits to pay.`,
      ),
    ...(summary.selectedBy === 'time' || Object.keys(summary.tried).length > 1
      ? [
          `Tried, with what the tune part promised: ${Object.entries(summary.tried)
            .map(([way, { macs, times }]) =>
              macs < originalMacs || !times
                ? `${way} ${count(macs)} MACs${times ? `, ${shareOfTime(times)}` : ''}`
                : `${way}, in which nothing was faster than the original`,
            )
            .join('; ')}.`,
        ]
      : []),
    ...notes.map((n) => `Note: ${n}.`),
  ];
}

const shareOfTime = (times: TimeShares): string =>
  Object.entries(times)
    .map(
      ([batch, share]) => `${percent(share)} of the time ${batch === '1' ? 'for one image' : `in a batch of ${batch}`}`,
    )
    .join(', ');

const run = (batch: number): string => (batch === 1 ? 'one image' : `batch of ${batch}`);
