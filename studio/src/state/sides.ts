import { signal } from '@preact/signals';
import type { Session } from './session.ts';

/** One side of a comparison: a model at a setting of its own. */
export interface Side {
  readonly session: Session;
  readonly at: number;
}

/** What "Compare" shows now. */
export const sides = signal<readonly [Side, Side] | undefined>(undefined);
