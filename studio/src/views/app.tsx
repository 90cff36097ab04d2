import { useEffect, useState } from 'preact/hooks';
import { bytes } from '../format.ts';
import { acceptDrops } from '../inputs/drop.ts';
import { current, loading, manifest, problem, type ViewName, view } from '../state/app.ts';
import { dark, switchTheme } from '../state/theme.ts';
import { runs } from '../training/runs.ts';
import { Compare } from './compare.tsx';
import { Explore } from './explore.tsx';
import { ExportMenu } from './export-menu.tsx';
import { Training } from './training.tsx';
import { Why } from './why.tsx';

const views: readonly { readonly name: ViewName; readonly title: string; there(): boolean }[] = [
  { name: 'explore', title: 'Explore', there: () => current.value !== undefined || runs.value.length === 0 },
  { name: 'compare', title: 'Compare', there: () => current.value !== undefined },
  { name: 'why', title: 'Why', there: () => current.value !== undefined },
  { name: 'training', title: 'Training', there: () => true },
];

export function App() {
  const [over, setOver] = useState(false);
  useEffect(() => acceptDrops(setOver), []);
  const session = current.value;
  return (
    <>
      <Head />
      <main id="view">
        {view.value === 'explore' && (session ? <Explore key={session.name} session={session} /> : <Welcome />)}
        {view.value === 'compare' && <Compare />}
        {view.value === 'why' && session && <Why key={session.name} session={session} />}
        {view.value === 'training' && <Training />}
      </main>
      <p class="problem" role="alert" hidden={(problem.value || session?.problem.value || '') === ''}>
        <span>{problem.value || session?.problem.value}</span>
        <button
          type="button"
          aria-label="Close this message"
          onClick={() => {
            problem.value = '';
            if (session) session.problem.value = '';
          }}
        >
          ×
        </button>
      </p>
      {over && <div class="drop">Drop a model (.onnx), a picture, or a training's metrics (.jsonl)</div>}
    </>
  );
}

function Head() {
  const session = current.value;
  return (
    <header class="top">
      <div class="brand">
        <svg viewBox="0 0 28 20" width="28" height="20" aria-hidden="true">
          <path d="M2 10H10M10 10L18 4H26M10 10L18 16H22" fill="none" stroke="currentColor" stroke-width="2" />
          <circle cx="10" cy="10" r="3.2" />
        </svg>
        <h1>Studio</h1>
      </div>
      {session && (
        <p class="model" title={`${session.card.createdBy}, form "${session.card.form}"`}>
          <b>{session.name}</b>
          <span class="muted">
            {bytes(session.opened.bytes)},{' '}
            {session.card.decisions.length === 1 ? '1 decision' : `${session.card.decisions.length} decisions`},{' '}
            {session.opened.threads === 1 ? '1 thread' : `${session.opened.threads} threads`}
          </span>
        </p>
      )}
      <nav aria-label="Views">
        {views
          .filter((v) => v.there())
          .map(({ name, title }) => (
            <button
              key={name}
              type="button"
              aria-current={view.value === name ? 'page' : undefined}
              onClick={() => {
                view.value = name;
              }}
            >
              {title}
            </button>
          ))}
      </nav>
      <div class="tools">
        <ExportMenu />
        <button type="button" class="theme" onClick={switchTheme} aria-label="Switch between light and dark">
          {dark.value ? 'Light' : 'Dark'}
        </button>
      </div>
    </header>
  );
}

function Welcome() {
  const at = loading.value;
  if (at)
    return (
      <div class="welcome" role="status">
        <p class="lede">Opening {at.what}…</p>
        <progress max={1} value={at.share} />
      </div>
    );
  return (
    <div class="welcome">
      <p class="lede">Drop a model here: an .onnx file that dynaneural wrote.</p>
      <p class="muted">
        It runs in this browser and goes nowhere else. {manifest.value ? '' : 'The studio itself could not be reached.'}
      </p>
    </div>
  );
}
