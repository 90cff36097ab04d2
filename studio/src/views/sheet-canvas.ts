import { type InputSet, rowsOf } from '../inputs/set.ts';
import { viewFor } from '../inputs/view.ts';
import type { Outcome } from '../knob/table.ts';

/** A picture and the coloured foot below it, in CSS pixels. */
const CELL = 30;
const FOOT = 4;
const GAP = 3;
const CORNER = 10;

/** Where the inputs of a sheet lie. */
export class SheetGrid {
  readonly width: number;
  readonly columns: number;
  readonly height: number;

  constructor(width: number, count: number) {
    this.width = width;
    this.columns = Math.max(1, Math.floor((width + GAP) / (CELL + GAP)));
    this.height = Math.max(1, Math.ceil(count / this.columns) * (CELL + FOOT + GAP));
  }

  /** Upper left corner of the k-th. */
  at(k: number): readonly [x: number, y: number] {
    return [(k % this.columns) * (CELL + GAP), Math.floor(k / this.columns) * (CELL + FOOT + GAP)];
  }

  /** Which one lies at a point; undefined where there is none. */
  find(x: number, y: number): number | undefined {
    const column = Math.floor(x / (CELL + GAP));
    return column < this.columns ? Math.floor(y / (CELL + FOOT + GAP)) * this.columns + column : undefined;
  }
}

function prepared(canvas: HTMLCanvasElement, grid: SheetGrid): [CanvasRenderingContext2D, number] {
  const scale = Math.min(2, devicePixelRatio || 1);
  const [width, height] = [Math.max(1, Math.round(grid.width * scale)), Math.round(grid.height * scale)];
  // Setting a size clears the canvas and its memory: only where it has changed.
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext('2d')!;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, width, height);
  return [context, scale];
}

/** The pictures: drawn once for each order. */
export function drawPictures(
  canvas: HTMLCanvasElement,
  grid: SheetGrid,
  shown: ArrayLike<number>,
  inputs: InputSet,
): void {
  const [context, scale] = prepared(canvas, grid);
  const view = viewFor(inputs.shape);
  for (let k = 0; k < shown.length; k++) {
    const [x, y] = grid.at(k);
    view.draw(context, rowsOf(inputs, shown[k]!), inputs.shape, x * scale, y * scale, CELL * scale);
  }
}

export interface Marks {
  readonly outcome: Outcome;
  readonly labels: ArrayLike<number>;
  /** One for each path. */
  readonly colours: readonly string[];
  readonly wrong: string;
  readonly ink: string;
  /** Place of the chosen one, or -1. */
  readonly chosen: number;
}

/** What changes as the knob turns, on a canvas above the pictures: one fill for each colour. */
export function drawMarks(canvas: HTMLCanvasElement, grid: SheetGrid, shown: ArrayLike<number>, marks: Marks): void {
  const { outcome, labels, colours, wrong, ink, chosen } = marks;
  const [context, scale] = prepared(canvas, grid);
  context.scale(scale, scale);
  for (const [path, colour] of colours.entries()) {
    context.beginPath();
    for (let k = 0; k < shown.length; k++) {
      if (outcome.paths[shown[k]!] !== path) continue;
      const [x, y] = grid.at(k);
      context.rect(x, y + CELL, CELL, FOOT);
    }
    context.fillStyle = colour;
    context.fill();
  }
  if (labels.length > 0) {
    context.beginPath();
    for (let k = 0; k < shown.length; k++) {
      if (outcome.answers[shown[k]!] === labels[shown[k]!]) continue;
      const [x, y] = grid.at(k);
      context.moveTo(x + CELL, y);
      context.lineTo(x + CELL - CORNER, y);
      context.lineTo(x + CELL, y + CORNER);
    }
    context.fillStyle = wrong;
    context.fill();
  }
  if (chosen < 0) return;
  const [x, y] = grid.at(chosen);
  context.strokeStyle = ink;
  context.lineWidth = 2;
  context.strokeRect(x + 1, y + 1, CELL - 2, CELL + FOOT - 2);
}
