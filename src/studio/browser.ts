import { spawn } from 'node:child_process';

const openers: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  darwin: ['open'],
  win32: ['cmd', '/c', 'start', ''],
};

/** Asks the system to show an address in the user's browser; where it cannot, or with BROWSER=none, nothing happens. */
export function openInBrowser(url: string): void {
  if (process.env.BROWSER === 'none') return;
  const [command, ...args] = openers[process.platform] ?? ['xdg-open'];
  spawn(command!, [...args, url], { stdio: 'ignore', detached: true })
    .on('error', () => undefined)
    .unref();
}
