import { computed } from '@preact/signals';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { percent, whole } from '../../../src/report/format.ts';
import { chosen, set } from '../state/app.ts';
import type { Session } from '../state/session.ts';
import { dark } from '../state/theme.ts';
import { drawMarks, drawPictures, SheetGrid } from './sheet-canvas.ts';
import { pathName, tones } from './tones.ts';

/** All inputs, easy ones first; the colour below each says where it leaves at the knob's setting. */
export function Sheet({ session }: { session: Session }) {
  const box = useRef<HTMLDivElement>(null);
  const pictures = useRef<HTMLCanvasElement>(null);
  const marks = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [filter, setFilter] = useState('all');
  const inputs = set.value!;
  const { order } = session.known.value;
  const outcome = session.outcome.value;
  const { classes } = session.card;

  const shown = useMemo(() => {
    if (filter === 'all') return order;
    if (filter === 'wrong') return order.filter((i) => inputs.labels[i] !== outcome.answers[i]);
    return order.filter((i) => inputs.labels[i] === Number(filter));
  }, [order, filter, filter === 'wrong' ? outcome : undefined]);

  useLayoutEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)));
    watch.observe(box.current!);
    return () => watch.disconnect();
  }, []);

  const grid = useMemo(() => new SheetGrid(width, shown.length), [width, shown.length]);

  const item = chosen.value;
  const active = item?.kind === 'set' ? item.index : undefined;
  const place = active === undefined ? -1 : shown.indexOf(active);

  useLayoutEffect(() => {
    if (width > 0) drawPictures(pictures.current!, grid, shown, inputs);
  }, [grid, shown, inputs]);

  useLayoutEffect(() => {
    if (width === 0) return;
    const style = getComputedStyle(marks.current!);
    drawMarks(marks.current!, grid, shown, {
      outcome,
      labels: inputs.labels,
      colours: tones(session),
      wrong: style.getPropertyValue('--wrong'),
      ink: style.getPropertyValue('--ink'),
      chosen: place,
    });
  }, [grid, shown, outcome, place, dark.value]);

  const choose = (k: number): void => {
    const index = shown[Math.min(shown.length - 1, Math.max(0, k))];
    if (index !== undefined) chosen.value = { kind: 'set', index };
  };
  const keys: Readonly<Record<string, number>> = {
    ArrowLeft: place - 1,
    ArrowRight: place + 1,
    ArrowUp: place - grid.columns,
    ArrowDown: place + grid.columns,
    Home: 0,
    End: shown.length - 1,
  };
  const described = useMemo(
    () =>
      computed(() => {
        if (active === undefined) return '';
        const { n, answers, paths, confidence } = session.outcome.value;
        if (active >= n) return '';
        const label = inputs.labels[active];
        const truth =
          label === undefined ? '' : answers[active] === label ? ', right' : `, wrong: it is ${classes[label]}`;
        return `Input ${inputs.numbers[active]}: ${classes[answers[active]!]} (${percent(confidence[active], 0)})${truth}, leaves at ${pathName(session, paths[active]!)}`;
      }),
    [session, active],
  );
  const size = { width: `${grid.width}px`, height: `${grid.height}px` };
  return (
    <section class="panel sheet-panel" aria-labelledby="sheet-title">
      <header>
        <h2 id="sheet-title">Inputs, easy to hard</h2>
        <span class="muted">
          {whole(shown.length)} of {inputs.name}; the bar below each tells where it leaves
          {inputs.labels.length > 0 && <>, a red corner a wrong answer</>}
        </span>
        {inputs.labels.length > 0 && (
          <label class="filter">
            Show{' '}
            <select value={filter} onChange={(event) => setFilter(event.currentTarget.value)}>
              <option value="all">all</option>
              <option value="wrong">wrong answers</option>
              {classes.map((name, i) => (
                <option key={name} value={String(i)}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
      </header>
      <div
        ref={box}
        class="sheet"
        tabIndex={0}
        role="listbox"
        aria-label="Inputs, easy to hard"
        aria-activedescendant="sheet-active"
        onKeyDown={(event) => {
          const to = keys[event.key];
          if (to === undefined) return;
          event.preventDefault();
          choose(to);
        }}
      >
        <canvas ref={pictures} style={size} />
        <canvas
          ref={marks}
          class="marks"
          style={size}
          onClick={(event) => {
            const at = grid.find(event.offsetX, event.offsetY);
            if (at !== undefined) choose(at);
          }}
        />
        <span id="sheet-active" class="hidden" role="option" aria-selected="true" tabIndex={-1}>
          {described.value}
        </span>
      </div>
    </section>
  );
}
