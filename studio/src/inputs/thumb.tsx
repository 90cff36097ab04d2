import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Values } from './set.ts';
import { viewFor } from './view.ts';

/** One input as a small picture. */
export function Thumb({
  values,
  shape,
  size,
  label,
}: {
  values: Values;
  shape: readonly number[];
  size: number;
  label: string;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const { current } = canvas;
    if (!current) return;
    const scale = Math.min(2, devicePixelRatio || 1);
    current.width = current.height = size * scale;
    const context = current.getContext('2d')!;
    viewFor(shape).draw(context, values, shape, 0, 0, size * scale);
  }, [values, shape, size]);
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
