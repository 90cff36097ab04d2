import { effect, signal } from '@preact/signals';
import type { ModelAnswer } from '../../../src/deploy/answers.ts';
import { floor32 } from '../../../src/deploy/float32.ts';
import { answerNames } from '../../../src/dynamic/decision.ts';
import type { Trace } from '../../../src/dynamic/trace.ts';
import type { Seen, Thresholds } from '../engine/protocol.ts';
import { type Chosen, rowsOf, type Values } from '../inputs/set.ts';
import { exitTrace } from '../knob/table.ts';
import { attempt, chosen, current, set } from './app.ts';
import type { Session } from './session.ts';

/** What the model does with the chosen input. */
export interface Focus {
  readonly chosen: Chosen;
  readonly values: Values;
  readonly label: number | undefined;
  readonly answer: ModelAnswer;
  readonly trace: Trace;
  readonly probabilities: Float32Array;
  /** What every exit says of it, where all decisions are exits. */
  readonly seen: Seen | undefined;
  /** Milliseconds in this browser: on its way, and on the full way. */
  readonly ms: { readonly dynamic: number; readonly full: number } | undefined;
}

export const focus = signal<Focus | undefined>(undefined);

const ROUNDS = 5;
/** Timing starts when the knob has rested so long. */
const REST_MS = 250;

export function valuesOf(item: Chosen): Values | undefined {
  if (item.kind === 'own') return item.input.values;
  return set.value ? rowsOf(set.value, item.index) : undefined;
}

/** Runs one input, as it is shipped. */
export async function look(session: Session, item: Chosen, thresholds: Thresholds): Promise<Focus | undefined> {
  const values = valuesOf(item);
  if (!values) return undefined;
  const inputs = { values, n: 1 };
  const [ran, seen] = await Promise.all([
    session.engine.run(inputs, thresholds),
    session.exitsOnly ? session.engine.observe(inputs) : undefined,
  ]);
  const label = item.kind === 'set' ? set.value?.labels[item.index] : undefined;
  return {
    chosen: item,
    values,
    label,
    answer: ran.answers[0]!,
    trace: ran.traces[0]!,
    probabilities: ran.probabilities,
    seen,
    ms: undefined,
  };
}

/** The same input at other thresholds: what every exit says of it is known, so nothing has to run. */
function turned(session: Session, at: Focus, thresholds: Thresholds): Focus | undefined {
  const { seen } = at;
  if (!seen) return undefined;
  const { card } = session;
  const limits = card.decisions.map((d) => floor32(Number(thresholds[d.name] ?? Number.POSITIVE_INFINITY)));
  const exit = limits.findIndex((limit, e) => seen.scores[e]! > limit);
  const taken = exit < 0 ? limits.length : exit;
  const index = seen.answers[taken]!;
  const name = answerNames(card.decisions)[taken]!;
  const answer = { class: card.classes[index]!, index, confidence: seen.confidence[taken]!, exit: name };
  return { ...at, answer, trace: exitTrace(card, taken), probabilities: seen.probabilities[taken]!, ms: undefined };
}

/** Keeps `focus` at the chosen input: one run at a time, and of several wishes the last. */
export function followFocus(): void {
  let busy = false;
  let wanted: { session: Session; item: Chosen; thresholds: Thresholds } | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** Whose `focus` is. */
  let from: Session | undefined;

  const time = async (session: Session, at: Focus, thresholds: Thresholds): Promise<void> => {
    const never = session.known.value.settings[0]!.thresholds;
    const contenders = [
      { values: at.values, thresholds },
      { values: at.values, thresholds: never },
    ];
    const [dynamic, full] = await session.engine.time(contenders, ROUNDS);
    if (focus.value === at) focus.value = { ...at, ms: { dynamic: dynamic!, full: full! } };
  };

  const work = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    while (wanted) {
      const { session, item, thresholds } = wanted;
      wanted = undefined;
      const before = focus.value;
      const known = before?.chosen === item && from === session ? turned(session, before, thresholds) : undefined;
      const found = known ?? (await attempt(() => look(session, item, thresholds)));
      if (wanted || !found) continue;
      from = session;
      const sameWay = before?.chosen === item && before.trace.macs === found.trace.macs;
      focus.value = sameWay ? { ...found, ms: before.ms } : found;
      clearTimeout(timer);
      const now = focus.value;
      if (!now.ms) timer = setTimeout(() => void attempt(() => time(session, now, thresholds)), REST_MS);
    }
    busy = false;
  };

  effect(() => {
    const session = current.value;
    const item = chosen.value;
    if (!session || !item) {
      focus.value = undefined;
      return;
    }
    wanted = { session, item, thresholds: session.setting.value.thresholds };
    // Outside of this effect, which must not depend on what the work reads.
    queueMicrotask(() => void work());
  });
}
