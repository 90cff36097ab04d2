import { useRef, useState } from 'preact/hooks';
import { inkOf, toPlanes } from './pixels.ts';
import type { OwnInput } from './set.ts';

const SIDE = 280;
/** Handwritten digits of the field fill 20 of 28 pixels, centred by their mass. */
const FILLS = 20 / 28;

/** White strokes on black, brought to the middle and to the usual size. */
function asInput(pad: HTMLCanvasElement, [channels, height, width]: readonly number[]): Uint8Array | undefined {
  const ink = inkOf(toPlanes(pad.getContext('2d')!.getImageData(0, 0, SIDE, SIDE).data, 1), SIDE);
  if (!ink) return undefined;
  const canvas = new OffscreenCanvas(width!, height!);
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  context.imageSmoothingQuality = 'high';
  context.fillStyle = '#000';
  context.fillRect(0, 0, width!, height!);
  const scale = Math.min(0.14, (FILLS * Math.min(width!, height!)) / Math.max(ink.width, ink.height));
  context.translate(width! / 2 - ink.x * scale, height! / 2 - ink.y * scale);
  context.scale(scale, scale);
  context.drawImage(pad, 0, 0);
  return toPlanes(context.getImageData(0, 0, width!, height!).data, channels!);
}

/** A pad to draw on; the model answers while you draw. */
export function DrawingPad({ shape, onInput }: { shape: readonly number[]; onInput(input: OwnInput): void }) {
  const pad = useRef<HTMLCanvasElement>(null);
  const last = useRef<{ x: number; y: number } | undefined>(undefined);
  const [empty, setEmpty] = useState(true);

  const at = (event: PointerEvent) => {
    const box = pad.current!.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * SIDE, y: ((event.clientY - box.top) / box.height) * SIDE };
  };
  const tell = (): void => {
    const values = asInput(pad.current!, shape);
    if (values) onInput({ name: 'drawing', values, changes: [] });
  };
  const stroke = (event: PointerEvent): void => {
    if (!last.current) return;
    const to = at(event);
    const context = pad.current!.getContext('2d', { willReadFrequently: true })!;
    context.strokeStyle = '#fff';
    context.lineWidth = 24;
    context.lineCap = 'round';
    context.lineJoin = 'round';
    context.beginPath();
    context.moveTo(last.current.x, last.current.y);
    context.lineTo(to.x, to.y);
    context.stroke();
    last.current = to;
    setEmpty(false);
    tell();
  };
  const clear = (): void => {
    pad.current!.getContext('2d')!.clearRect(0, 0, SIDE, SIDE);
    setEmpty(true);
  };
  return (
    <div class="source">
      <div class="pad">
        <canvas
          ref={pad}
          width={SIDE}
          height={SIDE}
          aria-label="Drawing pad"
          onPointerDown={(event) => {
            pad.current!.setPointerCapture(event.pointerId);
            last.current = at(event);
            stroke(event);
          }}
          onPointerMove={stroke}
          onPointerUp={() => {
            last.current = undefined;
          }}
        />
        {empty && <span class="hint">draw here</span>}
      </div>
      <button type="button" onClick={clear} disabled={empty}>
        Clear
      </button>
    </div>
  );
}
