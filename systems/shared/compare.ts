import { stat } from './stats.ts';
import type { Contender, Figure, Role } from './system.ts';
import type { Timed } from './times.ts';
import type { Judged } from './trial.ts';
import type { Baseline } from './ways.ts';

/** A static net, on the test split. */
export interface Against {
  readonly accuracy: number;
  readonly macs: number;
}

const row = (name: string, role: Role, list: readonly Baseline[]): Contender => ({
  name,
  role,
  accuracy: stat(list.map((b) => b.accuracy)),
  macs: stat(list.map((b) => b.macs)),
  note: [...new Set(list.map((b) => b.note))].join('; '),
});

/** A dynamic net over seeds, with times where they were taken. */
export function dynamicRow(name: string, trials: readonly Judged[], times: readonly Timed[] = []): Contender {
  const timed = times.length > 0 && {
    ms1: stat(times.map((t) => t.dynamic.ms1)),
    ms64: stat(times.map((t) => t.dynamic.ms64)),
    p95: stat(times.map((t) => t.dynamic.ms1p95)),
    worst: stat(times.map((t) => t.dynamic.ms1NobodyExits)),
  };
  const moves = trials.every((t) => t.spread.dynamic);
  return {
    name: moves ? name : `${name} [static: its choices do not differ]`,
    role: moves ? 'dynamic' : 'constant',
    accuracy: stat(trials.map((t) => t.accuracy)),
    macs: stat(trials.map((t) => t.macs)),
    ...timed,
  };
}

/** What the same weights do without looking at the input, and the oracle. */
export const ownBaselines = (name: string, trials: readonly Judged[]): Contender[] => [
  row(
    `${name}, full path`,
    'full',
    trials.map((t) => t.full),
  ),
  row(
    `${name}, ways at random`,
    'random',
    trials.map((t) => t.random),
  ),
  row(
    `${name}, best single way`,
    'constant',
    trials.map((t) => t.constant),
  ),
  row(
    `${name}, oracle`,
    'oracle',
    trials.map((t) => t.oracle),
  ),
];

/** The static net and what of it was timed beside the dynamic one. */
export function staticRow(
  name: string,
  role: Role,
  { accuracy, macs }: Against,
  times: readonly { readonly ms1: number; readonly ms64: number }[] = [],
): Contender {
  return {
    ...{ name, role, accuracy: stat([accuracy]), macs: stat([macs]) },
    ...(times.length > 0 ? { ms1: stat(times.map((t) => t.ms1)), ms64: stat(times.map((t) => t.ms64)) } : {}),
  };
}

/** The static nets: as the backbone is, trained on as long as the dynamic net was, and smaller. */
export interface Facts {
  readonly plain: Against;
  readonly further: Against;
  readonly same: Against;
}

/** A smaller net says something of dynamic ones that cost as much as it does, or up to so much less. */
const ALIKE = 0.9;

/**
 * What a dynamic net gains, over seeds: on the clock, in MACs, and in points of accuracy against each kind of static net. "The
 * static net" is the better of the two: as the backbone is, or trained as long as the dynamic one.
 */
export function gains(
  name: string,
  trials: readonly Judged[],
  times: readonly Timed[],
  { plain, further, same }: Facts,
): Figure[] {
  const over = (f: (t: Judged, m: Timed) => number) => stat(trials.map((t, i) => f(t, times[i]!)));
  const figure = (what: string, unit: Figure['unit'], f: (t: Judged, m: Timed) => number): Figure => ({
    name: `${name}: ${what}`,
    value: over(f),
    unit,
  });
  return [
    figure('speed-up of one image', 'x', (_, m) => m.static.ms1 / m.dynamic.ms1),
    figure('speed-up in batches of 64', 'x', (_, m) => m.static.ms64 / m.dynamic.ms64),
    figure('MACs of static over mean MACs', 'x', (t) => plain.macs / t.macs),
    figure('above the static net', 'points', (t) => t.accuracy - Math.max(plain.accuracy, further.accuracy)),
    figure('above the static net trained as long', 'points', (t) => t.accuracy - further.accuracy),
    figure('above its own full path', 'points', (t) => t.accuracy - t.full.accuracy),
    ...(trials.every((t) => t.macs <= same.macs && t.macs >= ALIKE * same.macs)
      ? [figure('above static at the same MACs', 'points', (t) => t.accuracy - same.accuracy)]
      : []),
    figure('above its ways at random', 'points', (t) => t.accuracy - t.random.accuracy),
    figure('realisation of one image', '', (_, m) => m.realisation1),
    figure('realisation in batches of 64', '', (_, m) => m.realisation64),
    figure('worst case over static', 'x', (_, m) => m.dynamic.ms1NobodyExits / m.static.ms1),
  ];
}
