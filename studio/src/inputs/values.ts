import type { InputView } from './view.ts';

/** Anything else: its values as a line, so that no model is without a view. */
export const valuesView: InputView = {
  noun: 'input',
  fits: () => true,
  draw(context, values, _shape, x, y, size) {
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const v of values) {
      low = Math.min(low, v);
      high = Math.max(high, v);
    }
    const range = high - low || 1;
    context.save();
    context.strokeStyle = '#5c9ea3';
    context.lineWidth = Math.max(1, size / 60);
    context.beginPath();
    for (let i = 0; i < size; i++) {
      const v = values[Math.floor((i * values.length) / size)]!;
      context.lineTo(x + i, y + size - 2 - ((v - low) / range) * (size - 4));
    }
    context.stroke();
    context.restore();
  },
  sources: [],
};
