import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { DynaError } from '../errors.ts';
import { streamLines } from './events.ts';
import { refusal } from './guard.ts';
import type { Site } from './site.ts';

export interface ServeOptions {
  /** Default: 4870, or any free one where that is taken. */
  readonly port?: number;
  /** Files whose lines are streamed at `data/runs/N/events`. */
  readonly follow?: readonly string[];
  /** Whether nothing more will be written to these files. */
  readonly ended?: () => boolean;
  /** What POST /stop does; the address then carries the token for it. */
  readonly onStop?: () => void;
}

/** A running studio. */
export interface Studio {
  /** Its address, with the token where the page may write. */
  readonly url: string;
  readonly port: number;
  /** What requests that change something must carry. */
  readonly token: string;
  /** Where `ended` holds, pages first get the last lines and the word that nothing more will come. */
  close(): Promise<void>;
}

const PORT = 4870;
/** So long may pages take to read the end. */
const GRACE_MS = 2000;

/** The page runs its own scripts and the engine, and talks to nobody else. */
const policy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "connect-src 'self' data: blob:",
  "img-src 'self' data: blob:",
  "media-src 'self' blob:",
  "style-src 'self' 'unsafe-inline'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Isolation from other origins gives the page shared memory, and with it the engine's threads. */
const headers = {
  'content-security-policy': policy,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-cache',
};

/**
 * Serves a studio to this machine: binds to 127.0.0.1, checks Host and Origin, and gives nothing but the site's files.
 *
 * @throws DynaError 'runtime' where no port can be had
 * @example const { url, close } = await serveStudio(new Map([...(await pageFiles()), ...dataFiles({ models })]))
 */
export async function serveStudio(site: Site, options: ServeOptions = {}): Promise<Studio> {
  const token = randomBytes(18).toString('base64url');
  const streams = new Set<Promise<void>>();
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    void respond(site, options, token, streams, request, response).catch((error: unknown) => {
      if (!response.headersSent) say(response, 500, (error as Error).message);
      else response.destroy();
    });
  };
  const server = createServer(answer);
  await listen(server, options.port);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/${options.onStop ? `?token=${token}` : ''}`,
    port,
    token,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      if (options.ended?.()) await Promise.race([Promise.all(streams), delay(GRACE_MS, undefined, { ref: false })]);
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listen(server: Server, wanted?: number): Promise<void> {
  const at = (port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
  try {
    await at(wanted ?? PORT).catch((cause: NodeJS.ErrnoException) => {
      if (wanted !== undefined || cause.code !== 'EADDRINUSE') throw cause;
      return at(0);
    });
  } catch (cause) {
    throw new DynaError('runtime', `no page can be served on port ${wanted ?? PORT}: ${(cause as Error).message}`, {
      fix: 'choose another with --port',
      cause,
    });
  }
}

function say(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}

async function respond(
  site: Site,
  { follow = [], ended = () => false, onStop }: ServeOptions,
  token: string,
  streams: Set<Promise<void>>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = 'GET', url = '/' } = request;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  const refused = refusal({ method, headers: request.headers }, request.socket.localPort ?? 0, token);
  if (refused) return say(response, refused.status, refused.why);
  const path = url.split('?')[0]!.slice(1) || 'index.html';
  if (method === 'POST') {
    if (path !== 'stop' || !onStop) return say(response, 404, 'there is nothing to do here');
    onStop();
    return say(response, 202, 'stopping after this step');
  }
  const events = /^data\/runs\/(\d+)\/events$/.exec(path);
  const followed = events ? follow[Number(events[1])] : undefined;
  if (followed !== undefined) {
    const from = Number(request.headers['last-event-id'] ?? 0);
    const stream = streamLines(followed, response, Number.isSafeInteger(from) ? from : 0, ended);
    streams.add(stream);
    await stream;
    streams.delete(stream);
    return;
  }
  const file = site.get(path);
  if (!file) return say(response, 404, 'there is no such file in this studio');
  const bytes = await file.read();
  response.writeHead(200, { 'content-type': file.type, 'content-length': bytes.length });
  response.end(method === 'HEAD' ? undefined : bytes);
}
