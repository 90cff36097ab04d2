import cliProgress from 'cli-progress';
import type { Progress } from '../progress.ts';
import { fieldText } from './progress.ts';

/** Bars on a terminal, by cli-progress; a finished bar stays as the record of what was done. */
export function bar(stream: NodeJS.WritableStream): Progress {
  let current: cliProgress.SingleBar | undefined;
  const stop = (): void => {
    current?.stop();
    current = undefined;
  };
  return {
    start(title, total) {
      stop();
      current = new cliProgress.SingleBar(
        {
          format: '{title} {bar} {percentage} %  {text}',
          barsize: 24,
          stream,
          linewrap: false,
          hideCursor: true,
          gracefulExit: false, // the command line has its own answer to Ctrl-C
        },
        cliProgress.Presets.shades_classic,
      );
      current.start(total, 0, { title, text: '' });
    },
    update(done, fields) {
      current?.update(done, fields ? { text: fieldText(fields) } : {});
    },
    stop,
  };
}
