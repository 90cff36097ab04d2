import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The test cases of one release of ONNX, as folders. */
export interface Suite {
  /** "onnx 1.17.0". */
  readonly name: string;
  /** Folders with a `model.onnx` and `test_data_set_0`. */
  readonly cases: readonly string[];
}

export interface Found {
  readonly suites: readonly Suite[];
  /** Where nothing was found: why. */
  readonly missing?: string;
  /** Removes what was generated. */
  readonly clean: () => void;
}

const kinds = ['node', 'simple', 'pytorch-operator', 'pytorch-converted'];
const generator = fileURLToPath(new URL('generate.py', import.meta.url));

/** All cases below a folder `data` of an `onnx` package. */
function casesIn(data: string): string[] {
  return kinds
    .map((kind) => join(data, kind))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((folder) => existsSync(join(folder, 'model.onnx')))
    .sort();
}

/** The release that a folder `onnx/backend/test/data` belongs to; else the folder's own name. */
function releaseOf(data: string): string {
  try {
    const text = readFileSync(join(data, '../../../version.py'), 'utf8');
    return `onnx ${/version\s*=\s*['"]([^'"]+)/.exec(text)![1]}`;
  } catch {
    return basename(data) === 'data' ? basename(dirname(data)) : basename(data);
  }
}

/**
 * The ONNX project's own backend tests: in the folders that DYNANEURAL_ONNX_DATA lists (separated by ":"), and in the
 * `onnx` package of $DYNANEURAL_PYTHON or python3, which makes them where its release has no files.
 */
export function findSuites(env: NodeJS.ProcessEnv = process.env): Found {
  const given = (env.DYNANEURAL_ONNX_DATA ?? '').split(':').filter(Boolean);
  const suites: Suite[] = given.map((data) => ({ name: releaseOf(data), cases: casesIn(data) }));
  const python = env.DYNANEURAL_PYTHON ?? 'python3';
  const folders: string[] = [];
  const clean = () => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  };
  let missing: string | undefined;
  try {
    const run = (...args: string[]) =>
      execFileSync(python, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 120_000 });
    const script = 'import onnx, os; print(onnx.__version__); print(os.path.dirname(onnx.__file__))';
    const [version, home] = run('-c', script).trim().split('\n') as [string, string];
    const data = join(home, 'backend/test/data');
    const cases = casesIn(data);
    if (!existsSync(join(data, 'node'))) {
      const folder = mkdtempSync(join(tmpdir(), 'dynaneural-onnx-'));
      folders.push(folder);
      run(generator, folder);
      cases.push(...casesIn(folder));
    }
    if (!suites.some((s) => s.name === `onnx ${version}`)) suites.push({ name: `onnx ${version}`, cases });
  } catch {
    missing = `${python} has no package "onnx"`;
  }
  const used = suites.filter((s) => s.cases.length > 0);
  return used.length > 0 ? { suites: used, clean } : { suites: [], missing: missing ?? 'no cases found', clean };
}
