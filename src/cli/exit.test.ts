import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { DynaError } from '../errors.ts';
import { fromJson, toJson } from './context.ts';
import { Interrupted, report } from './exit.ts';

describe('exit codes', () => {
  it('0, 1, 2 and 130, each with one line', () => {
    expect(report(new DynaError('usage', 'expected a, got b'))).toEqual({ code: 2, message: 'expected a, got b' });
    expect(report(new DynaError('file', 'two\n  lines', { fix: 'join them' }))).toEqual({
      code: 1,
      message: 'two lines; join them',
    });
    expect(report(new Interrupted('stopped')).code).toBe(130);
    expect(report(new CommanderError(0, 'commander.helpDisplayed', '(outputHelp)'))).toEqual({ code: 0 });
  });

  it('what nobody foresaw is told with its kind, and how to see more', () => {
    for (const thrown of [new TypeError('x is not a function'), 'a string', undefined]) {
      const { code, message } = report(thrown);
      expect(code).toBe(1);
      expect(message).toContain(thrown instanceof Error ? 'TypeError: x is not a function' : String(thrown));
      expect(message).toContain('--debug');
    }
  });
});

it('JSON keeps infinities, and turns what JSON does not have into what is nearest', () => {
  const value = {
    never: Infinity,
    always: -Infinity,
    none: Number.NaN,
    list: Float32Array.of(1, 2),
    map: new Map([['a', 1]]),
  };
  expect(fromJson(toJson(value))).toEqual({
    never: Infinity,
    always: -Infinity,
    none: null,
    list: [1, 2],
    map: { a: 1 },
  });
});
