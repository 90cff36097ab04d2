import type { ComponentType } from 'preact';
import { imageView } from './image.ts';
import type { OwnInput, Values } from './set.ts';
import { valuesView } from './values.ts';

/** A way to bring an input of one's own: a pad, a camera, a file. */
export interface InputSource {
  readonly name: string;
  readonly component: ComponentType<{ shape: readonly number[]; onInput(input: OwnInput): void }>;
}

/** How inputs of one sort are shown and brought. A new sort (sequences, tables) is a new view in the list below. */
export interface InputView {
  /** What one is called, in sentences. */
  readonly noun: string;
  fits(shape: readonly number[]): boolean;
  /** Draws one input into a square. */
  draw(
    context: CanvasRenderingContext2D,
    values: Values,
    shape: readonly number[],
    x: number,
    y: number,
    size: number,
  ): void;
  readonly sources: readonly InputSource[];
  /** Reads a file that the user dropped. @throws Error with a sentence */
  read?(file: File, shape: readonly number[]): Promise<OwnInput>;
}

/** The first that fits shows an input. */
const views: readonly InputView[] = [imageView, valuesView];

export const viewFor = (shape: readonly number[]): InputView => views.find((v) => v.fits(shape))!;
