import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type ModelCard, readCard } from '../../deploy/index.ts';
import { DynaError } from '../../errors.ts';
import {
  dataFiles,
  type Exhibits,
  type MetricsSource,
  namesOf,
  openInBrowser,
  pageFiles,
  QUIET_MS,
  readEnding,
  requireFormerBuild,
  type ServeOptions,
  type Studio,
  serveStudio,
  writeSite,
} from '../../studio/index.ts';
import type { CommonOptions, Context, Outcome } from '../context.ts';
import { bytes as byteCount } from '../format.ts';
import { exists, filesOf, isRunFolder, readRecord } from '../run-folder.ts';
import { naming, openSource, type Source, testData } from '../source.ts';

export interface StudioOptions extends CommonOptions {
  readonly data?: string;
  readonly limit?: number;
  readonly with?: readonly string[];
  readonly runs?: readonly string[];
  readonly build?: string;
  readonly port?: number;
  /** False with --no-open. */
  readonly open?: boolean;
}

interface Opened extends Source {
  readonly name: string;
  readonly card: ModelCard;
}

/** Shows models, the inputs that they run on, and trainings in a page: served on this machine, or written to a folder. */
export async function studio(model: string | undefined, options: StudioOptions, cx: Context): Promise<Outcome> {
  if (options.build !== undefined) await requireFormerBuild(options.build);
  const exhibits = await exhibitsOf(model, options, cx);
  return options.build === undefined ? serve(exhibits, options, cx) : build(exhibits, options.build);
}

async function exhibitsOf(model: string | undefined, options: StudioOptions, cx: Context): Promise<Exhibits> {
  const { data, limit, with: others = [], runs: more = [], build } = options;
  const named = [...(model === undefined ? [] : [model]), ...others];
  // A run that still trains has no model yet, but its metrics can be looked at.
  const paths: string[] = [];
  for (const path of named) if (!(await isTraining(path))) paths.push(path);
  const names = namesOf(paths.map((path) => resolve(path)));
  const models: Opened[] = [];
  for (const [i, path] of paths.entries()) models.push(await openModel(path, names[i]!));
  const [first] = models;
  const wanted = data !== undefined || first?.run !== undefined;
  if (data !== undefined && !first)
    throw new DynaError('usage', '--data is for the inputs of a model, got none', { fix: 'name a model first' });
  return {
    models,
    ...(first && wanted ? { inputs: await testData(data, first, first.card, cx, 'optional') } : {}),
    ...(limit === undefined ? {} : { limit }),
    runs: await runsOf([...named, ...more], more, build === undefined),
  };
}

const isTraining = async (path: string): Promise<boolean> =>
  (await isRunFolder(path)) && !(await exists(filesOf(path).trained));

async function openModel(path: string, name: string): Promise<Opened> {
  const source = await openSource(path);
  return { ...source, name, card: await naming(path, () => readCard(source.bytes)) };
}

/** @param asked those that must have metrics */
async function runsOf(paths: readonly string[], asked: readonly string[], live: boolean): Promise<MetricsSource[]> {
  const found: { path: string; source: Omit<MetricsSource, 'name'> }[] = [];
  for (const path of paths) {
    const source = await metricsOf(path, asked.includes(path), live);
    if (source) found.push({ path, source });
  }
  const names = namesOf(found.map(({ path }) => resolve(path)));
  return found.map(({ source }, i) => ({ name: names[i]!, ...source }));
}

/** The metrics file of a run folder, or one that is named itself. */
async function metricsOf(
  path: string,
  asked: boolean,
  live: boolean,
): Promise<Omit<MetricsSource, 'name'> | undefined> {
  if (path.endsWith('.jsonl') && (await exists(path))) {
    const finished = (await readEnding(path))?.how === 'finished';
    const written = await writtenAt(path);
    const still = !live || Date.now() - written! > QUIET_MS;
    return { path, finished, ...(still ? { still: written! } : {}) };
  }
  if (await isRunFolder(path)) {
    const metrics = (await readRecord(path)).training.metrics ?? filesOf(path).metrics;
    const written = await writtenAt(metrics);
    // One that is named by its run may be resumed at any time: it is followed even where it has long been quiet.
    const still = !live && written !== undefined ? { still: written } : {};
    if (asked || written !== undefined) return { path: metrics, finished: !(await isTraining(path)), ...still };
  }
  if (!asked) return undefined;
  throw new DynaError('file', `${path} is neither a run folder nor a metrics file (.jsonl)`);
}

/** When a file was last written; undefined where there is none. */
const writtenAt = (path: string): Promise<number | undefined> =>
  stat(path).then(
    (s) => Math.round(s.mtimeMs),
    () => undefined,
  );

async function build(exhibits: Exhibits, folder: string): Promise<Outcome> {
  // The manifest first: a build that broke off is still known as one.
  const site = new Map([...dataFiles(exhibits), ...(await pageFiles())]);
  const { files, bytes } = await writeSite(site, folder);
  return {
    json: { folder, files, bytes },
    text: [`Written to ${folder}: ${files} files, ${byteCount(bytes)}. Any web server can show it.`],
  };
}

async function serve(exhibits: Exhibits, { port, open = true }: StudioOptions, cx: Context): Promise<Outcome> {
  const stopped = cx.interruptible('Closing the studio.');
  const { url, close } = await startStudio(exhibits, port === undefined ? {} : { port });
  cx.note(`The studio is at ${url} (Ctrl-C closes it)`);
  if (open) openInBrowser(url);
  await new Promise<void>((resolve) => stopped.addEventListener('abort', () => resolve()));
  await close();
  return { json: { url }, text: [] };
}

/** Serves exhibits, with their trainings live. */
export async function startStudio(exhibits: Exhibits, options: ServeOptions = {}): Promise<Studio> {
  const stoppable = options.onStop !== undefined;
  const site = new Map([...(await pageFiles()), ...dataFiles({ ...exhibits, live: true, stoppable })]);
  return serveStudio(site, { ...options, follow: (exhibits.runs ?? []).map((r) => r.path) });
}
