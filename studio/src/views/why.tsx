import * as Plot from '@observablehq/plot';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { answerNames } from '../../../src/dynamic/decision.ts';
import { percent } from '../../../src/report/format.ts';
import type { Checked, Why as Found, Method } from '../engine/protocol.ts';
import { download } from '../export/picture.ts';
import { Heat } from '../inputs/heat.tsx';
import { rowsOf } from '../inputs/set.ts';
import { Thumb } from '../inputs/thumb.tsx';
import { attempt, hasSet, set } from '../state/app.ts';
import { type Focus, focus } from '../state/focus.ts';
import type { Session } from '../state/session.ts';
import { PathByClass } from './path-by-class.tsx';

const methods: Readonly<Record<Method, string>> = {
  gradient: 'Gradient',
  smooth: 'SmoothGrad',
  product: 'Gradient × input',
  integrated: 'Integrated gradients',
  rise: 'RISE (masks only)',
};

/** Inputs of the check by random weights. */
const CHECKED = 8;

/** What the scores rest on: maps of the chosen input, how well they point, and who takes which way. */
export function Why({ session }: { session: Session }) {
  const [method, setMethod] = useState<Method>('integrated');
  const at = focus.value;
  const targets = [...session.card.decisions.map((d) => `decision/${d.name}`), 'answer/answer'];
  return (
    <div class="why">
      <div class="why-head">
        <p class="lede">
          What does a decision look at? Bright places count most for how sure it is. Where a map points at what matters,
          taking these places away first makes the score fall faster than a random order does (dashed).
        </p>
        <label class="filter">
          Method{' '}
          <select value={method} onChange={(event) => setMethod(event.currentTarget.value as Method)}>
            {Object.entries(methods).map(([name, title]) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </select>
        </label>
      </div>
      {at ? (
        <div class="cards">
          {targets.map((target) => (
            <Card key={target} session={session} at={at} target={target} method={method} />
          ))}
        </div>
      ) : (
        <p class="muted">Choose an input in "Explore" first.</p>
      )}
      {hasSet(session) && set.value!.labels.length > 0 && <PathByClass session={session} />}
    </div>
  );
}

interface CardProps {
  readonly session: Session;
  readonly at: Focus;
  readonly target: string;
  readonly method: Method;
}

function Card({ session, at, target, method }: CardProps) {
  const [found, setFound] = useState<{ why: Found; of: Focus['values'] } | undefined>(undefined);
  const [checked, setChecked] = useState<Checked | 'running' | undefined>(undefined);
  const { thresholds } = session.setting.value;
  // What was checked for another model, target or setting says nothing of this one.
  useEffect(() => setChecked(undefined), [session, target, thresholds]);
  useEffect(() => {
    let gone = false;
    const timer = setTimeout(() => {
      void attempt(() => session.engine.why({ values: at.values, n: 1 }, target, method, thresholds)).then((why) => {
        if (!gone && why) setFound({ why, of: at.values });
      });
    }, 120);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [session, at.values, target, method, thresholds]);
  const check = async (): Promise<void> => {
    setChecked('running');
    const inputs = set.value && hasSet(session) ? set.value : undefined;
    const sample = inputs
      ? { values: rowsOf(inputs, 0, Math.min(CHECKED, inputs.n)), n: Math.min(CHECKED, inputs.n) }
      : { values: at.values, n: 1 };
    setChecked(await attempt(() => session.engine.check(sample, target, thresholds)));
  };
  const { shape } = session.card.preprocessing;
  const name = target.slice(target.indexOf('/') + 1);
  const exit = answerNames(session.card.decisions).indexOf(name);
  const says = target.startsWith('answer/')
    ? `says ${at.answer.class}`
    : at.seen && session.exitsOnly
      ? `would say ${session.card.classes[at.seen.answers[exit]!]}, ${percent(at.seen.confidence[exit], 0)} sure`
      : 'its score';
  return (
    <section
      class="panel why-card"
      aria-label={`Why ${name}`}
      data-target={target}
      data-done={found?.of === at.values ? found.why.method : ''}
    >
      <header>
        <h2>{target.startsWith('answer/') ? 'The answer' : name}</h2>
        <span class="muted">{says}</span>
      </header>
      <div class="why-body">
        <Thumb values={at.values} shape={shape} size={112} label="The input" />
        {found ? (
          <Heat values={found.of} shape={shape} map={found.why.map} size={112} label={`What ${name} looks at`} />
        ) : (
          <div class="thumb wait" />
        )}
        <Curves found={found?.why} />
      </div>
      <footer>
        {found && found.why.method !== method && <span class="chip warn">no gradient: RISE</span>}
        <button type="button" onClick={() => void check()} disabled={checked === 'running'}>
          Check by random weights
        </button>
        <button
          type="button"
          onClick={() =>
            void attempt(async () => {
              const bytes = await session.engine.gradientFile(target);
              download(`${target.replace('/', '-')}-gradient.onnx`, new Blob([bytes as BlobPart]));
            })
          }
        >
          Gradient as ONNX
        </button>
      </footer>
      {checked === 'running' && <p class="muted">Shuffling weights, layer by layer…</p>}
      {Array.isArray(checked) && <Likenesses checked={checked as Checked} />}
    </section>
  );
}

function Curves({ found }: { found: Found | undefined }) {
  const host = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (!found) return;
    const rows = (['deletion', 'insertion'] as const).flatMap((kind) =>
      (['map', 'random'] as const).flatMap((order) => {
        const curve =
          order === 'map' ? found[kind] : kind === 'deletion' ? found.randomDeletion : found.randomInsertion;
        return curve.shares.map((share, k) => ({ kind, order, share, score: curve.scores[k]! }));
      }),
    );
    const line = (order: string, stroke: string, dash: string) =>
      Plot.line(
        rows.filter((r) => r.order === order),
        { x: 'share', y: 'score', fx: 'kind', stroke, strokeWidth: 1.7, strokeDasharray: dash },
      );
    const plot = Plot.plot({
      width: 290,
      height: 128,
      marginLeft: 34,
      marginBottom: 26,
      marginRight: 6,
      fx: { label: null, padding: 0.16 },
      x: { label: null, ticks: [0, 0.5], tickFormat: (v: number) => percent(v, 0) },
      y: { label: null, ticks: 3, grid: true, tickFormat: '~g', nice: true },
      marks: [line('random', 'var(--muted)', '3 3'), line('map', 'var(--accent)', '0')],
    });
    plot.setAttribute('role', 'img');
    plot.setAttribute('aria-label', 'Score while places are taken away and brought back, by the map and at random');
    host.current!.replaceChildren(plot);
  }, [found]);
  const text = (own: number, random: number): string => `${own.toFixed(2)} (random ${random.toFixed(2)})`;
  return (
    <div class="why-curves">
      <div ref={host} style={{ minHeight: '128px' }} />
      <p class="muted small">
        {found
          ? `area, deletion ${text(found.deletion.area, found.randomDeletion.area)}, insertion ${text(found.insertion.area, found.randomInsertion.area)}`
          : 'looking…'}
      </p>
    </div>
  );
}

/** How alike the maps stay while what was learned is taken away. */
function Likenesses({ checked }: { checked: Checked }) {
  const last = checked.at(-1);
  return (
    <div class="likenesses">
      <ul>
        {checked.map(({ layer, alike }) => (
          <li key={layer} title={layer}>
            <i style={{ height: `${Math.max(2, 44 * Math.max(0, alike))}px` }} />
          </li>
        ))}
      </ul>
      <p class="muted small">
        Likeness of the maps while weights are shuffled, from the last layer to the first: it ends at{' '}
        {last ? last.alike.toFixed(2) : '–'}. Near 0 the map shows what the net learned, near 1 only the input.
      </p>
    </div>
  );
}
