import { staticRow } from '../shared/compare.ts';
import { stat } from '../shared/stats.ts';
import type { Contender, Figure, Role } from '../shared/system.ts';
import type { Judged as Ways } from '../shared/trial.ts';
import type { Gated } from './judge.ts';
import type { Times } from './times.ts';
import type { Narrow, Stage } from './train.ts';

/** A net on the test split. */
export interface Point {
  readonly accuracy: number;
  readonly macs: number;
}

/** The nets of one stage and seed, on the test split. */
export interface Judged {
  readonly stage: Stage;
  readonly nets: Narrow;
  readonly gated: Gated;
  readonly pruned: Point;
}

export const gatedName = ({ keep }: Stage): string => `gated, ${Math.round(100 * keep)} %`;

export const row = (name: string, role: Role, points: readonly Point[], note?: string): Contender => ({
  ...{ name, role, accuracy: stat(points.map((p) => p.accuracy)), macs: stat(points.map((p) => p.macs)) },
  ...(note === undefined ? {} : { note }),
});

type Timed = Pick<Contender, 'ms1' | 'ms64' | 'p95' | 'worst'>;

const timed = ({ one, many, alone }: Times, name: 'plain' | 'pruned' | 'gated' | 'cascade'): Timed => ({
  ms1: stat([alone[name]]),
  ms64: stat([many[name].mean]),
  p95: stat([one[name].p95]),
});

/** The plain net. */
export const plainRow = (plain: Point, times: Times): Contender => ({
  ...staticRow('plain', 'static', plain),
  ...timed(times, 'plain'),
});

/** Gated and pruned nets of one stage, with times where they were taken. */
export function stageRows(list: readonly Judged[], times?: Times): { gated: Contender; pruned: Contender } {
  const name = gatedName(list[0]!.stage);
  const found = list.map((j) => j.gated);
  const own = found.every((g) => g.spread.dynamic)
    ? row(name, 'dynamic', found)
    : row(`${name} [static: its choices do not differ]`, 'constant', found);
  const pruned = row(
    `pruned by L1, at the MACs of ${name}`,
    'same-macs',
    list.map((j) => j.pruned),
  );
  if (!times) return { gated: own, pruned };
  return {
    gated: { ...own, ...timed(times, 'gated'), worst: stat([times.one.all.median]) },
    pruned: { ...pruned, ...timed(times, 'pruned') },
  };
}

/** A cascade with its times. */
export const withTimes = (contender: Contender, times: Times): Contender => ({
  ...contender,
  ...timed(times, 'cascade'),
  worst: stat([times.one.unsure.median]),
});

const points = (name: string, what: string, values: readonly number[]): Figure => ({
  ...{ name: `${name}: ${what}`, value: stat(values), unit: 'points' },
});
const share = (name: string, what: string, values: readonly number[]): Figure => ({
  ...{ name: `${name}: ${what}`, value: stat(values), unit: '%' },
});

/** What the gated nets of one stage gain. */
export function gatedGains(list: readonly Judged[], plain: Point, further: Point): Figure[] {
  const name = gatedName(list[0]!.stage);
  return [
    share(
      name,
      'MACs saved',
      list.map((j) => 1 - j.gated.macs / plain.macs),
    ),
    points(
      name,
      'above the plain net',
      list.map((j) => j.gated.accuracy - plain.accuracy),
    ),
    points(
      name,
      'above the plain net, trained further',
      list.map((j) => j.gated.accuracy - further.accuracy),
    ),
    points(
      name,
      'above L1 pruning at the same MACs',
      list.map((j) => j.gated.accuracy - j.pruned.accuracy),
    ),
    share(
      name,
      'kept channels that another image drops',
      list.map((j) => j.gated.differing),
    ),
  ];
}

/** What a cascade gains, against the pruned nets of the stage whose MACs it has. */
export function cascadeGains(
  name: string,
  { accuracy, macs, random }: Pick<Ways, 'accuracy' | 'macs' | 'random'>,
  plain: Point,
  further: Point,
  pruned: readonly Point[],
): Figure[] {
  const rival = stat(pruned.map((p) => p.accuracy)).mean;
  return [
    share(name, 'MACs saved', [1 - macs / plain.macs]),
    points(name, 'above the plain net', [accuracy - plain.accuracy]),
    points(name, 'above the plain net, trained further', [accuracy - further.accuracy]),
    points(name, 'above L1 pruning at the same MACs', [accuracy - rival]),
    points(name, 'above its ways at random', [accuracy - random.accuracy]),
  ];
}

/** Speed-ups over the plain net. */
export function speedUps({ alone, many }: Times, gated: string, cascade: string): Figure[] {
  const names = { gated, cascade, pruned: 'pruned by L1' } as const;
  const notes: Partial<Record<keyof typeof names, string>> = {
    gated: 'dropped channels are computed, and put to zero',
  };
  return [
    ...(Object.keys(names) as (keyof typeof names)[]).flatMap((k): Figure[] => [
      {
        name: `${names[k]}: speed-up of one image`,
        value: stat([alone.plain / alone[k]]),
        unit: 'x',
      },
      {
        name: `${names[k]}: speed-up in batches of 64`,
        value: stat([many.plain.mean / many[k].mean]),
        unit: 'x',
        ...(notes[k] ? { note: notes[k] } : {}),
      },
    ]),
    {
      ...{ name: `${gated}: realisation of one image`, value: stat([alone.pruned / alone.gated]), unit: '' },
      note: 'time of the pruned net, of as many channels without decisions, over that of the gated one',
    },
  ];
}
