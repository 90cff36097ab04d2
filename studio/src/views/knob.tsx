import { useState } from 'preact/hooks';
import { count, exactPercent, milliseconds, percent, points, times, whole } from '../../../src/report/format.ts';
import { set } from '../state/app.ts';
import type { Session } from '../state/session.ts';
import { type Axis, Curve, positions } from './curve.tsx';
import { pathName, tones } from './tones.ts';

const STEPS = 10_000;

/** The slider: the axis of the curve above it. Each position is one of the file's operating points. */
export function Slider({ session, axis, label }: { session: Session; axis: Axis; label: string }) {
  const xs = positions(session, axis);
  const all = xs.filter((x) => x !== undefined);
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const range = most - least || 1;
  const { settings } = session.known.value;
  const at = session.at.value;
  const here = xs[at];
  const ready = all.length > 1;
  const summary = session.summary.value;
  const said = [
    `${percent(summary.macs / session.card.fullMacs, 1)} of the full MACs`,
    summary.accuracy === undefined ? '' : `accuracy ${percent(summary.accuracy)}`,
    settings[at]?.certified ? 'certified' : 'not certified',
  ];
  const nearest = (x: number): number =>
    xs.reduce<number>(
      (best, v, i) => (v !== undefined && Math.abs(v - x) < Math.abs((xs[best] ?? 9e9) - x) ? i : best),
      at,
    );
  const move = (to: number): void => {
    session.at.value = Math.min(settings.length - 1, Math.max(0, to));
  };
  const keys: Readonly<Record<string, number>> = {
    ArrowLeft: at + 1,
    ArrowDown: at + 1,
    ArrowRight: at - 1,
    ArrowUp: at - 1,
    PageDown: at + 5,
    PageUp: at - 5,
    Home: settings.length - 1,
    End: 0,
  };
  return (
    <input
      class="knob"
      type="range"
      min={0}
      max={STEPS}
      step={1}
      disabled={!ready}
      value={here === undefined ? STEPS : Math.round(((here - least) / range) * STEPS)}
      aria-label={label}
      aria-valuetext={said.filter(Boolean).join(', ')}
      onInput={(event) => move(nearest(least + (Number(event.currentTarget.value) / STEPS) * range))}
      onKeyDown={(event) => {
        const to = keys[event.key];
        if (to === undefined) return;
        event.preventDefault();
        move(to);
      }}
    />
  );
}

/** Figures of the whole set at the knob. */
export function Figures({ session }: { session: Session }) {
  const { fullMacs } = session.card;
  const summary = session.summary.value;
  const full = session.full.value;
  const ms = session.msAt(session.at.value);
  const fullMs = session.msAt(0);
  const gain =
    summary.accuracy !== undefined && full.accuracy !== undefined ? summary.accuracy - full.accuracy : undefined;
  const has = summary.n > 0;
  return (
    <dl class="figures">
      <div>
        <dt>Accuracy</dt>
        <dd data-figure="accuracy">{has ? percent(summary.accuracy) : '–'}</dd>
        <dd class="sub">{gain === undefined ? 'no labels' : `${points(gain)} to the full model`}</dd>
      </div>
      <div>
        <dt>Compute, mean</dt>
        <dd data-figure="macs">{has ? percent(summary.macs / fullMacs, 1) : '–'}</dd>
        <dd class="sub">
          {has ? `${count(summary.macs)} of ${count(fullMacs)} MACs` : `full: ${count(fullMacs)} MACs`}
        </dd>
      </div>
      <div>
        <dt>Time, mean</dt>
        <dd data-figure="ms">{milliseconds(ms)}</dd>
        <dd class="sub">{ms && fullMs ? `${times(fullMs / ms)} faster than full` : 'measured in this browser'}</dd>
      </div>
    </dl>
  );
}

/** How many inputs take each path: one bar. */
export function Shares({ session }: { session: Session }) {
  const { shares } = session.summary.value;
  const colours = tones(session);
  const order = [...shares.keys()].sort((a, b) => session.known.value.ranks[a]! - session.known.value.ranks[b]!);
  return (
    <div class="shares">
      <div class="bar" aria-hidden="true">
        {order.map((p) => (
          <i key={p} style={{ width: `${100 * shares[p]!}%`, background: colours[p] }} />
        ))}
      </div>
      <ul class="legend">
        {order.slice(0, 8).map((p) => (
          <li key={p}>
            <i style={{ background: colours[p] }} />
            {pathName(session, p)} <b>{percent(shares[p], 1)}</b>
          </li>
        ))}
        {order.length > 8 && <li>and {order.length - 8} more</li>}
      </ul>
    </div>
  );
}

/** What the certificate says of the knob's position. */
export function Certified({ session }: { session: Session }) {
  const { certificate } = session.card;
  const { certified, from } = session.setting.value;
  if (!certificate) return <span class="chip">not certified: the file holds no certificate</span>;
  if (!certified) return <span class="chip warn">{from === 'page' ? 'made here, ' : ''}not certified</span>;
  const { risk, epsilon, delta } = certificate;
  return (
    <span class="chip good" title={certificate.message}>
      certified: {risk} ≤ {exactPercent(epsilon)}, {exactPercent(1 - delta)} sure
    </span>
  );
}

/** The knob with everything that it turns. */
export function KnobPanel({ session }: { session: Session }) {
  const [axis, setAxis] = useState<Axis>('macs');
  const seen = session.seen.value;
  const of = set.value?.n ?? 0;
  return (
    <section class="panel knob-panel" aria-labelledby="knob-title">
      <header>
        <h2 id="knob-title">The knob</h2>
        <Certified session={session} />
        <fieldset class="choice" aria-label="Axis of the curve">
          {(['macs', 'ms'] as const).map((a) => (
            <button key={a} type="button" aria-pressed={axis === a} onClick={() => setAxis(a)}>
              {a === 'macs' ? 'MACs' : 'ms'}
            </button>
          ))}
        </fieldset>
      </header>
      <Figures session={session} />
      <Shares session={session} />
      <Curve session={session} axis={axis} />
      <div class="track">
        <Slider session={session} axis={axis} label="Budget" />
        <div class="ends">
          <span>← cheaper</span>
          <span class="progress">
            {seen < of ? `${whole(seen)} of ${whole(of)} inputs seen` : `${whole(of)} inputs`}
          </span>
          <span>full →</span>
        </div>
      </div>
    </section>
  );
}
