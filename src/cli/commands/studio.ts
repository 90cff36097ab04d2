import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { type ModelCard, readCard } from '../../deploy/index.ts';
import { DynaError } from '../../errors.ts';
import {
  dataFiles,
  type Exhibits,
  type MetricsSource,
  openInBrowser,
  pageFiles,
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
  const exhibits = await exhibitsOf(model, options, cx);
  return options.build === undefined ? serve(exhibits, options, cx) : build(exhibits, options.build);
}

async function exhibitsOf(model: string | undefined, options: StudioOptions, cx: Context): Promise<Exhibits> {
  const { data, limit, with: others = [], runs: more = [] } = options;
  const named = [...(model === undefined ? [] : [model]), ...others];
  const runs = [...named, ...more];
  const models: Opened[] = [];
  // A run that still trains has no model yet, but its metrics can be looked at.
  for (const path of named) if (!(await isTraining(path))) models.push(await openModel(path));
  const [first] = models;
  const wanted = data !== undefined || first?.run !== undefined;
  if (data !== undefined && !first)
    throw new DynaError('usage', '--data is for the inputs of a model, got none', { fix: 'name a model first' });
  return {
    models,
    ...(first && wanted ? { inputs: await testData(data, first, first.card, cx, 'optional') } : {}),
    ...(limit === undefined ? {} : { limit }),
    runs: (await Promise.all(runs.map((path) => metricsOf(path, more.includes(path))))).flat(),
  };
}

const isTraining = async (path: string): Promise<boolean> =>
  (await isRunFolder(path)) && !(await exists(filesOf(path).trained));

async function openModel(path: string): Promise<Opened> {
  const source = await openSource(path);
  return { ...source, name: basename(path), card: await naming(path, () => readCard(source.bytes)) };
}

/** The metrics file of a run folder, or one that is named itself. */
async function metricsOf(path: string, asked: boolean): Promise<MetricsSource[]> {
  if (path.endsWith('.jsonl') && (await exists(path)))
    return [{ name: basename(path), path, finished: await isQuiet(path) }];
  if (await isRunFolder(path)) {
    const metrics = (await readRecord(path)).training.metrics ?? filesOf(path).metrics;
    if (asked || (await exists(metrics)))
      return [{ name: basename(path), path: metrics, finished: !(await isTraining(path)) }];
  }
  if (!asked) return [];
  throw new DynaError('file', `${path} is neither a run folder nor a metrics file (.jsonl)`);
}

const QUIET_MS = 60_000;

/** Whether a file has not been written to for a minute. */
const isQuiet = async (path: string): Promise<boolean> => Date.now() - (await stat(path)).mtimeMs > QUIET_MS;

async function build(exhibits: Exhibits, folder: string): Promise<Outcome> {
  const site = new Map([...(await pageFiles()), ...dataFiles(exhibits)]);
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
