import type { ServerResponse } from 'node:http';
import { Tail } from './tail.ts';

const LOOK_EVERY_MS = 250;
/** Proxies and browsers drop silent connections; a comment keeps them. */
const ALIVE_EVERY_MS = 15_000;

/**
 * Streams the lines of a file as server-sent events: all that are there, then each as it comes. An event's id is where
 * its line ends in the file, so that a page which connects again goes on where it was. The event "restart" says that the file
 * began anew, "end" that nothing more will come.
 *
 * @param from id of the last event that the page has seen
 * @param ended says whether the writer is done
 */
export function streamLines(path: string, response: ServerResponse, from: number, ended: () => boolean): void {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  response.write('retry: 1000\n\n');
  const tail = new Tail(path, from);
  let quiet = 0;
  let timer: NodeJS.Timeout | undefined;
  const look = async (): Promise<void> => {
    const last = ended();
    const { lines, restarted } = await tail.read();
    if (response.closed) return;
    let text = restarted ? 'event: restart\nid: 0\ndata:\n\n' : '';
    for (const line of lines) text += `id: ${line.end}\ndata: ${line.text}\n\n`;
    quiet = text ? 0 : quiet + LOOK_EVERY_MS;
    if (quiet >= ALIVE_EVERY_MS) {
      text = ':\n\n';
      quiet = 0;
    }
    if (text) response.write(text);
    if (last && lines.length === 0) response.end('event: end\ndata:\n\n');
    else timer = setTimeout(() => void look(), lines.length > 0 ? 0 : LOOK_EVERY_MS);
  };
  response.on('close', () => clearTimeout(timer));
  void look();
}
