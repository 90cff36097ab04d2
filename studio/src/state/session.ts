import { computed, type Signal, signal } from '@preact/signals';
import type { ModelCard } from '../../../src/deploy/card.ts';
import { ranks } from '../colour.ts';
import { type RemoteEngine, startEngine } from '../engine/client.ts';
import type { Opened } from '../engine/protocol.ts';
import { type InputSet, rowsOf } from '../inputs/set.ts';
import { fileSettings, onlyExits, quantileSettings, type Setting } from '../knob/settings.ts';
import { curveOf, easyToHard, meanMs, type Summary } from '../knob/summary.ts';
import { ExitTable, exitTrace, type Outcome, PointTable, type Table } from '../knob/table.ts';

/** So long may a question of the user's wait while the set is seen. */
const PATIENCE_MS = 200;
const FIRST_CHUNK = 8;
const MOST_CHUNK = 128;
/** Timed runs of each path. */
const ROUNDS = 5;

/** What the page knows of a model and the set, renewed as more inputs have been seen. */
interface Known {
  readonly table: Table;
  readonly settings: readonly Setting[];
  readonly curve: readonly Summary[];
  /** Input numbers, easy ones first. */
  readonly order: Uint32Array;
  /** Place of each path among all, cheapest first. */
  readonly ranks: readonly number[];
}

/** A model that is open in a worker, and what it does with the inputs at hand. */
export class Session {
  readonly name: string;
  readonly card: ModelCard;
  readonly opened: Opened;
  readonly engine: RemoteEngine;
  readonly exitsOnly: boolean;
  /** Inputs seen so far. */
  readonly seen = signal(0);
  readonly watching = signal(false);
  readonly known: Signal<Known>;
  /** Milliseconds of one input on each path. */
  readonly pathMs = signal<readonly (number | undefined)[]>([]);
  readonly problem = signal('');
  /** Position of the knob: a setting's number. */
  readonly at: Signal<number>;
  readonly setting = computed(() => this.known.value.settings[this.at.value] ?? this.known.value.settings[0]!);
  /** What all inputs do at the knob's setting. */
  readonly outcome = computed<Outcome>(() => this.outcomeAt(this.at.value));
  readonly summary = computed<Summary>(() => this.known.value.curve[this.at.value]!);
  readonly full = computed<Summary>(() => this.known.value.curve[0]!);

  private constructor(name: string, engine: RemoteEngine, opened: Opened) {
    this.name = name;
    this.engine = engine;
    this.opened = opened;
    this.card = opened.card;
    this.exitsOnly = onlyExits(opened.card.decisions);
    const settings = fileSettings(this.card);
    const table = this.#table(settings.length, 0);
    this.known = signal(this.#knownOf(table, settings, []));
    this.at = signal(this.card.chosen);
  }

  /** @throws Error with a sentence for files that are no model */
  static async open(name: string, bytes: Uint8Array): Promise<Session> {
    const engine = startEngine();
    try {
      return new Session(name, engine, await engine.open(bytes));
    } catch (error) {
      engine.close();
      throw new Error(`"${name}": ${(error as Error).message}`);
    }
  }

  #table(settings: number, capacity: number): ExitTable | PointTable {
    return this.exitsOnly ? new ExitTable(this.card, capacity) : new PointTable(settings, capacity);
  }

  #knownOf(table: Table, settings: readonly Setting[], labels: readonly number[]): Known {
    return {
      table,
      settings,
      curve: curveOf(settings, table, labels),
      order: easyToHard(settings, table),
      ranks: ranks(table.paths.map((p) => p.macs)),
    };
  }

  outcomeAt(index: number): Outcome {
    const { table, settings } = this.known.value;
    return table.outcome((settings[index] ?? settings[0]!).thresholds, index);
  }

  /** Mean milliseconds of an input at a setting; undefined while not all of its paths are timed. */
  msAt(index: number): number | undefined {
    const { curve } = this.known.value;
    return curve[index] && curve[index].n > 0 ? meanMs(curve[index], this.pathMs.value) : undefined;
  }

  /** Runs the set through the model once, piece by piece; from then on the knob is arithmetic. */
  async watch(set: InputSet, limit = set.n): Promise<void> {
    if (this.watching.value || this.seen.value >= limit) return;
    this.watching.value = true;
    const settings = fileSettings(this.card);
    const table = this.#table(settings.length, limit);
    try {
      let chunk = FIRST_CHUNK;
      let shown = 0;
      while (table.n < limit) {
        const n = Math.min(chunk, limit - table.n);
        const started = performance.now();
        await this.#see(table, settings, { values: rowsOf(set, table.n, n), n });
        const each = (performance.now() - started) / n;
        chunk = Math.min(MOST_CHUNK, Math.max(1, Math.round(PATIENCE_MS / each)));
        // Sorting and curves cost more as the set grows: renewed in growing steps, and at the end.
        if (table.n === limit || table.n >= 1.2 * shown) {
          this.#renew(table, settings, set.labels);
          shown = table.n;
        }
        this.seen.value = table.n;
      }
      await this.#timePaths(set);
    } catch (error) {
      this.problem.value = (error as Error).message;
    } finally {
      this.watching.value = false;
    }
  }

  async #see(
    table: ExitTable | PointTable,
    settings: readonly Setting[],
    inputs: { values: InputSet['values']; n: number },
  ) {
    if (table instanceof ExitTable) return table.add(await this.engine.observe(inputs));
    const runs = [];
    for (const { thresholds } of settings) runs.push(await this.engine.run(inputs, thresholds));
    table.add(runs);
  }

  #renew(table: ExitTable | PointTable, settings: readonly Setting[], labels: readonly number[]): void {
    const made =
      table instanceof ExitTable && settings.length === 1
        ? quantileSettings(this.card.decisions, table.scores.subarray(0, table.n * this.card.decisions.length))
        : settings;
    this.known.value = this.#knownOf(table, made, labels);
  }

  /** Times one input of each path, in turns. */
  async #timePaths(set: InputSet): Promise<void> {
    const { table, settings } = this.known.value;
    const found = table.paths.map((_, path) => this.#example(path));
    const contenders = found.flatMap((f) =>
      f ? [{ values: rowsOf(set, f.input), thresholds: settings[f.setting]!.thresholds }] : [],
    );
    const times = await this.engine.time(contenders, ROUNDS);
    let next = 0;
    this.pathMs.value = found.map((f) => (f ? times[next++] : undefined));
  }

  /** An input that takes a path at some setting, the knob's own first. */
  #example(path: number): { input: number; setting: number } | undefined {
    const { settings } = this.known.value;
    const tried = [this.at.value, ...settings.keys()];
    for (const setting of tried) {
      const { n, paths } = this.outcomeAt(setting);
      for (let i = 0; i < n; i++) if (paths[i] === path) return { input: i, setting };
    }
    return undefined;
  }

  /** MACs of leaving at each exit, for nets whose decisions are all exits. */
  exitMacs(): number[] {
    return Array.from({ length: this.card.decisions.length + 1 }, (_, e) => exitTrace(this.card, e).macs);
  }

  close(): void {
    this.engine.close();
  }
}
