import { access, constants, rm, statfs, writeFile } from 'node:fs/promises';
import { freemem } from 'node:os';
import { dirname, join } from 'node:path';
import { cacheFolder, type DatasetName, datasets, locateBccd, locateDataset } from '../../data/index.ts';
import { makeFolder } from '../../files.ts';
import { environment } from '../../runtime/index.ts';
import { table } from '../../table.ts';
import type { Outcome } from '../context.ts';
import { exitCode } from '../exit.ts';
import { bytes } from '../format.ts';

/** `note`: works, but worth knowing. */
type State = 'ok' | 'note' | 'problem';

interface Check {
  readonly name: string;
  readonly state: State;
  readonly found: string;
  /** What to do about it. */
  readonly fix?: string;
}

const oldestNode: readonly number[] = [20, 19];

/** Looks at everything that the library stands on. Exit code 1 where something does not work. */
export async function doctor(): Promise<Outcome> {
  const { default: pc } = await import('picocolors');
  const cache = cacheFolder();
  const checks = [
    node(),
    ...(await engine()),
    memory(),
    await writable(cache),
    ...(Object.keys(datasets) as DatasetName[]).map((name) => dataSet(name, locateDataset(name, cache), cache)),
    dataSet('bccd', locateBccd(cache), cache),
  ];
  const bad = checks.filter((c) => c.state === 'problem').length;
  const sign = { ok: pc.green('ok'), note: pc.yellow('note'), problem: pc.red('problem') };
  const rows = checks.map((c) => [sign[c.state], c.name, c.fix ? `${c.found}; ${c.fix}` : c.found]);
  return {
    json: { ok: bad === 0, cache, checks },
    text: [
      ...table(rows, { left: [0, 1, 2], indent: 0 }),
      '',
      bad === 0 ? 'Everything that is needed is here.' : `${bad} of ${checks.length} checks found a problem.`,
    ],
    code: bad === 0 ? exitCode.ok : exitCode.failed,
  };
}

function node(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = oldestNode;
  const enough = major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
  return {
    name: 'Node',
    state: enough ? 'ok' : 'problem',
    found: process.versions.node,
    ...(enough ? {} : { fix: `install Node ${oldestNode.join('.')} or newer` }),
  };
}

async function engine(): Promise<Check[]> {
  try {
    const e = await environment();
    const few = e.cores < 2;
    return [
      { name: 'ONNX Runtime', state: 'ok', found: `${e.engine} ${e.engineVersion} on ${e.platform}` },
      {
        name: 'providers',
        state: e.providers.includes('cpu') ? 'ok' : 'problem',
        found: e.providers.join(', ') || 'none',
        ...(e.providers.includes('cpu') ? {} : { fix: 'reinstall the packages with npm ci' }),
      },
      {
        name: 'cores',
        state: few ? 'note' : 'ok',
        found: `${e.cores} (${e.cpu})`,
        ...(few ? { fix: 'training will be slow on one core' } : {}),
      },
    ];
  } catch (error) {
    return [{ name: 'ONNX Runtime', state: 'problem', found: (error as Error).message }];
  }
}

function memory(): Check {
  const free = freemem();
  const low = free < 2 ** 30;
  return {
    name: 'free memory',
    state: low ? 'note' : 'ok',
    found: bytes(free),
    ...(low ? { fix: 'training an image net wants about 1 GiB: close something, or take a smaller batch' } : {}),
  };
}

async function writable(cache: string): Promise<Check> {
  const name = 'data cache';
  const probe = join(cache, `.dyna-doctor-${process.pid}`);
  const existed = await access(cache, constants.F_OK).then(
    () => true,
    () => false,
  );
  try {
    const made = await makeFolder(cache);
    await writeFile(probe, 'probe');
    await rm(probe);
    const { bavail, bsize } = await statfs(cache);
    if (!existed && made) await removeEmpty(made, cache);
    const room = bavail * bsize;
    const low = room < 2 ** 30;
    return {
      name,
      state: low ? 'note' : 'ok',
      found: `${cache} is writable, ${bytes(room)} free`,
      ...(low ? { fix: 'the largest data set wants about 400 MiB' } : {}),
    };
  } catch (error) {
    return {
      name,
      state: 'problem',
      found: `${cache} cannot be written (${(error as Error).message})`,
      fix: 'set DYNANEURAL_DATA to a folder that can',
    };
  }
}

/** A doctor leaves no traces: takes the folders away again that it made, from `cache` up to `first`. */
async function removeEmpty(first: string, cache: string): Promise<void> {
  const { rmdir } = await import('node:fs/promises');
  for (let at = cache; at.length >= first.length; at = dirname(at)) await rmdir(at);
}

const dataSet = (name: string, place: string | undefined, cache: string): Check =>
  place
    ? { name, state: 'ok', found: place }
    : { name, state: 'note', found: 'not here', fix: `it will be downloaded into ${cache} when it is first used` };
