import { stat } from '../shared/stats.ts';
import type { Contender, Figure, Role } from '../shared/system.ts';
import type { Uses } from './choices.ts';
import type { Graded, Judged } from './judge.ts';
import { PRECISION } from './judge.ts';
import type { Grade } from './metric.ts';
import type { SceneTimes } from './times.ts';
import { WEATHERS } from './weather.ts';

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

type Timed = { readonly ms1: number; readonly ms64: number };

const timesIn = (times: readonly Timed[]) =>
  times.length > 0 ? { ms1: stat(times.map((t) => t.ms1)), ms64: stat(times.map((t) => t.ms64)) } : {};

/** A row of the table over seeds. */
export const row = (
  name: string,
  role: Role,
  list: readonly { readonly accuracy: number; readonly macs: number }[],
  times: readonly Timed[] = [],
): Contender => ({
  ...{ name, role, accuracy: stat(list.map((a) => a.accuracy)), macs: stat(list.map((a) => a.macs)) },
  ...timesIn(times),
});

/** The scene-adaptive net over seeds; one whose choices do not differ is not called dynamic. */
export function sceneRow(name: string, list: readonly Judged[], times: readonly SceneTimes[] = []): Contender {
  const moves = list.every((j) => j.spread.dynamic);
  const own = times.map((t) => t.dynamic);
  return {
    ...row(moves ? name : `${name} [static: its choices do not differ]`, moves ? 'dynamic' : 'constant', list, own),
    ...(own.length > 0 ? { p95: stat(own.map((t) => t.p95)), worst: stat(own.map((t) => t.worst)) } : {}),
  };
}

/** What the same weights do without looking. */
export const blindRows = (name: string, list: readonly Judged[]): Contender[] => [
  row(
    `${name}, full path`,
    'full',
    list.map((j) => j.full),
  ),
  row(
    `${name}, choices at random`,
    'random',
    list.map((j) => j.random),
  ),
  row(
    `${name}, choices at random among images of the same weather`,
    'random',
    list.map((j) => j.within),
  ),
  row(
    `${name}, best single setting`,
    'constant',
    list.map((j) => j.constant),
  ),
];

/** The static nets that stand beside it. */
export interface Statics {
  readonly plain: Graded;
  readonly further: Graded;
  readonly same: Graded;
}

const recallOf = ({ grades }: Graded): number => mean(grades.map((g) => g.recall));

/** What is gained and lost on the whole, over seeds. */
export function gains(name: string, list: readonly Judged[], { plain, further, same }: Statics): Figure[] {
  const figure = (what: string, unit: Figure['unit'], of: (j: Judged) => number, note?: string): Figure => ({
    ...{ name: `${name}: ${what}`, unit, value: stat(list.map(of)) },
    ...(note === undefined ? {} : { note }),
  });
  const pooled = `recall at precision ${PRECISION}, mean over weathers`;
  return [
    figure('MACs of static over mean MACs', 'x', (j) => plain.macs / j.macs, 'one image at a time'),
    figure(
      'MACs of static over mean MACs, in batches',
      'x',
      (j) => plain.macs / j.batchMacs,
      'only layers are left out',
    ),
    figure(
      'recall above the static net',
      'points',
      (j) => recallOf(j) - Math.max(recallOf(plain), recallOf(further)),
      pooled,
    ),
    figure('recall above static at the same MACs', 'points', (j) => recallOf(j) - recallOf(same), pooled),
    figure('above the static net', 'points', (j) => j.accuracy - Math.max(plain.accuracy, further.accuracy)),
    figure('above the static net trained as long', 'points', (j) => j.accuracy - further.accuracy),
    figure('above static at the same MACs', 'points', (j) => j.accuracy - same.accuracy),
    figure('above its own full path', 'points', (j) => j.accuracy - j.full.accuracy),
    figure('above its choices at random', 'points', (j) => j.accuracy - j.random.accuracy),
    figure('above its choices at random in the same weather', 'points', (j) => j.accuracy - j.within.accuracy),
    figure('above its best single setting', 'points', (j) => j.accuracy - j.constant.accuracy),
    figure('bits that a way tells of the weather', '', (j) => j.bits, '2 where each weather has ways of its own'),
  ];
}

/** What the clock says, over seeds. */
export function clock(name: string, times: readonly SceneTimes[]): Figure[] {
  const figure = (what: string, of: (t: SceneTimes) => number, note: string): Figure => ({
    ...{ name: `${name}: ${what}`, unit: 'x', value: stat(times.map(of)), note },
  });
  return [
    figure('speed-up of one image', (t) => t.static.ms1 / t.dynamic.ms1, 'file for one image'),
    figure(
      'speed-up in batches of 64',
      (t) => t.static.ms64 / t.dynamic.ms64,
      'file for batches: tokens and heads are only masked',
    ),
    figure('worst case over static', (t) => t.dynamic.worst / t.static.ms1, 'everything run, one image'),
  ];
}

const tenth = (v: number): string => v.toFixed(1);

/** What images of a weather use, in words. */
export const usesText = ({ layers, heads, tokens }: Uses): string =>
  `${tenth(layers)} layers beside the first, ${(100 * heads).toFixed(0)} % of heads, ${tokens.map(tenth).join(' and ')} tokens`;

const met = (grades: readonly Grade[]): string => {
  const known = grades.flatMap((g) => g.precision ?? []);
  return known.length > 0 ? `precision met: ${(100 * mean(known)).toFixed(1)} %` : 'no score was sure enough';
};

/** Each weather for itself: recall at the fixed precision, accuracy, and what is spent. */
export function byWeather(name: string, list: readonly Judged[], { plain, same }: Statics): Figure[] {
  const nets: readonly (readonly [string, readonly Graded[]])[] = [
    ['static', [plain]],
    [name, list],
    ['static at the same MACs', [same]],
  ];
  return WEATHERS.flatMap((weather, w): Figure[] => [
    ...nets.map(
      ([who, graded]): Figure => ({
        name: `${weather}, recall at precision ${PRECISION}: ${who}`,
        value: stat(graded.map((g) => g.grades[w]!.recall)),
        unit: '%',
        note: met(graded.map((g) => g.grades[w]!)),
      }),
    ),
    ...nets.map(
      ([who, graded]): Figure => ({
        name: `${weather}, accuracy: ${who}`,
        value: stat(graded.map((g) => g.grades[w]!.accuracy)),
        unit: '%',
      }),
    ),
    {
      name: `${weather}, share of the static net's MACs: ${name}`,
      value: stat(list.map((j) => j.uses[w]!.macs / plain.macs)),
      unit: '%',
      note: `seed 1: ${usesText(list[0]!.uses[w]!)}`,
    },
  ]);
}
