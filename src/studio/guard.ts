import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** Why a request is not answered: the status, and a sentence. */
export interface Refusal {
  readonly status: number;
  readonly why: string;
}

export interface Request {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
}

const names = ['127.0.0.1', 'localhost'];

/** Whether `Host` names this server itself: a foreign name that resolves to this machine (DNS rebinding) does not. */
const ownHost = (host: string | undefined, port: number): boolean => names.some((name) => host === `${name}:${port}`);

const ownOrigin = (origin: string, port: number): boolean => names.some((name) => origin === `http://${name}:${port}`);

/**
 * Who may ask: programs of this machine that name this server by its own address, and pages that came from it.
 *
 * @param port that the server listens on
 * @param token what must be given in the header "x-studio-token" by requests that change something
 * @returns undefined for a request that may be answered
 */
export function refusal({ method, headers }: Request, port: number, token: string): Refusal | undefined {
  if (!ownHost(headers.host, port)) return { status: 421, why: `this server answers as 127.0.0.1:${port} only` };
  const { origin } = headers;
  if (origin !== undefined && !ownOrigin(origin, port)) return { status: 403, why: 'another page may not ask here' };
  const site = headers['sec-fetch-site'];
  const foreign = site === 'cross-site' || site === 'same-site';
  if (foreign && headers['sec-fetch-mode'] !== 'navigate') return { status: 403, why: 'another page may not ask here' };
  if (method === 'GET' || method === 'HEAD') return undefined;
  if (method !== 'POST') return { status: 405, why: `${method} is not answered here` };
  if (!sameText(headers['x-studio-token'], token)) return { status: 403, why: 'the token is missing or wrong' };
  return undefined;
}

function sameText(given: string | string[] | undefined, wanted: string): boolean {
  const [a, b] = [Buffer.from(String(given)), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}
