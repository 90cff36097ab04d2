import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ModelAnswer } from '../../../src/deploy/answers.ts';
import type { Trace } from '../../../src/dynamic/trace.ts';
import { count, percent } from '../../../src/report/format.ts';
import type { Values } from '../inputs/set.ts';
import { Thumb } from '../inputs/thumb.tsx';
import { layOut, type Place, type Shape, type Sizes } from '../map/layout.ts';
import { type Guard, regionTree, takes } from '../map/tree.ts';
import type { Session } from '../state/session.ts';
import { tones } from './tones.ts';

interface Orientation {
  readonly sizes: Omit<Sizes, 'length'>;
  readonly thick: number;
  readonly pad: { readonly low: number; readonly high: number; readonly start: number };
  xy(place: Place): readonly [number, number];
}

const lying: Orientation = {
  sizes: { block: 46, gap: 30, exit: 70, lane: 84, tail: 92 },
  thick: 54,
  pad: { low: 44, high: 56, start: 88 },
  xy: ({ along, across }) => [along, across],
};

const standing: Orientation = {
  sizes: { block: 44, gap: 26, exit: 104, lane: 104, tail: 58 },
  thick: 92,
  pad: { low: 66, high: 66, start: 70 },
  xy: ({ along, across }) => [across, along],
};

const NARROW = 500;
/** The chosen input, where its way begins. */
const THUMB = 56;

interface Props {
  readonly session: Session;
  /** Share of the set on each path of the session's table, at the knob. */
  readonly shares: readonly number[];
  /** The chosen input, its way, and what the model answers. */
  readonly run?: { readonly values: Values; readonly trace: Trace; readonly answer: ModelAnswer } | undefined;
  readonly label: string;
}

/** The net as a map of its decisions, drawn from the file's card: blocks as long as their work, the chosen input's way lit. */
export function DecisionMap(props: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)));
    watch.observe(box.current!);
    return () => watch.disconnect();
  }, []);
  return (
    <div ref={box} class="map">
      {width > 0 && <Drawing {...props} width={width} />}
    </div>
  );
}

function Drawing({ session, shares, run, label, width }: Props & { width: number }) {
  const trace = run?.trace;
  const upright = width < NARROW;
  const { sizes, thick, pad, xy } = upright ? standing : lying;
  const { card } = session;
  const { paths } = session.known.value.table;
  const length = upright ? 440 : width - pad.start - 6;
  const { shapes, across, length: real } = layOut(regionTree(card), { ...sizes, length });
  const [low, high] = [across[0] - pad.low, across[1] + pad.high];
  const [w, h] = upright ? [width, real + pad.start + 8] : [width, high - low];
  const [dx, dy] = upright ? [Math.max(-low, (width - (high - low)) / 2 - low), pad.start] : [pad.start, -low];

  const shareOf = (guard: Guard): number =>
    paths.reduce((sum, p, i) => sum + (takes(p, guard) ? (shares[i] ?? 0) : 0), 0);
  const lit = (guard: Guard): boolean => trace !== undefined && takes(trace, guard);
  const colours = tones(session);
  const reaches = paths.findIndex((p) => p.macs === trace?.macs);
  const colour = colours[reaches] ?? 'var(--accent)';
  const at = (place: Place): readonly [number, number] => {
    const [x, y] = xy(place);
    return [x + dx, y + dy];
  };
  const order = ['wire', 'block', 'fork', 'lane', 'end'];
  const sorted = [...shapes].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
  const [sx, sy] = at({ along: 0, across: 0 });
  const [tx, ty] = upright ? [sx - THUMB / 2, 0] : [6, sy - THUMB / 2];
  return (
    <>
      {run && (
        <div class="start" style={{ left: `${tx}px`, top: `${ty}px`, borderColor: colour }}>
          <Thumb values={run.values} shape={card.preprocessing.shape} size={THUMB - 6} label="The chosen input" />
        </div>
      )}
      <svg
        class={trace ? 'has-trace' : ''}
        viewBox={`0 0 ${w} ${h}`}
        width={w}
        height={h}
        role="img"
        aria-label={label}
        style={{ '--path': colour }}
      >
        {run && (
          <g class="wire lit">
            <path class="way" d={upright ? `M${sx} ${THUMB}V${sy}` : `M${6 + THUMB} ${sy}H${sx}`} />
          </g>
        )}
        {sorted.map((shape, i) => (
          <g key={i} class={`${shape.kind} ${lit(shape.guard) ? 'lit' : ''}`}>
            {draw(shape)}
          </g>
        ))}
      </svg>
    </>
  );

  function draw(shape: Shape) {
    const share = shareOf(shape.guard);
    if (shape.kind === 'wire') {
      const d = shape.points.map((p, i) => `${i ? 'L' : 'M'}${at(p).join(' ')}`).join('');
      return (
        <>
          <path class="flow" d={d} style={{ strokeWidth: `${1.5 + 9 * share}px` }} />
          <path class="way" d={d} />
        </>
      );
    }
    const [x, y] = at(shape.at);
    if (shape.kind === 'block') {
      const [bw, bh] = upright ? [thick, shape.length] : [shape.length, thick];
      const [bx, by] = upright ? [x - thick / 2, y] : [x, y - thick / 2];
      return (
        <>
          <title>{`${count(shape.macs)} MACs, computed for ${percent(share, 1)} of the inputs`}</title>
          <rect class="body" x={bx} y={by} width={bw} height={bh} rx="7" />
          <rect class="used" x={bx} y={by + bh * (1 - share)} width={bw} height={bh * share} rx={share > 0.9 ? 7 : 2} />
          <rect class="edge" x={bx} y={by} width={bw} height={bh} rx="7" />
          <text class="macs" x={bx + bw / 2} y={by + bh / 2 - (upright ? 2 : 4)}>
            {count(shape.macs)}
          </text>
          <text class="small" x={bx + bw / 2} y={by + bh / 2 + 12}>
            {percent(share, 0)}
          </text>
        </>
      );
    }
    if (shape.kind === 'fork') {
      const { decision, exit } = shape.fork;
      const [tx, ty, anchor] = upright ? [x - 12, y + 4, 'end'] : [x - 2, y - 13, 'end'];
      return (
        <>
          <title>{`decision "${decision.name}" (${decision.family}): ${decision.options.map((o) => o.name).join(' or ')}`}</title>
          <path class="diamond" d={`M${x - 8} ${y}L${x} ${y - 8}L${x + 8} ${y}L${x} ${y + 8}Z`} />
          {!exit && (
            <text class="small" x={tx} y={ty} text-anchor={anchor}>
              {decision.name}
            </text>
          )}
        </>
      );
    }
    if (shape.kind === 'lane')
      return (
        <text class="small" x={x + 4} y={y - 6} text-anchor="start">
          {shape.name}
        </text>
      );
    const own = paths.findIndex((p) => takes(p, shape.guard));
    const ends = session.exitsOnly ? (colours[own] ?? 'var(--accent)') : 'var(--accent)';
    const last = shape.name === 'final';
    const side = upright ? !last : last;
    const [tx, ty, anchor] = side ? [x + 12, y - 1, 'start'] : [x, y + 21, 'middle'];
    const below = side ? ty + 14 : ty + 14;
    return (
      <>
        <circle cx={x} cy={y} r="7" style={{ fill: ends }} />
        <text class="name" x={tx} y={ty} text-anchor={anchor}>
          {shape.name}
        </text>
        <text class="small" x={tx} y={below} text-anchor={anchor}>
          {percent(share, 1)}
        </text>
        {run && lit(shape.guard) && run.answer.exit === shape.name && (
          <text class="result" x={tx} y={below + 15} text-anchor={anchor}>
            {run.answer.class}
          </text>
        )}
      </>
    );
  }
}
