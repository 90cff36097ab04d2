// npm run figures: writes docs/cli.md, what every command says of itself.
import { writeFileSync } from 'node:fs';
import { build } from '../src/cli/program.ts';

const WIDTH = 110;

/** docs/cli.md as the command line says it should be. */
export function cliPage(): string {
  const program = build({ code: 0, debug: false });
  const helpOf = (command: typeof program): string => {
    let text = '';
    command.configureOutput({
      getOutHelpWidth: () => WIDTH,
      getOutHasColors: () => false,
      writeOut: (part) => {
        text += part;
      },
    });
    command.outputHelp();
    return text.trim();
  };
  return [
    '# The command line',
    '',
    '<!-- Made by `npm run figures` from src/cli/program.ts; changes belong there. -->',
    '',
    'Progress and remarks go to stderr, results to stdout; `--json` makes them machine-readable. Exit codes: 0 all is well, 1 it failed,',
    '2 it was called wrongly, 130 it was interrupted (what was done is kept, the same command goes on).',
    '',
    '```',
    helpOf(program),
    '```',
    '',
    ...program.commands.flatMap((c) => [`## dyna ${c.name()}`, '', '```', helpOf(c), '```', '']),
  ].join('\n');
}

if (process.argv[1]?.endsWith('cli.ts')) writeFileSync(new URL('../docs/cli.md', import.meta.url), cliPage());
