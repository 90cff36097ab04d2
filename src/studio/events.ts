import type { ServerResponse } from 'node:http';
import { finished } from 'node:stream/promises';
import { Tail } from './tail.ts';

const LOOK_EVERY_MS = 250;
/** Proxies and browsers drop silent connections; a comment keeps them. */
const ALIVE_EVERY_MS = 15_000;
/** A file that was not written to for so long may belong to a process that is gone. */
export const QUIET_MS = 60_000;

/**
 * Streams the lines of a file as server-sent events: all that are there, then each as it comes. An event's id is where
 * its line ends in the file, so that a page which connects again goes on where it was. The event "restart" says that the file
 * began anew, "quiet" since when (milliseconds since 1970) nothing came, "end" that nothing more will come.
 *
 * @param from id of the last event that the page has seen
 * @param ended says whether the writer is done
 * @returns settles when the reader has all, or has gone
 */
export function streamLines(path: string, response: ServerResponse, from: number, ended: () => boolean): Promise<void> {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  response.write('retry: 1000\n\n');
  const tail = new Tail(path, from);
  let silent = 0;
  let quiet = false;
  let timer: NodeJS.Timeout | undefined;
  const look = async (): Promise<void> => {
    const last = ended();
    const { lines, restarted, written = Number.POSITIVE_INFINITY } = await tail.read();
    if (response.closed) return;
    let text = restarted ? 'event: restart\nid: 0\ndata:\n\n' : '';
    for (const line of lines) text += `id: ${line.end}\ndata: ${line.text}\n\n`;
    const wasQuiet = quiet;
    quiet = lines.length === 0 && Date.now() - written > QUIET_MS;
    if (quiet && !wasQuiet) text += `event: quiet\ndata: ${Math.round(written)}\n\n`;
    silent = text ? 0 : silent + LOOK_EVERY_MS;
    if (silent >= ALIVE_EVERY_MS) {
      text = ':\n\n';
      silent = 0;
    }
    if (text) response.write(text);
    if (last && lines.length === 0) response.end('event: end\ndata:\n\n');
    else timer = setTimeout(() => void look(), lines.length > 0 ? 0 : LOOK_EVERY_MS);
  };
  response.on('close', () => clearTimeout(timer));
  void look();
  return finished(response).catch(() => undefined);
}
