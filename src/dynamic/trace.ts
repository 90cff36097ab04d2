import { DynaError } from '../errors.ts';
import type { NDArray } from '../graph/index.ts';
import { type CostVector, costTable, pathCost, type RegionCost } from './cost.ts';
import { BITS, type Column, columnsOf } from './lower/columns.ts';
import type { SparseForm } from './lower/form.ts';
import { decisionsOf, type Net } from './traced.ts';

/** One choice that one input met. */
export interface TraceRow {
  /** Name of the decision. */
  readonly decision: string;
  /** Time step of a net with state; 0 for others. */
  readonly step: number;
  /** What `value` is: an option's number, how many units were kept, which ones, or their weights. */
  readonly kind: 'index' | 'count' | 'bitset' | 'weights';
  /**
   * The choice: an option's number, how many units were kept, which (their numbers), or all weights; null where the decision
   * was not reached.
   */
  readonly value: number | readonly number[] | null;
  readonly reached: boolean;
}

/** What one input did on its way through a net, and what that cost. Time belongs to the run, not to an input. */
export interface Trace {
  readonly rows: readonly TraceRow[];
  readonly macs: number;
  readonly cost: CostVector;
}

/** What is needed to read a trace: the decisions in the order of its rows, the columns, and the cost of each region. */
export interface TraceKey {
  readonly decisions: readonly string[];
  readonly columns: readonly Column[];
  readonly regions: readonly RegionCost[];
}

/**
 * The key to the traces of a net, by `decodeTrace`.
 *
 * @param form of the file that the traces come from: files for one input skip units that those for batches only mask
 */
export const traceKey = (net: Net, form: SparseForm = 'rows'): TraceKey => ({
  decisions: decisionsOf(net).map((d) => d.name),
  columns: columnsOf(net),
  regions: costTable(net, form),
});

/** What a decision did. */
interface Taken {
  readonly kind: TraceRow['kind'];
  readonly value: number | readonly number[];
  /** What its cost hangs on: the option's number, or how many units it kept. */
  readonly choice: number;
}

/** The numbers of the bits that are set. */
const bitsOf = (value: number, first: number): number[] =>
  Array.from({ length: BITS }, (_, i) => i).flatMap((i) => (Math.floor(value / 2 ** i) % 2 === 1 ? [first + i] : []));

/** What each decision did, by name, from one row of a trace; nothing where it was not reached. */
function taken(row: ArrayLike<number>, columns: readonly Column[]): Map<string, Taken> {
  const found = new Map<string, Taken>();
  const option = (name: string, value: number): void => {
    found.set(name, { kind: 'index', value, choice: value });
  };
  const groups = new Map<string, { column: Column; value: number }[]>();
  for (const [j, column] of columns.entries()) {
    const value = row[j]!;
    const [name] = column.decisions as [string];
    if (column.kind === 'option' && value >= 0) option(name, value);
    // Passed `value` exits (option 0), then stopped at the next one, if there is one (option 1).
    else if (column.kind === 'exits' && value >= 0)
      for (const [e, exit] of column.decisions.slice(0, value + 1).entries()) option(exit, e < value ? 0 : 1);
    else if (column.kind !== 'option' && column.kind !== 'exits')
      groups.set(name, [...(groups.get(name) ?? []), { column, value }]);
  }
  for (const [name, group] of groups) {
    if (group.every(({ value }) => value === -1)) continue;
    const values = group.map(({ value }) => value);
    const { kind } = group[0]!.column;
    if (kind === 'count') found.set(name, { kind, value: values[0]!, choice: values[0]! });
    else if (kind === 'weights') found.set(name, { kind, value: values, choice: values.length });
    else {
      const units = group.flatMap(({ column, value }) => bitsOf(value, column.first ?? 0));
      found.set(name, { kind: 'bitset', value: units, choice: units.length });
    }
  }
  return found;
}

/** What a decision that was not reached would have told. */
const kinds = (columns: readonly Column[]): Map<string, TraceRow['kind']> =>
  new Map(
    columns.flatMap(({ kind, decisions }) =>
      decisions.map((name) => [name, kind === 'option' || kind === 'exits' ? 'index' : kind] as const),
    ),
  );

/**
 * Reads the choices that a model put out, [n, columns] float32 with -1 for "not reached".
 *
 * @throws DynaError 'model' where the tensor does not fit the decisions
 * @example decodeTrace(outputs.trace, map)[0].macs
 */
export function decodeTrace({ dims, data }: NDArray, key: TraceKey): Trace[] {
  const width = key.columns.length;
  if (dims.length !== 2 || dims[1] !== width)
    throw new DynaError('model', `this trace should have ${width} columns, [n, ${width}], got [${dims.join(', ')}]`);
  const known = new Map<string, Trace>();
  return Array.from({ length: dims[0]! }, (_, i) => {
    const row = Array.from({ length: width }, (_, j) => Number(data[i * width + j]));
    const path = row.join();
    const trace = known.get(path) ?? traceOf(taken(row, key.columns), key);
    known.set(path, trace);
    return trace;
  });
}

function traceOf(met: ReadonlyMap<string, Taken>, key: TraceKey): Trace {
  const kind = kinds(key.columns);
  const rows = key.decisions.map((decision): TraceRow => {
    const own = met.get(decision);
    return {
      ...{ decision, step: 0, kind: own?.kind ?? kind.get(decision) ?? 'index' },
      ...{ value: own?.value ?? null, reached: own !== undefined },
    };
  });
  const cost = pathCost(key.regions, (name) => met.get(name)?.choice);
  return { rows, macs: cost.macs, cost };
}

/** JSON Schema (2020-12) of `Trace`. */
export const traceSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Trace of one input through a dynamic network',
  type: 'object',
  required: ['rows', 'macs', 'cost'],
  additionalProperties: false,
  properties: {
    rows: {
      type: 'array',
      items: {
        type: 'object',
        required: ['decision', 'step', 'kind', 'value', 'reached'],
        additionalProperties: false,
        properties: {
          decision: { type: 'string' },
          step: { type: 'integer', minimum: 0 },
          kind: { enum: ['index', 'count', 'bitset', 'weights'] },
          value: { oneOf: [{ type: 'number' }, { type: 'array', items: { type: 'number' } }, { type: 'null' }] },
          reached: { type: 'boolean' },
        },
      },
    },
    macs: { type: 'number', minimum: 0 },
    cost: {
      type: 'object',
      required: ['macs', 'weightBytes', 'activationBytes', 'integerOps'],
      additionalProperties: false,
      properties: {
        macs: { type: 'number', minimum: 0 },
        weightBytes: { type: 'number', minimum: 0 },
        activationBytes: { type: 'number', minimum: 0 },
        integerOps: { type: 'number', minimum: 0 },
      },
    },
  },
} as const;
