import * as Plot from '@observablehq/plot';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { milliseconds, percent } from '../../../src/report/format.ts';
import type { Session } from '../state/session.ts';

export type Axis = 'macs' | 'ms';

const MARGIN = { left: 46, right: 16 };
const HEIGHT = 200;

/** Where each setting lies along the axis; undefined where it is not known yet. */
export function positions(session: Session, axis: Axis): (number | undefined)[] {
  const { curve } = session.known.value;
  return curve.map((s, i) =>
    s.n === 0 ? undefined : axis === 'macs' ? s.macs / session.card.fullMacs : session.msAt(i),
  );
}

/** Accuracy over cost for every position of the knob; the knob itself is the axis. */
export function Curve({ session, axis }: { session: Session; axis: Axis }) {
  const frame = useRef<HTMLDivElement>(null);
  const marker = useRef<SVGGElement>(null);
  const scales = useRef<{ x: (v: number) => number; y: (v: number) => number } | undefined>(undefined);
  const [width, setWidth] = useState(0);
  const { curve, settings } = session.known.value;
  const xs = positions(session, axis);
  const labelled = curve[0]?.accuracy !== undefined;
  const values = curve.map((s) => (labelled ? s.accuracy! : onFullPath(session, s.shares)));
  const known = xs.flatMap((x, i) =>
    x === undefined ? [] : [{ x, y: values[i]!, certified: settings[i]!.certified }],
  );
  const at = session.at.value;

  useLayoutEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)));
    watch.observe(frame.current!);
    return () => watch.disconnect();
  }, []);

  const least = Math.min(...known.map((k) => k.x));
  const most = Math.max(...known.map((k) => k.x));
  useLayoutEffect(() => {
    const host = frame.current!.querySelector('.plot')!;
    if (width === 0 || known.length === 0) return host.replaceChildren();
    const proven = known.filter((k) => k.certified);
    const plot = Plot.plot({
      width,
      height: HEIGHT,
      marginLeft: MARGIN.left,
      marginRight: MARGIN.right,
      marginBottom: 34,
      marginTop: 24,
      x: {
        domain: [least, most],
        label: axis === 'macs' ? 'mean share of the full MACs' : 'mean milliseconds of an input, here',
        labelAnchor: 'center',
        labelArrow: 'none',
        tickFormat: axis === 'macs' ? (v: number) => percent(v, 0) : (v: number) => milliseconds(v).replace(' ms', ''),
        ticks: width < 420 ? 4 : 7,
      },
      y: {
        label: labelled ? 'accuracy' : 'inputs on the full path',
        labelArrow: 'none',
        tickFormat: (v: number) => percent(v, 1),
        ticks: 4,
        nice: true,
        grid: true,
      },
      marks: [
        ...(proven.length > 0
          ? [
              Plot.rectX([[Math.min(...proven.map((p) => p.x)), Math.max(...proven.map((p) => p.x))]], {
                x1: '0',
                x2: '1',
                fill: 'var(--band)',
              }),
            ]
          : []),
        Plot.ruleY([known[0]!.y], { stroke: 'var(--muted)', strokeDasharray: '3 3' }),
        Plot.line(known, { x: 'x', y: 'y', stroke: 'var(--accent)', strokeWidth: 1.6 }),
        Plot.dot(known, {
          x: 'x',
          y: 'y',
          r: 2.6,
          fill: (k: { certified: boolean }) => (k.certified ? 'var(--accent)' : 'var(--card)'),
          stroke: 'var(--accent)',
        }),
      ],
    });
    plot.setAttribute('aria-hidden', 'true');
    host.replaceChildren(plot);
    const [x, y] = [plot.scale('x')!, plot.scale('y')!];
    scales.current = { x: (v) => x.apply(v) as number, y: (v) => y.apply(v) as number };
  }, [width, axis, session, session.known.value, session.pathMs.value]);

  useLayoutEffect(() => {
    const x = xs[at];
    const place = scales.current;
    const here = x !== undefined && place && known.length > 0;
    marker.current?.setAttribute('visibility', here ? 'visible' : 'hidden');
    if (here) marker.current?.setAttribute('transform', `translate(${place.x(x)} ${place.y(values[at]!)})`);
  });

  return (
    <div class="curve" ref={frame} style={{ '--left': `${MARGIN.left}px`, '--right': `${MARGIN.right}px` }}>
      <div class="plot" style={{ height: `${HEIGHT}px` }} />
      <svg class="marker" width={width} height={HEIGHT} aria-hidden="true">
        <g ref={marker} visibility="hidden">
          <circle r="8" />
          <circle r="3.5" class="dot" />
        </g>
      </svg>
    </div>
  );
}

/** What can be told without labels: the share of inputs that go the full way, which certainly get the full model's answer. */
const onFullPath = (session: Session, shares: readonly number[]): number => {
  const { paths } = session.known.value.table;
  const full = Math.max(...paths.map((p) => p.macs));
  return paths.reduce((sum, p, i) => sum + (p.macs === full ? (shares[i] ?? 0) : 0), 0);
};
