import { useRef } from 'preact/hooks';
import { download, toPng, toSvg } from '../export/picture.ts';
import { differencesTable, inputsTable, settingsTable } from '../export/tables.ts';
import { attempt, current, hasSet, set, view } from '../state/app.ts';
import { sides } from '../state/sides.ts';

/** What can be taken along: the view as a picture, its numbers as tables. */
export function ExportMenu() {
  const menu = useRef<HTMLDetailsElement>(null);
  const session = current.value;
  const name = `${session?.name.replace(/\.onnx$/, '').replaceAll('/', '-') ?? 'studio'}-${view.value}`;
  const part = (): HTMLElement => document.getElementById('view')!;
  const act = (work: () => Promise<void> | void) => () => {
    menu.current!.open = false;
    void attempt(async () => work());
  };
  return (
    <details
      ref={menu}
      class="menu"
      onKeyDown={(event) => {
        if (event.key === 'Escape') menu.current!.open = false;
      }}
    >
      <summary>Export</summary>
      <div>
        <button type="button" onClick={act(async () => download(`${name}.png`, await toPng(part())))}>
          View as PNG
        </button>
        <button type="button" onClick={act(() => download(`${name}.svg`, toSvg(part()), 'image/svg+xml'))}>
          View as SVG
        </button>
        {view.value === 'compare' && sides.value && set.value && (
          <button
            type="button"
            onClick={act(() => download(`${name}.csv`, differencesTable(...sides.value!, set.value!), 'text/csv'))}
          >
            Differences as CSV
          </button>
        )}
        {session && hasSet(session) && (
          <>
            <button
              type="button"
              onClick={act(() => download(`${name}-settings.csv`, settingsTable(session), 'text/csv'))}
            >
              Settings as CSV
            </button>
            <button
              type="button"
              onClick={act(() => download(`${name}-inputs.csv`, inputsTable(session, set.value!), 'text/csv'))}
            >
              Inputs as CSV
            </button>
          </>
        )}
      </div>
    </details>
  );
}
