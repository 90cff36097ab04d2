import { CommanderError } from 'commander';
import { DynaError } from '../errors.ts';

/** What the shell gets. */
export const exitCode = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** The user stopped the command; everything worth keeping is on disk. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

export interface Report {
  readonly code: number;
  /** One sentence for stderr; nothing where there is nothing left to say. */
  readonly message?: string;
}

/**
 * Turns whatever was thrown into an exit code and one sentence.
 *
 * @param commands those that there are
 * @param command the one that was called
 * @example const { code, message } = report(error, ['train', 'run'], 'run')
 */
export function report(error: unknown, commands: readonly string[] = [], command = ''): Report {
  if (error instanceof Interrupted) return { code: exitCode.interrupted, message: error.message };
  if (error instanceof CommanderError) return usage(error, commands, command);
  if (error instanceof DynaError)
    return { code: error.code === 'usage' ? exitCode.usage : exitCode.failed, message: oneLine(error.message) };
  const told = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return {
    code: exitCode.failed,
    message: `something unexpected happened (${oneLine(told)}); run it again with --debug to see where`,
  };
}

function usage(error: CommanderError, commands: readonly string[], command: string): Report {
  if (error.exitCode === 0) return { code: exitCode.ok };
  if (error.code === 'commander.help') return { code: exitCode.usage };
  const message = oneLine(error.message.replace(/^error: /, ''));
  const known = error.code === 'commander.unknownCommand' ? `; expected one of ${commands.join(', ')}` : '';
  const help = commands.includes(command) ? `dyna ${command} --help` : 'dyna --help';
  return { code: exitCode.usage, message: `${message}${known}; see ${help}` };
}

const oneLine = (text: string): string => text.trim().replace(/\s*\n\s*/g, ' ');
