import type { InputSet } from '../inputs/set.ts';
import { differences } from '../knob/differences.ts';
import type { Session } from '../state/session.ts';
import type { Side } from '../state/sides.ts';
import { pathName } from '../views/tones.ts';
import { toCsv } from './csv.ts';

/** One row for each position of the knob. */
export function settingsTable(session: Session): string {
  const { settings, curve, table } = session.known.value;
  const names = session.card.decisions.filter((d) => d.rule === 'threshold').map((d) => d.name);
  const paths = table.paths.map((_, p) => pathName(session, p));
  return toCsv([
    [
      'setting',
      'certified',
      'inputs',
      'accuracy',
      'mean MACs',
      'share of full',
      'mean ms',
      ...names.map((n) => `${n} above`),
      ...paths,
    ],
    ...settings.map((s, i) => [
      i,
      s.certified,
      curve[i]!.n,
      curve[i]!.accuracy,
      curve[i]!.macs,
      curve[i]!.macs / session.card.fullMacs,
      session.msAt(i),
      ...names.map((n) => Number(s.thresholds[n])),
      ...curve[i]!.shares,
    ]),
  ]);
}

/** One row for each input, at the knob's setting. */
export function inputsTable(session: Session, inputs: InputSet): string {
  const { classes } = session.card;
  const { order, table } = session.known.value;
  const { answers, confidence, paths } = session.outcome.value;
  return toCsv([
    ['input', 'label', 'answer', 'confidence', 'way', 'MACs'],
    ...[...order].map((i) => [
      inputs.numbers[i],
      inputs.labels.length > 0 ? classes[inputs.labels[i]!] : undefined,
      classes[answers[i]!],
      confidence[i],
      pathName(session, paths[i]!),
      table.paths[paths[i]!]!.macs,
    ]),
  ]);
}

/** One row for each input that two sides answer differently. */
export function differencesTable(a: Side, b: Side, inputs: InputSet): string {
  const [x, y] = [a.session.outcomeAt(a.at), b.session.outcomeAt(b.at)];
  const say = (side: Side, o: typeof x, i: number) => [
    side.session.card.classes[o.answers[i]!],
    o.confidence[i],
    pathName(side.session, o.paths[i]!),
  ];
  return toCsv([
    ['input', 'label', 'A', 'A confidence', 'A way', 'B', 'B confidence', 'B way'],
    ...differences(x, y, inputs.labels).inputs.map((i) => [
      inputs.numbers[i],
      inputs.labels.length > 0 ? a.session.card.classes[inputs.labels[i]!] : undefined,
      ...say(a, x, i),
      ...say(b, y, i),
    ]),
  ]);
}
