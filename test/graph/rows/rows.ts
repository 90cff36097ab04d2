import type { Case } from '../check.ts';

/** A row for every operator that a module exports, by its export's name: a missing one does not compile. */
export type RowsOf<Room> = {
  readonly [K in keyof Room as Room[K] extends { readonly infer: unknown; readonly gradient: unknown }
    ? K
    : never]: readonly Case[];
};
