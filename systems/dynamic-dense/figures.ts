import type { Ticks } from '../shared/clock.ts';
import { stat } from '../shared/stats.ts';
import type { Contender, Figure, Role } from '../shared/system.ts';
import { ALLOWED, edgesOf } from './choose.ts';
import { crossEdges } from './detector.ts';
import type { Precision } from './judge.ts';
import type { Trial } from './trial.ts';

/** The nets without decisions. */
export const FIXED: Readonly<Record<string, Role>> = {
  plain: 'static',
  'usual skips': 'static',
  dense: 'static',
  'fewer edges, by mean weight': 'same-macs',
  'fewer edges, at random': 'same-macs',
  'plain, one scale': 'same-macs',
};

/** The way that most test images take, compiled without gates: what the clock could keep of the dropping. */
export const CUT = 'most taken way';

/** A net on test, over seeds; `worst` where it takes its full path. */
export function row(name: string, role: Role, found: readonly Precision[], time?: Ticks, worst?: Ticks): Contender {
  return {
    ...{ name, role },
    accuracy: stat(found.map((p) => p.map)),
    macs: stat(found.map((p) => p.macs)),
    ...(time ? { ms1: stat([time.median]), p95: stat([time.p95]) } : {}),
    ...(worst ? { worst: stat([worst.median]) } : {}),
  };
}

/** Edges that each image uses, over all seeds. */
const used = (trials: readonly Trial[]): number[] =>
  trials.flatMap((t) => t.dynamic.test.ways.map((w) => edgesOf(w).length));

/** What the dynamic net gains, and what it does. */
export function figuresOf(
  trials: readonly Trial[],
  times: Record<string, Ticks>,
  classes: readonly string[],
): Figure[] {
  const figure = (name: string, unit: Figure['unit'], values: readonly number[], note?: string): Figure => ({
    ...{ name, unit, value: stat(values) },
    ...(note === undefined ? {} : { note }),
  });
  const above = (what: string, of: (t: Trial) => Precision): Figure =>
    figure(
      `dynamic: mAP@.5 above ${what}`,
      'points',
      trials.map((t) => t.dynamic.test.map - of(t).map),
    );
  const counts = used(trials);
  return [
    ...Object.keys(FIXED).map((name) => above(name, (t) => t.fixed[name]!.test)),
    above('its own full path', (t) => t.dynamic.full),
    above('its ways dealt out', (t) => t.dynamic.dealt),
    above('one way for all', (t) => t.dynamic.constant),
    figure(
      'dense: mAP@.5 above plain',
      'points',
      trials.map((t) => t.fixed.dense!.test.map - t.fixed.plain!.test.map),
    ),
    figure(
      'dynamic: cross-layer edges used',
      '',
      counts,
      `of ${crossEdges.length}, over all images and seeds; from ${Math.min(...counts)} to ${Math.max(...counts)}`,
    ),
    figure(
      'dynamic: MACs of dense over mean MACs',
      'x',
      trials.map((t) => t.fixed.dense!.test.macs / t.dynamic.test.macs),
    ),
    figure('dynamic: speed-up of one image over dense', 'x', [times.dense!.median / times.dynamic!.median]),
    figure('dynamic: worst case over dense', 'x', [times.worst!.median / times.dense!.median]),
    figure(
      'dynamic: realisation of one image',
      '',
      [times[CUT]!.median / times.dynamic!.median],
      'time of the way most often taken, compiled without gates, over the dynamic time',
    ),
    figure(
      'dynamic: weight under which edges are dropped',
      '',
      trials.map((t) => t.dynamic.threshold),
      `the cheapest on val within ${100 * ALLOWED} points of the best`,
    ),
    ...classes.flatMap((name, c) =>
      (['plain', 'dense'] as const)
        .map((n) =>
          figure(
            `${n}: AP@.5 of ${name}`,
            '%',
            trials.map((t) => t.fixed[n]!.test.byClass[c]!),
          ),
        )
        .concat(
          figure(
            `dynamic: AP@.5 of ${name}`,
            '%',
            trials.map((t) => t.dynamic.test.byClass[c]!),
          ),
        ),
    ),
  ];
}
