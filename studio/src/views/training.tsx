import * as Plot from '@observablehq/plot';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { duration, percent, whole } from '../../../src/report/format.ts';
import { pathColour } from '../colour.ts';
import { moment } from '../format.ts';
import { attempt, manifest } from '../state/app.ts';
import { dark } from '../state/theme.ts';
import { endingOf, type Series, seriesOf, thinned } from '../training/metrics.ts';
import { type Run, type RunState, runs, toggleRun } from '../training/runs.ts';

const MOST_POINTS = 300;
const HEIGHT = 170;

/** What is known of each figure; others are shown under their own name. */
const titles: Readonly<Record<string, string>> = {
  loss: 'Loss',
  accuracy: 'Accuracy of each answer, training',
  validation: 'Accuracy of each answer, held back',
  entropy: 'Entropy of each answer',
  norm: 'Norm of the gradient',
  lr: 'Learning rate',
  imagesPerSecond: 'Images a second',
  seconds: 'Seconds an epoch',
  rate: 'Rate of each option',
  cost: 'Expected share of the full MACs',
};
const order = ['loss', 'accuracy', 'validation', 'rate', 'cost', 'imagesPerSecond', 'entropy', 'norm', 'lr', 'seconds'];
const rank = (key: string): number => (order.includes(key) ? order.indexOf(key) : order.length);

/** Figures from 0 to 1. */
const shares = ['accuracy', 'validation', 'rate', 'cost'];

/** A number on an axis: no more digits than it takes. */
const tick = (v: number): string => (Math.abs(v) >= 1000 ? whole(v) : String(Number(v.toPrecision(3))));

const dashes = ['0', '6 3', '2 2', '8 3 2 3'];

/** Trainings, live or finished, figure by figure. */
export function Training() {
  const all = runs.value;
  if (all.length === 0)
    return (
      <p class="lede">
        No training to show. Start one with <code>dyna train … --studio</code>, or drop the metrics.jsonl of a finished
        one here.
      </p>
    );
  const shown = all.filter((r) => r.shown);
  const series = shown.map((r) => seriesOf(r.lines));
  const keys = [...new Set(series.flatMap((s) => s.map((c) => c.key)))].sort((a, b) => rank(a) - rank(b));
  return (
    <div class="training">
      <section class="panel" aria-label="Trainings">
        {all.map((run, i) => (
          <RunLine key={i} run={run} index={i} dash={dashes[shown.indexOf(run) % dashes.length] ?? '0'} />
        ))}
      </section>
      <div class="charts">
        {keys.map((key) => (
          <Chart
            key={key}
            id={key}
            title={titles[key] ?? key}
            parts={series.map((s) => s.find((c) => c.key === key))}
            names={shown.map((r) => r.name)}
          />
        ))}
      </div>
    </div>
  );
}

const tones: Partial<Record<RunState, string>> = { live: 'good', lost: 'warn', quiet: 'warn', failed: 'warn' };

const wordsFor = ({ state, since = 0 }: Run): string =>
  ({
    live: 'running',
    lost: 'connection lost, trying again',
    quiet: `no new step since ${moment(since)}`,
    finished: 'finished',
    stopped: 'stopped',
    failed: 'ended by an error',
    ended: 'ended',
  })[state];

function RunLine({ run, index, dash }: { run: Run; index: number; dash: string }) {
  const last = run.lines.findLast((l) => l.type !== 'end');
  const why = run.state === 'failed' && endingOf(run.lines)?.why;
  const epochs = run.lines.filter((l) => l.type === 'epoch');
  const seconds = epochs.reduce((sum, e) => sum + Number(e.seconds ?? 0), 0);
  const speed = epochs.at(-1)?.imagesPerSecond;
  return (
    <div class="run">
      <label>
        <input type="checkbox" checked={run.shown} onChange={() => toggleRun(index)} />
        <svg width="34" height="10" aria-hidden="true">
          <path d="M0 5H34" stroke="currentColor" stroke-width="2" stroke-dasharray={dash} />
        </svg>
        <b>{run.name}</b>
      </label>
      <span class={`chip ${tones[run.state] ?? ''}`} data-state={run.state}>
        {wordsFor(run)}
      </span>
      <span class="muted" data-step={last?.step ?? 0}>
        {last ? `epoch ${String(last.epoch)}, step ${whole(last.step)}` : 'no line yet'}
        {typeof speed === 'number' && `, ${whole(speed)} images/s`}
        {seconds > 0 && `, ${duration(seconds)}`}
      </span>
      {why && <span class="muted">{why}</span>}
      {run.followed && (run.state === 'live' || run.state === 'quiet') && manifest.value?.stoppable && (
        <button type="button" onClick={() => void attempt(stop)}>
          Stop after this step
        </button>
      )}
    </div>
  );
}

/** Asks the training to stop; the address of the page carries the right to do so. */
async function stop(): Promise<void> {
  const token = new URLSearchParams(location.search).get('token') ?? '';
  const response = await fetch('stop', { method: 'POST', headers: { 'x-studio-token': token } });
  if (!response.ok) throw new Error(`The training was not stopped: ${(await response.text()).trim()}.`);
}

function Chart({
  id,
  title,
  parts,
  names,
}: {
  /** The figure's name in the file. */
  id: string;
  title: string;
  parts: readonly (Series | undefined)[];
  names: readonly string[];
}) {
  const host = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const lines = [...new Set(parts.flatMap((p) => (p ? Object.keys(p.lines) : [])))];
  const colours = lines.map((_, i) =>
    lines.length === 1 ? pathColour(0, 2, dark.value) : pathColour(i, lines.length, dark.value),
  );
  const last = lines.map((name) => parts[0]?.lines[name]?.at(-1)?.value);
  const isShare = shares.includes(id);
  const show = (v: number | undefined): string =>
    v === undefined ? '–' : isShare ? percent(v, 1) : Math.abs(v) >= 1000 ? whole(v) : v.toPrecision(3);
  useLayoutEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)));
    watch.observe(host.current!);
    return () => watch.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (width === 0) return;
    const marks = parts.flatMap((part, r) =>
      lines.flatMap((name, k) => {
        const points = thinned(part?.lines[name] ?? [], MOST_POINTS);
        const style = { x: 'step', y: 'value', stroke: colours[k]!, strokeWidth: 1.6 };
        if (points.length === 1) return [Plot.dot(points, style)];
        return [Plot.line(points, { ...style, strokeDasharray: dashes[r % dashes.length]! })];
      }),
    );
    const plot = Plot.plot({
      width,
      height: HEIGHT,
      marginLeft: 44,
      marginRight: 10,
      marginTop: 8,
      x: { label: null, ticks: 4, tickFormat: '~s' },
      y: { label: null, ticks: 4, grid: true, nice: true, tickFormat: isShare ? (v: number) => percent(v, 0) : tick },
      marks,
    });
    plot.setAttribute('role', 'img');
    plot.setAttribute('aria-label', `${title} over training steps, ${names.join(' and ')}`);
    host.current!.replaceChildren(plot);
  });
  return (
    <figure class="panel chart">
      <figcaption>
        <b>{title}</b>
        <span>
          {lines.map((name, k) => (
            <span key={name} class="key">
              {lines.length > 1 && <i style={{ background: colours[k] }} />}
              {name} <b>{show(last[k])}</b>
            </span>
          ))}
        </span>
      </figcaption>
      <div ref={host} style={{ height: `${HEIGHT}px` }} />
    </figure>
  );
}
