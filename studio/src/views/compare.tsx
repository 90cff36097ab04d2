import { useEffect, useState } from 'preact/hooks';
import { count, percent, whole } from '../../../src/report/format.ts';
import { rowsOf } from '../inputs/set.ts';
import { Thumb } from '../inputs/thumb.tsx';
import { differences } from '../knob/differences.ts';
import { summarise } from '../knob/summary.ts';
import { attempt, chosen, current, hasSet, other, sessions, set } from '../state/app.ts';
import { type Focus, look } from '../state/focus.ts';
import type { Session } from '../state/session.ts';
import { type Side, sides as sidesNow } from '../state/sides.ts';
import { DecisionMap } from './map.tsx';
import { pathName } from './tones.ts';

/** Rows of the table of differences that are shown; the CSV has all. */
const SHOWN = 40;

/** Two models, or two settings of one, on the same inputs. */
export function Compare() {
  const a = current.value;
  const [pickedB, setB] = useState<Session | undefined>(undefined);
  const b = pickedB ?? other.value ?? a;
  const [at, setAt] = useState<readonly [number, number]>([a?.card.chosen ?? 0, a === b ? 0 : (b?.card.chosen ?? 0)]);
  useEffect(() => {
    if (b && b !== a) setAt(([x]) => [x, b.card.chosen]);
  }, [b]);
  useEffect(() => {
    const inputs = set.value;
    if (inputs && b && hasSet(b)) void b.watch(inputs);
  }, [b]);
  if (!a || !b) return <p class="lede">Open a model first: drop an .onnx file that dynaneural wrote.</p>;
  const sides: readonly [Side, Side] = [
    { session: a, at: Math.min(at[0], a.known.value.settings.length - 1) },
    { session: b, at: Math.min(at[1], b.known.value.settings.length - 1) },
  ];
  useEffect(() => {
    sidesNow.value = sides;
  });
  return (
    <div class="compare">
      <p class="lede">
        Two models, or two settings of one, on the same inputs. Drop another .onnx file here to compare with it.
      </p>
      <div class="sides">
        {sides.map((side, i) => (
          <SidePanel
            key={i}
            name={'AB'[i]!}
            side={side}
            onModel={i === 1 ? setB : undefined}
            onAt={(to) => setAt(([x, y]) => (i === 0 ? [to, y] : [x, to]))}
          />
        ))}
      </div>
      {hasSet(a) && hasSet(b) && <Differences a={sides[0]} b={sides[1]} />}
    </div>
  );
}

function SidePanel(props: {
  name: string;
  side: Side;
  onModel: ((session: Session) => void) | undefined;
  onAt: (at: number) => void;
}) {
  const { name, side, onModel, onAt } = props;
  const { session, at } = side;
  const { table, settings } = session.known.value;
  const { certified, thresholds } = settings[at]!;
  const labels = set.value?.labels ?? [];
  const summary = summarise(session.outcomeAt(at), table, labels);
  const [seen, setSeen] = useState<Focus | undefined>(undefined);
  const item = chosen.value;
  useEffect(() => {
    let gone = false;
    if (item) void attempt(() => look(session, item, thresholds)).then((f) => !gone && setSeen(f));
    return () => {
      gone = true;
    };
  }, [session, item, thresholds]);
  return (
    <section class="panel side" aria-label={`Side ${name}`}>
      <header>
        <h2>{name}</h2>
        {onModel ? (
          <select
            aria-label={`Model of side ${name}`}
            value={String(sessions.value.indexOf(session))}
            onChange={(event) => onModel(sessions.value[Number(event.currentTarget.value)]!)}
          >
            {sessions.value.map((s, i) => (
              <option key={i} value={String(i)}>
                {s.name}
              </option>
            ))}
          </select>
        ) : (
          <b>{session.name}</b>
        )}
        <span class={`chip ${certified ? 'good' : 'warn'}`}>{certified ? 'certified' : 'not certified'}</span>
      </header>
      <label class="budget">
        <span>Budget</span>
        <input
          type="range"
          min={0}
          max={settings.length - 1}
          value={settings.length - 1 - at}
          aria-valuetext={`${percent(summary.macs / session.card.fullMacs, 1)} of the full MACs`}
          onInput={(event) => onAt(settings.length - 1 - Number(event.currentTarget.value))}
        />
      </label>
      <dl class="figures">
        <div>
          <dt>Accuracy</dt>
          <dd>{summary.n > 0 ? percent(summary.accuracy) : '–'}</dd>
        </div>
        <div>
          <dt>Compute, mean</dt>
          <dd>{summary.n > 0 ? percent(summary.macs / session.card.fullMacs, 1) : '–'}</dd>
          <dd class="sub">{count(summary.macs)} MACs</dd>
        </div>
        <div>
          <dt>Chosen input</dt>
          <dd class="words">{seen?.answer.class ?? '–'}</dd>
          <dd class="sub">{seen ? `at ${seen.answer.exit}, ${count(seen.trace.macs)} MACs` : ''}</dd>
        </div>
      </dl>
      <DecisionMap session={session} shares={summary.shares} run={seen} label={`Map of ${session.name}`} />
    </section>
  );
}

function Differences({ a, b }: { a: Side; b: Side }) {
  const inputs = set.value!;
  const [x, y] = [a.session.outcomeAt(a.at), b.session.outcomeAt(b.at)];
  const found = differences(x, y, inputs.labels);
  const { classes } = a.session.card;
  const say = (side: Side, { answers, confidence, paths }: typeof x, i: number): string =>
    `${side.session.card.classes[answers[i]!]} (${percent(confidence[i], 0)}, ${pathName(side.session, paths[i]!)})`;
  return (
    <section class="panel" aria-labelledby="differences-title">
      <header>
        <h2 id="differences-title">Where they differ</h2>
        <span class="muted">
          {whole(found.n)} inputs: same answer for {percent(found.same / Math.max(1, found.n), 1)}
          {inputs.labels.length > 0 && `, only A right ${whole(found.onlyA)}, only B right ${whole(found.onlyB)}`}
        </span>
      </header>
      <div class="scroll">
        <table class="list">
          <thead>
            <tr>
              <th scope="col">input</th>
              {inputs.labels.length > 0 && <th scope="col">is</th>}
              <th scope="col">A says</th>
              <th scope="col">B says</th>
            </tr>
          </thead>
          <tbody>
            {found.inputs.slice(0, SHOWN).map((i) => (
              <tr key={i}>
                <td>
                  <button
                    type="button"
                    class="pick"
                    onClick={() => {
                      chosen.value = { kind: 'set', index: i };
                    }}
                  >
                    <Thumb
                      values={rowsOf(inputs, i)}
                      shape={inputs.shape}
                      size={30}
                      label={`input ${inputs.numbers[i]}`}
                    />
                    {inputs.numbers[i]}
                  </button>
                </td>
                {inputs.labels.length > 0 && <td>{classes[inputs.labels[i]!]}</td>}
                <td class={x.answers[i] === inputs.labels[i] ? 'right' : ''}>{say(a, x, i)}</td>
                <td class={y.answers[i] === inputs.labels[i] ? 'right' : ''}>{say(b, y, i)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {found.inputs.length > SHOWN && (
        <p class="muted">
          The first {SHOWN} of {whole(found.inputs.length)}; the CSV has all.
        </p>
      )}
      {found.inputs.length === 0 && <p class="muted">All answers are the same.</p>}
    </section>
  );
}
