import { signal } from '@preact/signals';
import { numbered } from '../../../src/studio/names.ts';
import type { Manifest } from '../../../src/studio/pack.ts';
import { type Chosen, fetchInputs, type InputSet, type OwnInput } from '../inputs/set.ts';
import { addRun } from '../training/runs.ts';
import { Session } from './session.ts';

export type ViewName = 'explore' | 'compare' | 'why' | 'training';

export const manifest = signal<Manifest | undefined>(undefined);
export const view = signal<ViewName>('explore');
/** One sentence about what went wrong last. */
export const problem = signal('');
/** What is being loaded, and how much of it is here. */
export const loading = signal<{ readonly what: string; readonly share: number } | undefined>({
  what: 'studio',
  share: 0,
});
export const sessions = signal<readonly Session[]>([]);
/** The model that the page is about. */
export const current = signal<Session | undefined>(undefined);
/** The one beside it in "Compare". */
export const other = signal<Session | undefined>(undefined);
export const set = signal<InputSet | undefined>(undefined);
export const own = signal<readonly OwnInput[]>([]);
export const chosen = signal<Chosen | undefined>(undefined);

/** Runs something that may fail; what it says then is shown. */
export async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    problem.value = (error as Error).message;
    return undefined;
  }
}

async function fetchFile(file: string): Promise<Uint8Array> {
  const response = await fetch(`data/${file}`).catch(() => undefined);
  if (!response?.ok) throw new Error(`data/${file} could not be read: is the studio still running?`);
  const total = Number(response.headers.get('content-length') ?? 0);
  if (!response.body || total < 1 << 20) return new Uint8Array(await response.arrayBuffer());
  const parts: Uint8Array[] = [];
  let received = 0;
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    received += part.value.length;
    loading.value = { what: file, share: Math.min(1, received / total) };
  }
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

const fits = (session: Session, inputs: InputSet): boolean =>
  session.card.preprocessing.shape.join() === inputs.shape.join();

/** Opens a model beside those that are open, under a name of its own. */
async function addModel(name: string, bytes: Uint8Array): Promise<Session> {
  const session = await Session.open(
    numbered(
      name,
      sessions.value.map((s) => s.name),
    ),
    bytes,
  );
  sessions.value = [...sessions.value, session];
  return session;
}

/** Opens a model and makes it the page's, or the one that the page's is compared with. */
export async function openModel(
  name: string,
  bytes: Uint8Array,
  as: 'current' | 'other' = 'current',
): Promise<Session> {
  const session = await addModel(name, bytes);
  (as === 'current' ? current : other).value = session;
  if (as === 'current') document.title = `${session.name} - Studio`;
  const inputs = set.value;
  if (as === 'current') {
    const keeps = chosen.value?.kind === 'set' && inputs && fits(session, inputs);
    if (!keeps) chosen.value = inputs && fits(session, inputs) ? { kind: 'set', index: 0 } : undefined;
    own.value = [];
  }
  if (inputs && fits(session, inputs)) void session.watch(inputs);
  return session;
}

/** Whether the set can be run through a model. */
export const hasSet = (session: Session | undefined): session is Session =>
  session !== undefined && set.value !== undefined && fits(session, set.value);

/** Loads what the studio was started with. */
export async function start(): Promise<void> {
  const file = await attempt(() => fetchFile('studio.json'));
  if (!file) {
    loading.value = undefined;
    return;
  }
  const found = JSON.parse(new TextDecoder().decode(file)) as Manifest;
  manifest.value = found;
  for (const run of found.runs) addRun(run);
  if (found.models.length === 0 && found.runs.length > 0) view.value = 'training';
  if (found.inputs) {
    const packed = found.inputs;
    set.value = await attempt(() => fetchInputs(packed, fetchFile));
  }
  const [first, second] = found.models;
  if (first) {
    loading.value = { what: first.name, share: 0 };
    await attempt(async () => openModel(first.name, await fetchFile(first.file)));
  }
  loading.value = undefined;
  if (second) await attempt(async () => openModel(second.name, await fetchFile(second.file), 'other'));
  for (const more of found.models.slice(2)) await attempt(async () => addModel(more.name, await fetchFile(more.file)));
}
