import { percent, times } from '../../../src/report/format.ts';
import { hasSet } from '../state/app.ts';
import { focus } from '../state/focus.ts';
import type { Session } from '../state/session.ts';
import { InputPanel } from './input-panel.tsx';
import { KnobPanel } from './knob.tsx';
import { DecisionMap } from './map.tsx';
import { Sheet } from './sheet.tsx';

/** The first screen: one input's way through the net, the knob, and the whole set. */
export function Explore({ session }: { session: Session }) {
  const summary = session.summary.value;
  return (
    <div class="explore">
      <Lede session={session} />
      <section class="panel map-panel" aria-labelledby="map-title">
        <header>
          <h2 id="map-title">The way through the net</h2>
          <span class="muted">
            blocks are as long as their work, filled as far as inputs need them; bright: the way of the chosen one
          </span>
        </header>
        <DecisionMap session={session} shares={summary.shares} run={focus.value} label={describe(session)} />
      </section>
      <InputPanel session={session} />
      <KnobPanel session={session} />
      {hasSet(session) && <Sheet session={session} />}
    </div>
  );
}

/** The whole in a sentence. */
function Lede({ session }: { session: Session }) {
  const summary = session.summary.value;
  const full = session.full.value;
  const { fullMacs } = session.card;
  if (summary.n === 0)
    return (
      <p class="lede">
        Each input takes its own way through this net: an easy one stops early, a hard one goes on to the end.
      </p>
    );
  const share = summary.macs / fullMacs;
  const early = 1 - (summary.shares.at(-1) ?? 0);
  return (
    <p class="lede">
      {session.exitsOnly ? (
        <>
          <b>{percent(early, 0)}</b> of the inputs leave early, so an
        </>
      ) : (
        'An'
      )}{' '}
      input takes <b>{percent(share, 0)}</b> of the compute on average
      {share < 0.995 && ` (${times(1 / share)} less)`}
      {summary.accuracy !== undefined && full.accuracy !== undefined && (
        <>
          , with <b>{percent(summary.accuracy, 1)}</b> right answers; the full net has {percent(full.accuracy, 1)}
        </>
      )}
      .
    </p>
  );
}

function describe(session: Session): string {
  const answer = focus.value?.answer;
  const names = session.card.decisions.map((d) => d.name).join(', ');
  return `Map of the net with the decisions ${names}.${answer ? ` The chosen input leaves at ${answer.exit}.` : ''}`;
}
