import { useState } from 'preact/hooks';
import { answerNames } from '../../../src/dynamic/decision.ts';
import { count, milliseconds, percent, times } from '../../../src/report/format.ts';
import { bring, takeFiles } from '../inputs/drop.ts';
import { Thumb } from '../inputs/thumb.tsx';
import { viewFor } from '../inputs/view.ts';
import { chosen, own, set } from '../state/app.ts';
import { type Focus, focus } from '../state/focus.ts';
import type { Session } from '../state/session.ts';
import { choiceOf, tones } from './tones.ts';

/** The chosen input: what it is, what the model says, and what that cost. */
export function InputPanel({ session }: { session: Session }) {
  const [source, setSource] = useState('');
  const { shape } = session.card.preprocessing;
  const view = viewFor(shape);
  const at = focus.value;
  const Source = view.sources.find((s) => s.name === source)?.component;
  const item = chosen.value;
  return (
    <section class="panel input-panel" aria-labelledby="input-title">
      <header>
        <h2 id="input-title">One {view.noun}</h2>
        <fieldset class="choice" aria-label="Where it comes from">
          {set.value && (
            <button type="button" aria-pressed={source === ''} onClick={() => setSource('')}>
              Test set
            </button>
          )}
          {view.sources.map(({ name }) => (
            <button key={name} type="button" aria-pressed={source === name} onClick={() => setSource(name)}>
              {name}
            </button>
          ))}
          <label class="button">
            File
            <input
              type="file"
              accept="image/*,.onnx,.jsonl"
              multiple
              onChange={(event) => {
                const { files } = event.currentTarget;
                if (files) void takeFiles([...files]);
                event.currentTarget.value = '';
              }}
            />
          </label>
        </fieldset>
      </header>
      <div class="input-body">
        <div class="input-side">
          {Source ? (
            <Source shape={shape} onInput={bring} />
          ) : at ? (
            <Thumb values={at.values} shape={shape} size={132} label={nameOf(at)} />
          ) : (
            <div class="thumb empty">{set.value ? '' : `drop a ${view.noun} here`}</div>
          )}
          {Source && at && <Thumb values={at.values} shape={shape} size={56} label="What the model sees" />}
        </div>
        <Answer session={session} at={at} />
      </div>
      <div class="own">
        {own.value.map((input) => (
          <button
            key={input.name}
            type="button"
            class="pick"
            aria-pressed={item?.kind === 'own' && item.input === input}
            title={[input.name, ...input.changes].join(': ')}
            onClick={() => {
              chosen.value = { kind: 'own', input };
            }}
          >
            <Thumb values={input.values} shape={shape} size={30} label={input.name} />
          </button>
        ))}
      </div>
      <Exits session={session} at={at} />
    </section>
  );
}

const nameOf = ({ chosen: c }: Focus): string =>
  c.kind === 'own' ? c.input.name : `number ${set.value?.numbers[c.index] ?? c.index} of ${set.value?.name}`;

function Answer({ session, at }: { session: Session; at: Focus | undefined }) {
  const { classes, fullMacs } = session.card;
  if (!at) return <p class="muted answer">Choose one below, or bring your own: draw, take a picture, drop a file.</p>;
  const { answer, label, trace, ms, probabilities } = at;
  const truth = label === undefined ? undefined : label === answer.index;
  const changes = at.chosen.kind === 'own' ? at.chosen.input.changes : [];
  const top = [...classes.keys()].sort((a, b) => probabilities[b]! - probabilities[a]!).slice(0, 3);
  return (
    <div class="answer">
      <p class="said">
        <b data-answer>{answer.class}</b>{' '}
        {truth !== undefined && (
          <span class={truth ? 'right' : 'wrong'}>{truth ? 'right' : `wrong: ${classes[label!]}`}</span>
        )}
      </p>
      <p class="muted small">
        {nameOf(at)}
        {changes.length > 0 && `, ${changes.join(', ')}`}
      </p>
      <ul class="sure">
        {top.map((k) => (
          <li key={k}>
            <span>{classes[k]}</span>
            <i>
              <b style={{ width: `${100 * probabilities[k]!}%` }} />
            </i>
            <em>{percent(probabilities[k], 1)}</em>
          </li>
        ))}
      </ul>
      <table class="versus">
        <thead>
          <tr>
            <th />
            <th scope="col">this way</th>
            <th scope="col">full way</th>
            <th />
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">MACs</th>
            <td data-macs={trace.macs}>{count(trace.macs)}</td>
            <td>{count(fullMacs)}</td>
            <td>{percent(trace.macs / fullMacs, 0)}</td>
          </tr>
          <tr>
            <th scope="row">time</th>
            <td>{milliseconds(ms?.dynamic)}</td>
            <td>{milliseconds(ms?.full)}</td>
            <td>{ms ? times(ms.full / ms.dynamic) : ''}</td>
          </tr>
        </tbody>
      </table>
    </div>
  );
}

const score = (v: number): string => (Number.isFinite(v) ? v.toPrecision(3) : v > 0 ? 'never' : 'always');

/** What each exit says of the input, and which one it took. */
function Exits({ session, at }: { session: Session; at: Focus | undefined }) {
  const { decisions, classes } = session.card;
  if (!session.exitsOnly) return <Choices session={session} at={at} />;
  const { thresholds } = session.setting.value;
  const colours = tones(session);
  const taken = at ? answerNames(decisions).indexOf(at.answer.exit) : -1;
  return (
    <table class="exits">
      <thead>
        <tr>
          <th scope="col">exit</th>
          <th scope="col">would say</th>
          <th scope="col">sure</th>
          <th scope="col">score</th>
          <th scope="col">needs</th>
        </tr>
      </thead>
      <tbody>
        {answerNames(decisions).map((name, e) => (
          <tr key={name} class={e === taken ? 'taken' : e > taken && taken >= 0 ? 'skipped' : ''}>
            <th scope="row">
              <i style={{ background: colours[e] }} />
              {name}
            </th>
            <td>{at?.seen ? classes[at.seen.answers[e]!] : '–'}</td>
            <td>{percent(at?.seen?.confidence[e], 1)}</td>
            <td>{e < decisions.length && at?.seen ? score(at.seen.scores[e]!) : ''}</td>
            <td>{e < decisions.length ? `> ${score(Number(thresholds[name] ?? Number.POSITIVE_INFINITY))}` : ''}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** What each decision chose for the input. */
function Choices({ session, at }: { session: Session; at: Focus | undefined }) {
  return (
    <table class="exits">
      <thead>
        <tr>
          <th scope="col">decision</th>
          <th scope="col">took</th>
        </tr>
      </thead>
      <tbody>
        {session.card.decisions.map(({ name }) => {
          const row = at?.trace.rows.find((r) => r.decision === name);
          return (
            <tr key={name} class={row?.reached === false ? 'skipped' : ''}>
              <th scope="row">{name}</th>
              <td>{row ? (choiceOf(session.card.decisions, row) ?? 'not reached') : '–'}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
