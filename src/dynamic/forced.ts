import { DynaError } from '../errors.ts';
import { type Decision, neutral, ownThresholds } from './decision.ts';
import type { Thresholds } from './lower/choice.ts';

const NEVER = Number.POSITIVE_INFINITY;

/**
 * Thresholds under which every input takes the same way: the named option of each decision, the first one of those that are
 * not named. One file then serves as if it were that static net, without a reload of weights. Decisions about units, and those
 * between peers (experts) that are not named, stay as they were trained.
 *
 * @throws DynaError 'usage' for a decision or an option that there is not
 * @example run(bytes, forcedThresholds(decisionsOf(net), { width1: 'x0.5', depth: 'skip' }))
 */
export function forcedThresholds(
  decisions: readonly Decision[],
  choices: Readonly<Record<string, string>> = {},
): Thresholds {
  const selects = decisions.filter((d) => d.kind === 'select');
  const unknown = Object.keys(choices).find((name) => !selects.some((d) => d.name === name));
  if (unknown !== undefined)
    throw new DynaError('usage', `there is no decision "${unknown}" between options`, {
      fix: `decisions are ${selects.map((d) => d.name).join(', ') || 'none'}`,
    });
  const forced = selects.flatMap(({ name, options, rule, peers }): [string, number | readonly number[]][] => {
    if (peers && choices[name] === undefined) return [];
    const wanted = choices[name] ?? options[0]!.name;
    const taken = options.findIndex((o) => o.name === wanted);
    if (taken < 0)
      throw new DynaError('usage', `the decision "${name}" has no option "${wanted}"`, {
        fix: `options are ${options.map((o) => o.name).join(', ')}`,
      });
    const value =
      rule === 'threshold' ? (taken === 1 ? -NEVER : NEVER) : options.map((_, k) => (k === taken ? 0 : NEVER));
    return [[name, value]];
  });
  return { ...ownThresholds(decisions), ...Object.fromEntries(forced) };
}

/** Thresholds of the plain, full way: the first option of each decision (of peers the trained one), all units, all weights as they are. */
export const fullThresholds = (decisions: readonly Decision[]): Thresholds => ({
  ...forcedThresholds(decisions),
  ...Object.fromEntries(decisions.flatMap((d) => (d.kind === 'select' ? [] : [[d.name, neutral(d)]]))),
});
