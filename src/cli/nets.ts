import { access } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Net } from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import { Tensor } from '../graph/index.ts';

/** What a recipe is told about the data that it shall learn. */
export interface NetInfo {
  /** Shape of one input, channels first. */
  readonly input: readonly number[];
  readonly classes: number;
}

/** A net as a command line names it. */
export interface NetSource {
  readonly kind: 'recipe' | 'module';
  /** Name of a built-in recipe, or the absolute path of a module. */
  readonly id: string;
  /** The input shape that it insists on, where its module exports a finished net. */
  readonly input?: readonly number[];
  build(info: NetInfo): Net;
}

type Builder = (info: NetInfo) => unknown;

/** Runs a module's function; what it throws by itself is told as the module's fault. */
function called(path: string, builder: Builder, info: NetInfo): unknown {
  try {
    return builder(info);
  } catch (cause) {
    if (cause instanceof DynaError) throw cause;
    throw new DynaError('model', `the net module ${path} failed: ${(cause as Error)?.message ?? cause}`, { cause });
  }
}

const extensions = ['.js', '.mjs', '.ts', '.mts'];
const isPath = (name: string): boolean => extensions.includes(extname(name)) || /[\\/]/.test(name);

/**
 * Finds a net by the name of a built-in recipe, or in an ES module whose default export is a net or a function
 * `({ input, classes }) => net`. The module is run: it is code that you trust.
 *
 * @throws DynaError 'usage' for an unknown recipe, 'file' for a missing module, 'model' for one that exports no net
 * @example const made = (await openNet('nets/small.mjs')).build({ input: [1, 28, 28], classes: 10 })
 */
export async function openNet(name: string): Promise<NetSource> {
  return isPath(name) ? fromModule(name) : fromZoo(name);
}

async function fromZoo(name: string): Promise<NetSource> {
  const { zoo } = await import('../zoo/index.ts');
  const recipe = Object.hasOwn(zoo, name) ? zoo[name] : undefined;
  if (!recipe)
    throw new DynaError('usage', `there is no built-in net "${name}": there are ${Object.keys(zoo).join(', ')}`, {
      fix: 'name one of them, or the path of a module (.js, .mjs) that exports a net',
    });
  return { kind: 'recipe', id: name, build: (info) => recipe(info) };
}

async function fromModule(name: string): Promise<NetSource> {
  const path = resolve(name);
  await access(path).catch((cause: unknown) => {
    throw new DynaError('file', `there is no net module at ${path}`, { cause });
  });
  const loaded = await load(path);
  if (isNet(loaded)) return { kind: 'module', id: path, input: loaded.spec.input, build: () => loaded };
  if (typeof loaded === 'function')
    return { kind: 'module', id: path, build: (info) => checked(path, called(path, loaded as Builder, info)) };
  return { kind: 'module', id: path, build: () => checked(path, loaded) };
}

async function load(path: string): Promise<unknown> {
  try {
    return ((await import(pathToFileURL(path).href)) as { default?: unknown }).default;
  } catch (cause) {
    if (cause instanceof DynaError) throw cause;
    const typescript = extname(path).endsWith('ts') ? 'compile it to JavaScript first, or run a newer Node' : undefined;
    throw new DynaError('model', `the net module ${path} could not be loaded (${(cause as Error).message})`, {
      fix: typescript ?? 'run it with node to see where it fails',
      cause,
    });
  }
}

const looksLikeNet = (value: unknown): value is Net =>
  typeof value === 'object' && value !== null && 'spec' in value && 'input' in value && 'output' in value;

const isNet = (value: unknown): value is Net => looksLikeNet(value) && value.output instanceof Tensor;

function checked(path: string, value: unknown): Net {
  if (isNet(value)) return value;
  if (looksLikeNet(value))
    throw new DynaError('model', `the net of ${path} was made by another copy of dynaneural than this command`, {
      fix: 'run the dyna that is installed beside it: npx dyna',
    });
  throw new DynaError(
    'model',
    `${path} should export a net, or a function ({ input, classes }) => net, as its default; it exports ${value === null ? 'null' : typeof value}`,
  );
}
