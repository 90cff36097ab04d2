import { answerNames, type Decision } from '../../../src/dynamic/decision.ts';
import type { TraceRow } from '../../../src/dynamic/trace.ts';
import { pathColour } from '../colour.ts';
import type { Session } from '../state/session.ts';
import { dark } from '../state/theme.ts';

/** The colours of a session's paths, in the order of its table. */
export const tones = (session: Session): string[] =>
  session.known.value.ranks.map((rank, _, all) => pathColour(rank, all.length, dark.value));

/** What a path is called: where it leaves, or the options that it took. */
export function pathName(session: Session, path: number): string {
  const { decisions } = session.card;
  if (session.exitsOnly) return answerNames(decisions)[path] ?? 'final';
  const { rows } = session.known.value.table.paths[path]!;
  const taken = rows.flatMap((row) => {
    const choice = choiceOf(decisions, row);
    return choice === undefined ? [] : [`${row.decision}: ${choice}`];
  });
  return taken.join(', ') || 'the whole net';
}

/** What a decision chose, in words; undefined where it was not reached. */
export function choiceOf(decisions: readonly Decision[], { decision, kind, value }: TraceRow): string | undefined {
  if (value === null) return undefined;
  if (kind === 'index') return decisions.find((d) => d.name === decision)?.options[Number(value)]?.name;
  return kind === 'count' ? `${value} units` : `${[value].flat().filter((v) => v !== 0).length} units`;
}
