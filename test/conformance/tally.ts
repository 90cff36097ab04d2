import { basename } from 'node:path';
import { loadCase } from './load.ts';
import { type Outcome, runCase } from './run.ts';
import type { Suite } from './suites.ts';

/** What became of the cases of one operator. */
export interface Tally {
  /** Names of cases, without "test_", separated by spaces. */
  passed: string;
  /** How many of them passed only with inputs stored in the file. */
  stored: number;
  readonly gradients: { inputs: number; elements: number; kinks: number; notFinite: number; refused: number };
  /** How many, by sentence. */
  readonly refused: Record<string, number>;
  readonly engine: Record<string, number>;
  /** By name. */
  readonly wrong: Record<string, string>;
}

export type Tallies = Record<string, Tally>;

const empty = (): Tally => ({
  passed: '',
  stored: 0,
  gradients: { inputs: 0, elements: 0, kinks: 0, notFinite: 0, refused: 0 },
  refused: {},
  engine: {},
  wrong: {},
});

/** A sentence without what differs from case to case: the node that it is about. */
const general = (why: string): string => why.replace(/^node ".*?" \([^)]*\): /, '').replace(/: node ".*?" \(/, ': (');

/** Tallies as they are stored: without what is empty. */
export type StoredTallies = Readonly<Record<string, Partial<Tally>>>;

const isEmpty = (v: unknown): boolean =>
  v === 0 || v === '' || (typeof v === 'object' && Object.values(v!).every((x) => x === 0));

export const stored = (tallies: Tallies): StoredTallies =>
  Object.fromEntries(
    Object.entries(tallies).map(([op, t]) => [
      op,
      Object.fromEntries(Object.entries(t).filter(([, v]) => !isEmpty(v))),
    ]),
  );

export const unstored = (tallies: StoredTallies): Tallies =>
  Object.fromEntries(Object.entries(tallies).map(([op, t]) => [op, { ...empty(), ...t }]));

function record(tally: Tally, name: string, outcome: Outcome): void {
  if (outcome.verdict === 'pass') {
    const { gradients: g } = outcome;
    tally.passed += tally.passed ? ` ${name}` : name;
    if (outcome.stored.length > 0) tally.stored++;
    tally.gradients.inputs += g.inputs;
    tally.gradients.elements += g.elements;
    tally.gradients.kinks += g.kinks;
    tally.gradients.notFinite += g.notFinite;
    tally.gradients.refused += g.refused.length;
  } else if (outcome.verdict === 'wrong') tally.wrong[name] = outcome.why;
  else {
    const list = tally[outcome.verdict];
    const why = general(outcome.why);
    list[why] = (list[why] ?? 0) + 1;
  }
}

/** Runs a suite; the cases that an expansion ("test_x_expanded") is named after come before it. */
export async function runSuite(suite: Suite, onCase: (done: number) => void = () => {}): Promise<Tallies> {
  const opOf = new Map<string, string>();
  const tallies: Tallies = {};
  const cases = suite.cases.toSorted((a, b) => basename(a).length - basename(b).length || (a < b ? -1 : 1));
  for (const [i, folder] of cases.entries()) {
    const c = loadCase(folder, opOf);
    if (!/_expanded/.test(c.name)) opOf.set(c.name, c.op);
    tallies[c.op] ??= empty();
    record(tallies[c.op]!, c.name.replace(/^test_/, ''), await runCase(c));
    onCase(i + 1);
  }
  return Object.fromEntries(Object.entries(tallies).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export const sum = (tallies: Tallies, of: (tally: Tally) => number): number =>
  Object.values(tallies).reduce((total, tally) => total + of(tally), 0);

export const countOf = (list: Readonly<Record<string, number>>): number =>
  Object.values(list).reduce((total, n) => total + n, 0);

/** The names of the cases that passed. */
export const passing = ({ passed }: Tally): string[] => passed.split(' ').filter(Boolean);
