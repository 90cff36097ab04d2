import { parse, resolve } from 'node:path';
import {
  type Adapted,
  type AdaptStage,
  adapt,
  type ComparedTimes,
  compareTimes,
  type ExitPlan,
  planExits,
  readForeign,
} from '../../deploy/adapt/index.ts';
import { DynaError } from '../../errors.ts';
import { readBytes, writeAtomic } from '../../files.ts';
import { table } from '../../table.ts';
import { certificateText } from '../certificate-text.ts';
import type { CommonOptions, Context, Outcome } from '../context.ts';
import { count, exactPercent, milliseconds, percent, whole } from '../format.ts';
import { type Normalisation, openImages } from '../images.ts';
import { naming } from '../source.ts';

export interface AdaptOptions extends CommonOptions, Normalisation {
  readonly data?: string;
  readonly maxDisagreement: number;
  readonly delta: number;
  readonly exits: number;
  readonly exitAt?: readonly string[];
  readonly plan?: boolean;
  readonly out?: string;
  readonly test?: string;
  readonly limit?: number;
  readonly epochs?: number;
  readonly seed: number;
  readonly rounds: number;
  readonly threads?: number;
}

const stages: Readonly<Record<AdaptStage, string>> = {
  features: 'run the model',
  heads: 'train heads',
  tune: 'tune',
  certify: 'certify',
  test: 'test',
};

/** Adapts somebody else's classifier and writes the dynamic file. */
export async function adaptModel(path: string, options: AdaptOptions, cx: Context): Promise<Outcome> {
  const original = await readBytes(path);
  const foreign = await naming(path, () => readForeign(original));
  if (options.plan) return planned(planExits(foreign, options));
  if (options.data === undefined)
    throw new DynaError('usage', 'adapt needs typical inputs', {
      fix: 'give --data with a folder of images (no labels needed)',
    });
  const data = await openImages(options.data, foreign, options, cx);
  const test =
    options.test === undefined ? undefined : await openImages(options.test, foreign, { ...options, split: 'test' }, cx);
  const session = options.threads ? { session: { intraOpNumThreads: options.threads } } : {};
  const signal = cx.interruptible('Stopping; nothing will be written. Press Ctrl-C again to stop at once.');
  let stage = '';
  const result = await naming(path, () =>
    adapt(original, {
      data,
      ...(test ? { test } : {}),
      maxDisagreement: options.maxDisagreement,
      delta: options.delta,
      exits: options.exits,
      ...(options.exitAt ? { exitAt: options.exitAt } : {}),
      ...(options.epochs ? { epochs: options.epochs } : {}),
      name: parse(path).name,
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
  );
  const times = await timesOf(original, foreign, result, test, options, cx);
  cx.checkInterrupted();
  const { dir, name } = parse(path);
  const out = resolve(options.out ?? resolve(dir, `${name}.dynamic.onnx`));
  await writeAtomic(out, result.bytes);
  const { summary, plan, model } = result;
  const { chosen, certificate } = model;
  return {
    json: {
      file: out,
      ...summary,
      certificate: { ...certificate, points: certificate.points.length, chosen: undefined },
      thresholds: summary.fullModelKept ? {} : chosen.thresholds,
      plan: planJson(plan),
      times,
      bytes: { original: original.length, adapted: result.bytes.length },
    },
    text: [...resultText(result, times, options), `Written: ${out}`],
  };
}

async function timesOf(
  original: Uint8Array,
  foreign: Parameters<typeof compareTimes>[1],
  { bytes, held, summary }: Adapted,
  test: Adapted['held'] | undefined,
  { rounds, threads }: AdaptOptions,
  cx: Context,
): Promise<ComparedTimes[]> {
  if (rounds === 0 || summary.fullModelKept) return [];
  cx.progress.start('time', rounds + Math.max(5, Math.ceil(rounds / 10)));
  const session = threads ? { session: { intraOpNumThreads: threads } } : {};
  const times = await compareTimes(original, foreign, bytes, test ?? held, {
    rounds,
    ...session,
    onProgress: (done) => cx.progress.update(done),
  });
  cx.progress.stop();
  return times;
}

const planJson = ({ places, exits, macs }: ExitPlan) => ({
  macs,
  places: places.map((p) => ({
    name: p.name,
    shape: p.shape,
    share: p.share,
    headMacs: p.head.macs,
    ratio: p.ratio,
    exit: exits.includes(p),
  })),
});

function planTable({ places, exits, macs }: ExitPlan): string[] {
  const rows = places.map((p) => [
    p.name,
    p.shape.join(' x '),
    percent(p.share),
    count(p.head.macs),
    `${p.ratio.toFixed(1)} x`,
    exits.includes(p) ? `exit${exits.indexOf(p) + 1}` : '',
  ]);
  return [
    `Places for exits (the whole model takes ${count(macs)} MACs):`,
    ...table([['after node', 'features', 'MACs before', 'head MACs', 'saves / costs', ''], ...rows], { left: [0, 5] }),
  ];
}

const planned = (plan: ExitPlan): Outcome => ({
  json: planJson(plan),
  text: [...planTable(plan), 'Choose others with --exit-at, by these names.'],
});

function resultText({ summary, model }: Adapted, times: readonly ComparedTimes[], options: AdaptOptions): string[] {
  const { sizes, exits, test, notes } = summary;
  const shares = (of: Readonly<Record<string, number>>) =>
    Object.entries(of)
      .map(([name, s]) => `${name} ${percent(s)}`)
      .join(', ');
  const factor = (a: number, b: number) => `${(a / b).toFixed(2)} x`;
  const rows = [
    ['', 'original', 'adapted', 'gain'],
    [
      'MACs, mean',
      count(summary.originalMacs),
      count(summary.meanMacs),
      factor(summary.originalMacs, summary.meanMacs),
    ],
    ...times.map((t) => [
      t.batch === 1 ? 'one image' : `batch of ${t.batch}`,
      milliseconds(t.original),
      milliseconds(t.adapted),
      factor(t.original, t.adapted),
    ]),
    ...(test?.accuracy
      ? [['accuracy (test)', percent(test.accuracy.original, 2), percent(test.accuracy.adapted, 2), '']]
      : []),
  ];
  const claim = summary.fullModelKept
    ? [
        `${summary.message[0]!.toUpperCase()}${summary.message.slice(1)}.`,
        'The file has no exits and answers as the original does, on every input.',
      ]
    : certificateText(model.certificate);
  return [
    ...claim,
    `Heads learned from ${whole(sizes.heads)} views; tuned on ${whole(sizes.tune)} images, certified on ${whole(sizes.certify)} others.`,
    '',
    ...table(rows),
    '',
    `Leaves at: ${shares(exits)}. Disagreement seen: ${percent(summary.disagreement, 2)} (bound ${exactPercent(options.maxDisagreement)}).`,
    ...(test
      ? [`On ${whole(test.n)} test images: agreement ${percent(test.agreement, 2)}, leaves at ${shares(test.exits)}.`]
      : []),
    ...times
      .filter((t) => t.adapted >= t.original)
      .map(
        (t) =>
          `It saves MACs, but no time at ${t.batch === 1 ? 'one image' : `a batch of ${t.batch}`} on this machine: the model is too small for its exits to pay.`,
      ),
    ...notes.map((n) => `Note: ${n}.`),
  ];
}
