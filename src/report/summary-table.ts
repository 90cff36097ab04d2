import { count, duration, exactPercent, milliseconds, percent, times, whole } from './format.ts';
import type { Summary } from './types.ts';

/**
 * The nets side by side as plain cells, the head row first: accuracy, MACs, time of one image and of one in 64.
 *
 * @example for (const row of summaryTable(summary)) console.log(row.join('  '))
 */
export function summaryTable({ full, static: plain, dynamic, baseline: { sameMacs } }: Summary): string[][] {
  return [
    ['net', 'accuracy', 'MACs', 'one image', 'one of 64'],
    ...(
      [
        ['static', plain],
        ['full', full],
        ['dynamic', dynamic],
      ] as const
    ).map(([name, r]) => [name, percent(r.accuracy), count(r.macs), milliseconds(r.ms1), milliseconds(r.ms64)]),
    [
      'static, same mean MACs',
      percent(sameMacs.accuracy),
      count(sameMacs.macs),
      milliseconds(null),
      milliseconds(null),
    ],
  ];
}

export interface ExplainedFigure {
  readonly name: string;
  readonly value: string;
  readonly meaning: string;
}

const risks: Readonly<Record<string, string>> = {
  harm: 'Harm: the answer is wrong where the full net’s would have been right. The certificate bounds the share of such inputs.',
  loss: 'Loss: the full net’s accuracy less the dynamic one’s. The certificate bounds this difference.',
  disagreement:
    'Disagreement: the answer differs from the full net’s, right or wrong. The certificate bounds the share of such inputs.',
};

/** Every figure of a summary with its meaning in plain words, in groups. */
export function explainedFigures(
  s: Summary,
): { readonly title: string; readonly figures: readonly ExplainedFigure[] }[] {
  const figure = (name: string, value: string, meaning: string): ExplainedFigure => ({ name, value, meaning });
  const c = s.certificate;
  return [
    {
      title: 'The nets',
      figures: [
        figure(
          'static',
          percent(s.static.accuracy),
          'The same architecture trained without exits: what one would have had otherwise. Speed-ups compare with it.',
        ),
        figure(
          'full',
          percent(s.full.accuracy),
          'The dynamic net’s own last exit, every image sent all the way. The certificate compares with it.',
        ),
        figure(
          'dynamic',
          percent(s.dynamic.accuracy),
          'The shipped file at its chosen operating point: each image stops as soon as an exit is sure enough.',
        ),
        figure(
          'static, same mean MACs',
          percent(s.baseline.sameMacs.accuracy),
          'A smaller static net that spends on every image what the dynamic one spends on average. Being dynamic is worth it where this net is less accurate.',
        ),
      ],
    },
    {
      title: 'Speed',
      figures: [
        figure(
          'speed-up, one image',
          times(s.speedup1),
          'Time of the static net divided by time of the dynamic one, images coming one by one.',
        ),
        figure(
          'speed-up, batch of 64',
          times(s.speedup64),
          'The same for batches of 64, where the images still undecided go on together.',
        ),
        figure(
          'MAC speed-up',
          times(s.macSpeedup),
          'The same in multiply-accumulates (MACs), the unit of computation. Time and MACs differ, since layers differ in MACs a second.',
        ),
        figure(
          'realisation, one image',
          percent(s.realisation1, 1),
          'How much of the skipping the clock keeps: time of the taken paths, each compiled on its own without exits and run on the same stream of images, divided by the measured time. 100 % means that deciding costs nothing.',
        ),
        figure(
          'realisation, against cuts alone',
          percent(s.realisation1Warm, 1),
          "One image, against cuts that each run on a stream of their own, where all their weights stay in the processor's caches.",
        ),
        figure('realisation, batch of 64', percent(s.realisation64, 1), 'The same for batches of 64.'),
        figure(
          '95th percentile',
          milliseconds(s.dynamic.ms1p95),
          'Nineteen of twenty images are answered within this time.',
        ),
        figure(
          'nobody exits',
          milliseconds(s.dynamic.ms1NobodyExits),
          `The worst case: an image that passes every exit and goes all the way. The full net without exits takes ${milliseconds(s.full.ms1)}.`,
        ),
      ],
    },
    {
      title: 'Certificate',
      figures: [
        figure('risk', c.risk, risks[c.risk] ?? 'What the certificate bounds.'),
        figure(
          'epsilon',
          exactPercent(c.epsilon),
          'The largest risk that was accepted, chosen before any data was seen.',
        ),
        figure(
          'delta',
          exactPercent(c.delta),
          'The probability that the statement is wrong, over draws of the calibration set.',
        ),
        figure(
          'n',
          whole(c.n),
          'Images that the bound was proven on; nothing else had seen them. It holds for images like these.',
        ),
        figure(
          'method',
          c.method,
          'The statistical test. Operating points are tested from the safest on, until the first that fails.',
        ),
      ],
    },
    {
      title: 'Training',
      figures: [
        figure('epochs', whole(s.training.epochs), 'Passes over the training split.'),
        figure('time', duration(s.training.seconds), 'For all exits together.'),
        figure('images a second', whole(s.training.imagesPerSecond), 'Forward, backward and optimiser step.'),
      ],
    },
  ];
}
