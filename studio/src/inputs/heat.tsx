import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Values } from './set.ts';
import { viewFor } from './view.ts';

/** Brightest at the 99th of 100 places, so that one hot pixel does not dim the rest. */
function strengths(map: Float32Array): Float32Array {
  const sizes = Float32Array.from(map, (v) => Math.max(0, v));
  const sorted = sizes.slice().sort();
  const [low, high] = [sorted[sorted.length >> 1]!, sorted[Math.floor(sorted.length * 0.99)]! || 1];
  const range = high - low || 1;
  return sizes.map((v) => Math.min(1, Math.max(0, (v - low) / range)));
}

interface Props {
  readonly values: Values;
  readonly shape: readonly number[];
  readonly map: Float32Array;
  readonly size: number;
  readonly label: string;
}

/** An input with a map of what counts laid over it: dimmed, and glowing where it matters. */
export function Heat({ values, shape, map, size, label }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const target = canvas.current!;
    const scale = Math.min(2, devicePixelRatio || 1);
    target.width = target.height = size * scale;
    const context = target.getContext('2d')!;
    context.globalAlpha = 0.55;
    viewFor(shape).draw(context, values, shape, 0, 0, size * scale);
    context.globalAlpha = 1;
    const [height, width] = shape.length === 3 ? [shape[1]!, shape[2]!] : [1, map.length];
    const glow = new OffscreenCanvas(width, height);
    const pixels = new ImageData(width, height);
    for (const [i, s] of strengths(map).entries()) pixels.data.set([255, 96 + 130 * s, 40 * s, 255 * s], 4 * i);
    glow.getContext('2d')!.putImageData(pixels, 0, 0);
    context.imageSmoothingEnabled = false;
    const fit = (size * scale) / Math.max(width, height);
    context.drawImage(
      glow,
      (size * scale - width * fit) / 2,
      (size * scale - height * fit) / 2,
      width * fit,
      shape.length === 3 ? height * fit : size * scale,
    );
  }, [values, shape, map, size]);
  return (
    <canvas
      ref={canvas}
      class="thumb"
      role="img"
      aria-label={label}
      style={{ width: `${size}px`, height: `${size}px` }}
    />
  );
}
