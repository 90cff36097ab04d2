import { cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dyna, type Ended, install, start, writeNet, writePhotos } from './fixtures/dyna.ts';

let home: string;
/** One small run that all tests share; those that change a run copy it. */
let run: string;
const at = (...parts: string[]): string => join(home, ...parts);
const here = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> => dyna(args, { cwd: home, env });

const plain = fileURLToPath(new URL('../runtime/fixtures/affine.onnx', import.meta.url));
const withBranch = fileURLToPath(new URL('../runtime/fixtures/branch.onnx', import.meta.url));

/** A failure as users meet it: this code, one line on stderr that holds all of `words`, nothing on stdout. */
function expectRefusal({ code, stdout, stderr }: Ended, wanted: number, ...words: string[]): void {
  const told = stderr.split('\n').filter((line) => line.startsWith('dyna: '));
  expect(told, stderr).toHaveLength(1);
  for (const word of words) expect(told[0]).toContain(word);
  expect(stderr).not.toMatch(/^\s+at /m);
  expect({ code, stdout }).toEqual({ code: wanted, stdout: '' });
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dyna-cli-'));
  run = at('run');
  await Promise.all([install(home), writePhotos(at('photos'), 80), writeNet(at('small.mjs'))]);
  const args = ['train', 'small.mjs', '--data', 'photos', '--epochs', '3', '--batch', '16', '--out', 'run', '--json'];
  const trained = await here(args);
  // Nothing but the planner's word that so small a net gains nothing from its exits.
  expect(trained.stderr).toMatch(/^(note: small: exit "[^"]+" guards [^\n]+\n)+$/);
  expect(trained.code).toBe(0);
  const { validation, split } = JSON.parse(trained.stdout) as { validation: { final: number }; split: object };
  expect(validation.final).toBeGreaterThan(0.8);
  expect(split).toMatchObject({ seed: 1, tune: 48, certify: 48, test: 48 });
  const certified = await here(['certify', 'run', '--harm', '20%']);
  expect(certified.stderr).toContain('certify: 48/48 (100 %)');
  expect(certified.code).toBe(0);
  expect(certified.stdout).toContain('With 90 % confidence, at most 20 % of inputs get a wrong answer');
});
afterAll(() => rm(home, { recursive: true, force: true }));

describe('help', () => {
  it('every command has one, with an example', async () => {
    const { code, stdout } = await here(['--help']);
    expect(code).toBe(0);
    const commands = ['demo', 'train', 'eval', 'certify', 'export', 'adapt', 'run', 'info', 'bench', 'doctor'];
    for (const name of commands) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    const helps = await Promise.all(commands.map((name) => here([name, '--help'])));
    for (const [i, help] of helps.entries()) {
      expect(help.code).toBe(0);
      expect(help.stderr).toBe('');
      expect(help.stdout).toContain(`Usage: dyna ${commands[i]}`);
      expect(help.stdout).toMatch(new RegExp(`Example:\\n  \\$ dyna ${commands[i]}`));
      expect(help.stdout).toContain('--debug');
    }
  });

  it('loads neither the engine nor the image library, which doctor does', async () => {
    const tell = 'process.on("exit",()=>process.stderr.write(process.report.getReport().sharedObjects.join("\\n")))';
    const preload = [`data:text/javascript,${encodeURIComponent(tell)}`];
    const [help, doctor] = await Promise.all([dyna(['--help'], { preload }), dyna(['doctor'], { preload })]);
    expect(help.stderr).toContain('libc');
    expect(help.stderr).not.toMatch(/onnxruntime|sharp|vips/);
    expect(doctor.stderr).toMatch(/onnxruntime/);
  });

  it('tells its version', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await here(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` });
  });
});

describe('usage errors: exit code 2', () => {
  it.concurrent.each<[string, string[], string[]]>([
    ['an unknown command', ['trian'], ["unknown command 'trian'", 'expected one of demo, train, eval', 'dyna --help']],
    ['an unknown flag', ['train', '--epoch', '3'], ["unknown option '--epoch'", 'dyna train --help']],
    ['a missing argument', ['info'], ["missing required argument 'model'", 'dyna info --help']],
    ['a missing option', ['export', 'run'], ['--out', 'not specified']],
    ['a missing net', ['train', '--data', 'mnist'], ['expects a net, got none']],
    ['a missing data set', ['train', 'small.mjs'], ['expects --data, got none']],
    ['an unknown net', ['train', 'resnat', '--data', 'photos'], ['no built-in net "resnat"', 'multi-exit']],
    [
      'an unknown data set',
      ['train', 'small.mjs', '--data', 'imagenet'],
      ['mnist, fashion-mnist, cifar10 or a folder', 'imagenet'],
    ],
    ['a wrong risk', ['certify', 'run', '--harm', '2'], ['--harm expects a share', 'got "2"']],
    ['two risks', ['certify', 'run', '--harm', '1%', '--loss', '1%'], ['one risk', '--harm and --loss']],
    ['a wrong budget', ['run', 'run/model.onnx', 'x.png', '--budget', '0'], ['--budget expects', 'got "0"']],
    [
      'a budget below the cheapest path',
      ['run', 'run/model.onnx', 'photos/up/1.png', '--budget', '1%'],
      ['below the cheapest path', '%'],
    ],
    [
      'a cap below the cheapest path',
      ['run', 'run/model.onnx', 'photos/up/1.png', '--max-macs', '10'],
      ['maxMacs of 10', 'cheapest path'],
    ],
    ['a file without its data', ['eval', 'run/model.onnx'], ['--data']],
    ['--resume without a folder', ['train', '--resume'], ['--out']],
    [
      'a second run in one folder',
      ['train', 'small.mjs', '--data', 'photos', '--out', 'run'],
      ['already holds a run', '--resume'],
    ],
    [
      'a size for official data',
      ['train', 'multi-exit', '--data', 'mnist', '--size', '9', '--out', 'n'],
      ['--size', 'mnist'],
    ],
    [
      'a test part of official data',
      ['train', 'multi-exit', '--data', 'mnist', '--test', '9', '--out', 'n'],
      ['its own'],
    ],
    ['another size on --resume', ['train', '--out', 'run', '--resume', '--size', '32'], ['--size 12x12, got 32x32']],
    ['clipping on --resume', ['train', '--out', 'run', '--resume', '--clip', '1'], ['--clip left out, got 1']],
    ['another setting on --resume', ['train', '--out', 'run', '--resume', '--epochs', '9'], ['--epochs 3, got 9']],
  ])('%s', async (_, args, words) => {
    expectRefusal(await here(args), 2, ...words);
  });
});

describe('failures: exit code 1', () => {
  it.concurrent.each<[string, string[], string[]]>([
    ['a missing model', ['info', 'none.onnx'], ['none.onnx', 'no such file']],
    ['a file that is no ONNX', ['info', 'small.mjs'], ['small.mjs', 'ONNX']],
    ['a folder without a run', ['certify', 'photos'], ['photos holds no training run', 'dyna train']],
    ['a model of somebody else', ['run', plain, 'photos/up/1.png'], ['no DynaNeural metadata']],
    ['a missing image', ['run', 'run/model.onnx', 'photos/up/1.png', 'none.png'], ['no image file at none.png']],
    ['a file that is no image', ['run', 'run/model.onnx', 'small.mjs'], ['small.mjs', 'could not be decoded']],
    ['a missing net module', ['train', 'none.mjs', '--data', 'photos'], ['no net module', 'none.mjs']],
    ['too few inputs for a certificate', ['certify', 'run', '--harm', '0.5%'], ['at least 460', 'got 48']],
    ['a place that cannot be written', ['export', 'run', '--out', 'none/at/all.onnx'], ['none/at/all.onnx', 'no such']],
  ])('%s', async (_, args, words) => {
    expectRefusal(await here(args), 1, ...words);
  });

  it('a data set that is nowhere to be had tells what to put where', async () => {
    const offline = `import timers from 'node:timers/promises'; import { syncBuiltinESMExports } from 'node:module';
      globalThis.fetch = () => Promise.reject(new TypeError('fetch failed'));
      timers.setTimeout = async () => {}; syncBuiltinESMExports();`; // no pauses between the tries
    const ended = await dyna(['train', 'multi-exit', '--data', 'cifar10', '--out', 'far'], {
      cwd: home,
      env: { DYNANEURAL_DATA: at('cache'), XDG_DATA_DIRS: '/nonexistent' },
      preload: [`data:text/javascript,${encodeURIComponent(offline)}`],
    });
    expect(ended.stderr).toContain('cifar10 is not on this machine and will be downloaded');
    expectRefusal(ended, 1, 'CIFAR-10 is not on this machine', 'cifar-10-binary.tar.gz', at('cache'));
  });

  it('a module that exports no net, and one that throws', async () => {
    await writeFile(at('number.mjs'), 'export default 7');
    await writeFile(at('throws.mjs'), 'throw new Error("not today")');
    const both = await Promise.all(
      ['number.mjs', 'throws.mjs'].map((net) => here(['train', net, '--data', 'photos', '--out', 'never'])),
    );
    expectRefusal(both[0]!, 1, 'should export a net', 'it exports number');
    expectRefusal(both[1]!, 1, 'could not be loaded (not today)');
  });

  it('shows where an error comes from with --debug only', async () => {
    const { code, stderr } = await here(['info', 'none.onnx', '--debug']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^\s+at /m);
    expect(stderr).toContain('caused by: Error: ENOENT');
  });

  it('a truncated model, and one whose certificate does not fit', async () => {
    const whole = await readFile(at('run', 'model.onnx'));
    await writeFile(at('half.onnx'), whole.subarray(0, whole.length / 2));
    const altered = Buffer.from(whole);
    const at1 = altered.indexOf('classify1/weight');
    const raw = altered.indexOf(Buffer.from([0x4a]), at1); // raw_data of a tensor
    altered[raw + 6]! ^= 1;
    await writeFile(at('altered.onnx'), altered);
    const [half, changed] = await Promise.all(
      ['half.onnx', 'altered.onnx'].map((file) => here(['run', file, 'photos/up/1.png'])),
    );
    expectRefusal(half!, 1, 'half.onnx', 'ONNX');
    expectRefusal(changed!, 1, 'altered.onnx', 'certificate does not fit');
  });
});

describe('a run folder', () => {
  it('evaluates each operating point on the part that was held back for the test', async () => {
    const { code, stdout } = await here(['eval', 'run', '--json']);
    expect(code).toBe(0);
    const { n, full, points } = JSON.parse(stdout) as {
      n: number;
      full: { accuracy: number; macs: number };
      points: {
        accuracy: number;
        macShare: number;
        harm: number;
        chosen: boolean;
        certified: boolean;
        exits: Record<string, number>;
      }[];
    };
    expect(n).toBe(48);
    expect(full.accuracy).toBeGreaterThan(0.8);
    expect(points.length).toBeGreaterThan(2);
    expect(points.filter((p) => p.chosen)).toHaveLength(1);
    expect(points[0]).toMatchObject({ accuracy: full.accuracy, macShare: 1, harm: 0, exits: { exit1: 0, final: 1 } });
    for (const p of points) {
      expect(p.exits.exit1! + p.exits.final!).toBeCloseTo(1, 9);
      expect(p.macShare < 1).toBe(p.exits.exit1! > 0);
      expect(p.accuracy).toBeGreaterThanOrEqual(full.accuracy - p.harm - 1e-9);
    }
  });

  it('exports both forms, which give the same answers', async () => {
    const forms = ['rows', 'branch'];
    const made = await Promise.all(
      forms.map((form) => here(['export', 'run', '--out', `${form}.onnx`, '--form', form])),
    );
    for (const m of made) expect(m).toMatchObject({ code: 0, stderr: '' });
    const images = [0, 1, 2, 3].flatMap((i) => [`photos/up/${i}.png`, `photos/down/${i}.png`]);
    const ran = await Promise.all(forms.map((form) => here(['run', `${form}.onnx`, ...images, '--json'])));
    const [rows, branch] = ran.map(
      (r) => (JSON.parse(r.stdout) as { results: { class: string; exit: string; macs: number }[] }).results,
    );
    expect(rows).toHaveLength(8);
    const facts = (r: typeof rows) => r!.map((x) => [x.class, x.exit, x.macs]);
    expect(facts(rows)).toEqual(facts(branch));
    expect(rows!.filter((r, i) => r.class === (i % 2 ? 'down' : 'up')).length).toBeGreaterThanOrEqual(5);
  });

  it('keeps the full model where nothing faster can be certified, which is no failure', async () => {
    const net = await readFile(at('small.mjs'), 'utf8');
    const blind = net.replace('head: classify', 'head: (t) => classify(mul(t, 0))'); // an exit that knows nothing
    await writeFile(at('blind.mjs'), `import { mul } from 'dynaneural/graph';\n${blind}`);
    const args = ['--data', 'photos', '--epochs', '3', '--batch', '16', '--out', 'kept', '--quiet'];
    expect(await here(['train', 'blind.mjs', ...args])).toMatchObject({ code: 0, stderr: '' });
    const { code, stdout } = await here(['certify', 'kept', '--disagreement', '5%', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      risk: 'disagreement',
      n: 48,
      fullModelKept: true,
      chosen: { budget: 1 },
    });
    const [info, ran] = await Promise.all([
      here(['info', 'kept/model.onnx']),
      here(['run', 'kept/model.onnx', 'photos/up/1.png', 'photos/down/1.png', '--json']),
    ]);
    expect(info.stdout).toContain('Full model kept: no faster point could be certified');
    const { results } = JSON.parse(ran.stdout) as { results: { exit: string }[] };
    expect(results.map((r) => r.exit)).toEqual(['final', 'final']);
  });

  it('refuses a certificate that was given for other weights, and data that has changed', async () => {
    await Promise.all([
      cp(run, at('other'), { recursive: true }),
      cp(at('photos'), at('photos2'), { recursive: true }),
    ]);
    const file = at('other', 'certified.json');
    const record = JSON.parse(await readFile(file, 'utf8')) as { points: { thresholds: Record<string, unknown> }[] };
    record.points.at(1)!.thresholds.exit1 = -0.9;
    await writeFile(file, JSON.stringify(record));
    const runFile = at('other', 'run.json');
    await writeFile(runFile, (await readFile(runFile, 'utf8')).replace(at('photos'), at('photos2')));
    await rm(at('photos2', 'up', '0.png'));
    expectRefusal(
      await here(['export', 'other', '--out', 'other.onnx']),
      1,
      'other weights or thresholds',
      'dyna certify other',
    );
    await expect(stat(at('other.onnx'))).rejects.toThrow('ENOENT');
    expectRefusal(await here(['certify', 'other', '--harm', '20%']), 1, 'not what the run was trained on');
  });
});

describe('run', () => {
  it('tells what was done to an image that did not fit, in one line', async () => {
    const colour = sharp({ create: { width: 40, height: 30, channels: 3, background: '#a52' } });
    await colour.png().toFile(at('big.png'));
    const { code, stdout, stderr } = await here(['run', 'run/model.onnx', 'big.png', '--json']);
    expect(code).toBe(0);
    const [result] = (JSON.parse(stdout) as { results: { notes: string[]; ms: number; confidence: number }[] }).results;
    expect(result!.notes).toEqual(['resized (40x30 to 12x12, cover), colour to grey (3 channels to 1)']);
    expect(stderr).toBe(`big.png: ${result!.notes[0]}\n`);
    expect(result!.confidence).toBeGreaterThan(1 / 3);
    expect(result!.ms).toBeGreaterThan(0);
  });

  it('keeps within a budget and within a hard cap', async () => {
    const images = ['up', 'right', 'down'].flatMap((c) => [1, 2, 3, 4].map((i) => `photos/${c}/${i}.png`));
    const [full, capped] = await Promise.all([
      here(['run', 'run', ...images, '--budget', '100%', '--json']),
      here(['run', 'run', ...images, '--max-macs', '20k', '--json', '--quiet']),
    ]);
    type Ran = { fullMacs: number; point: { certified: boolean }; results: { macs: number; exit: string }[] };
    const [a, b] = [full, capped].map((r) => JSON.parse(r!.stdout) as Ran);
    expect(a!.point.certified).toBe(true);
    expect(a!.results.every((r) => r.exit === 'final' && r.macs === a!.fullMacs)).toBe(true);
    expect(a!.fullMacs).toBeGreaterThan(20_000);
    expect(b!.point.certified).toBe(false);
    expect(b!.results.every((r) => r.exit === 'exit1' && r.macs <= 20_000)).toBe(true);
    expect(capped.stderr).toBe('');
  });
});

describe('info', () => {
  it('shows what is in one of our files', async () => {
    const { code, stdout } = await here(['info', 'run/model.onnx']);
    expect(code).toBe(0);
    for (const part of [
      '"small"',
      'exit1',
      'continue | exit',
      'exit1 = continue',
      'chosen, certified',
      'residual1/conv2',
      'With 90 % confidence',
    ])
      expect(stdout).toContain(part);
  });

  it('shows operators, parameters and gradients of any other', async () => {
    const [affine, branch] = await Promise.all([plain, withBranch].map((f) => here(['info', f, '--json'])));
    expect(JSON.parse(affine!.stdout)).toMatchObject({
      kind: 'onnx',
      summary: { macs: 6, parameters: { trained: 8 }, differentiable: true },
    });
    const { summary } = JSON.parse(branch!.stdout) as {
      summary: { operators: { name: string; differentiable: string }[] };
    };
    expect(summary.operators.find((o) => o.name === 'If')?.differentiable).toBe('no');
  });
});

it('bench times a file against itself, and a run against its gate-free cuts too', async () => {
  const args = ['--rounds', '20', '--batch', '8', '--json'];
  const ended = await Promise.all(['run', 'run/model.onnx'].map((model) => here(['bench', model, ...args])));
  expect(ended.map((e) => e.code)).toEqual([0, 0]);
  type Row = {
    batch: number;
    dynamic: number;
    nobodyExits: number;
    full: number | null;
    speedup: number;
    realisation: number;
  };
  const [ofRun, ofFile] = ended.map((e) => (JSON.parse(e.stdout) as { results: Row[] }).results);
  expect(ofRun!.map((r) => r.batch)).toEqual([1, 8]);
  for (const r of ofRun!) {
    expect(r.dynamic).toBeGreaterThan(0);
    expect(r.realisation).toBeGreaterThan(0);
    expect(r.speedup).toBeCloseTo(r.full! / r.dynamic, 9);
  }
  for (const r of ofFile!) {
    expect(r).toMatchObject({ full: null, realisation: null });
    expect(r.speedup).toBeCloseTo(r.nobodyExits / r.dynamic, 9);
  }
  expect(ended[1]!.stderr).toContain('the images are noise');
});

describe('doctor', () => {
  type Report = { ok: boolean; cache: string; checks: { name: string; state: string; fix?: string }[] };

  it('finds everything that is needed, and leaves no trace', async () => {
    const { code, stdout } = await here(['doctor', '--json'], { DYNANEURAL_DATA: at('new', 'cache') });
    const report = JSON.parse(stdout) as Report;
    expect(code).toBe(0);
    expect(report).toMatchObject({ ok: true, cache: at('new', 'cache') });
    const names = report.checks.map((c) => c.name);
    for (const name of ['Node', 'ONNX Runtime', 'providers', 'cores', 'free memory', 'data cache', 'mnist', 'cifar10'])
      expect(names).toContain(name);
    await expect(stat(at('new'))).rejects.toThrow('ENOENT');
  });

  it('finds a cache that cannot be written, and says what to do: exit code 1', async () => {
    await writeFile(at('occupied'), '');
    const { code, stdout } = await here(['doctor', '--json'], { DYNANEURAL_DATA: at('occupied', 'cache') });
    const report = JSON.parse(stdout) as Report;
    expect(code).toBe(1);
    expect(report.ok).toBe(false);
    const bad = report.checks.filter((c) => c.state === 'problem');
    expect(bad.map((c) => c.name)).toEqual(['data cache']);
    expect(bad[0]!.fix).toContain('DYNANEURAL_DATA');
  });
});

it('train clips the gradient when asked to', async () => {
  const args = ['train', 'small.mjs', '--data', 'photos', '--epochs', '2', '--batch', '16', '--json'];
  const ended = await Promise.all([
    here([...args, '--out', 'free']),
    here([...args, '--out', 'clipped', '--clip', '1e-9']),
  ]);
  const [free, clipped] = ended.map(
    (e) => (JSON.parse(e.stdout) as { history: { loss: number }[] }).history.at(-1)!.loss,
  );
  expect(clipped).toBeGreaterThan(1.1 * free!);
});

describe('Ctrl-C', () => {
  it('in training keeps a checkpoint, says how to go on, and exits with 130; the run then ends as if unbroken', async () => {
    const args = ['train', 'small.mjs', '--data', 'photos', '--epochs', '100', '--batch', '16', '--out', 'cut'];
    const first = start([...args], { cwd: home });
    const metrics = at('cut', 'metrics.jsonl');
    await expect
      .poll(() => readFile(metrics, 'utf8').catch(() => ''), { timeout: 20_000, interval: 20 })
      .toContain('"epoch":2');
    first.child.kill('SIGINT');
    const stopped = await first.ended;
    expect({ code: stopped.code, signal: stopped.signal, stdout: stopped.stdout }).toEqual({
      code: 130,
      signal: null,
      stdout: '',
    });
    expect(stopped.stderr).toContain('press Ctrl-C again to stop at once');
    expect(stopped.stderr).toContain('dyna train --out cut --resume');
    await expect(stat(at('cut', 'trained'))).rejects.toThrow('ENOENT');
    expectRefusal(await here(['eval', 'cut']), 1, 'not trained to its end', '--resume');

    const resumed = await here(['train', '--out', 'cut', '--resume', '--json']);
    expect(resumed.code).toBe(0);
    const { history } = JSON.parse(resumed.stdout) as { history: { epoch: number }[] };
    expect(history.map((h) => h.epoch)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    const epochs = (await readFile(metrics, 'utf8')).split('\n').filter((line) => line.includes('"type":"epoch"'));
    expect(epochs).toHaveLength(100);
  });

  it('twice ends at once', async () => {
    const url = pathToFileURL(at('node_modules', 'dynaneural', 'dist', 'cli', 'context.js')).href;
    const program = `import { openContext } from '${url}'; const cx = await openContext({}); cx.interruptible('stopping'); setInterval(() => {}, 1e6); cx.note('ready');`;
    const running = start(['--version'], { preload: [`data:text/javascript,${encodeURIComponent(program)}`] });
    await running.says('ready');
    running.child.kill('SIGINT');
    await running.says('stopping');
    running.child.kill('SIGINT');
    expect(await running.ended).toMatchObject({ code: 130, signal: null });
  });

  it('ends what keeps nothing at once, and says so', async () => {
    const url = pathToFileURL(at('node_modules', 'dynaneural', 'dist', 'cli', 'context.js')).href;
    const program = `import { openContext } from '${url}'; const cx = await openContext({}); setInterval(() => {}, 1e6); cx.note('ready');`;
    const running = start(['--version'], { preload: [`data:text/javascript,${encodeURIComponent(program)}`] });
    await running.says('ready');
    running.child.kill('SIGINT');
    expect(await running.ended).toMatchObject({ code: 130, signal: null, stderr: 'ready\ndyna: interrupted\n' });
  });
});
