import { access, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exported, images, teacher } from '../../deploy/adapt/fixtures/classifier.ts';
import { load } from '../../deploy/index.ts';
import { silent } from '../../progress.ts';
import type { Context } from '../context.ts';
import { dyna, install, start } from '../fixtures/dyna.ts';
import { npy } from '../fixtures/npy.ts';
import { type AdaptOptions, adaptModel } from './adapt.ts';
import { info } from './info.ts';

let home: string;
const at = (name: string): string => join(home, name);
const notes: string[] = [];
const cx: Context = {
  command: 'dyna adapt',
  progress: silent,
  note: (line) => notes.push(line),
  interruptible: () => new AbortController().signal,
  checkInterrupted() {},
};
const defaults: AdaptOptions = {
  selectBy: 'macs',
  delta: 0.1,
  exits: 2,
  seed: 1,
  rounds: 20,
  threads: 1,
  mean: [0.5],
  std: [0.25],
};
const lenient = { ...defaults, maxDisagreement: 0.05 };

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dyna-adapt-'));
  await writeFile(at('net.onnx'), exported(await teacher()));
  const { inputs, labels } = images(900, 5);
  await writeFile(at('images.npy'), npy('|u1', [900, 1, 16, 16], inputs));
  await writeFile(at('labels.npy'), npy('<i4', [900], labels));
  await writeFile(at('wide.npy'), npy('|u1', [450, 1, 16, 32], inputs));
});
afterAll(() => rm(home, { recursive: true, force: true }));

interface Json {
  readonly notes: readonly string[];
  readonly file: string;
  readonly exits: Record<string, number>;
  readonly times: { readonly batch: number }[];
  readonly originalMacs: number;
  readonly meanMacs: number;
  readonly claim: object;
  readonly compared: { readonly agreement: number; readonly accuracy?: object };
  readonly certificate: { readonly points: number };
}

describe('dyna adapt', () => {
  it('writes a dynamic file and a page, shows plan and result, and gives the same as JSON', async () => {
    const options = { ...lenient, data: at('images.npy'), epochs: 6, out: at('fast.onnx') };
    const { json, text } = await adaptModel(at('net.onnx'), options, cx);
    expect(notes.join('\n')).toMatch(/Places for exits.*\n.*after node(.*\n)*.*exit1/);
    const shown = text.join('\n');
    expect(shown).toContain("With 90 % confidence, at most 5 % of inputs get another answer than the original's.");
    expect(shown).toMatch(/MACs, mean +\S+ k +\S+ k +\d\.\d\d x/);
    expect(shown).toMatch(/one image +\S+ ms +\S+ ms +\d\.\d\d x/);
    const given = json as Json;
    expect(given.file).toBe(at('fast.onnx'));
    expect(given.claim).toEqual({ risk: 'disagreement', epsilon: 0.05, delta: 0.1 });
    expect(given.times.map((t) => t.batch)).toEqual([1, 64]);
    const model = await load(at('fast.onnx'));
    expect(model.card).toMatchObject({ name: 'net', names: { input: 'image', output: 'scores' } });
    expect(model.card.preprocessing).toEqual({ shape: [1, 16, 16], scale: 1 / 255, mean: [0.5], std: [0.25] });
    expect((await model.run((await readFile(at('images.npy'))).subarray(-256))).answers).toHaveLength(1);
    await model.close();
    await expect(access(at('fast.onnx.work'))).rejects.toThrow();
    const page = await readFile(at('fast.html'), 'utf8');
    expect(page).toContain('net.onnx, adapted');
    expect(page).toContain(`${(100 * given.compared.agreement).toFixed(2)} %`);
    const told = (await info(at('fast.onnx'))).text.join('\n');
    expect(told).toContain('adapted from somebody');
  });

  it('counts harm where labels are given, keeps a budget, and needs no page', async () => {
    const options = {
      ...defaults,
      ...{ data: at('images.npy'), labels: at('labels.npy'), harm: 0.3, budget: 0.7, epochs: 6, rounds: 0 },
      ...{ out: at('harm.onnx'), report: false, work: at('kept') },
    };
    const { json, text } = await adaptModel(at('net.onnx'), options, cx);
    const given = json as Json;
    expect(text.join('\n')).toContain(
      'at most 30 % of inputs get a wrong answer that the original would have got right',
    );
    expect(given.claim).toEqual({ risk: 'harm', epsilon: 0.3, delta: 0.1 });
    expect(given.compared.accuracy).toBeDefined();
    expect(given.meanMacs).toBeLessThanOrEqual(0.7 * given.originalMacs);
    expect((await readdir(home)).filter((f) => f.startsWith('harm'))).toEqual(['harm.onnx']);
    // What is kept serves the next run with another bound.
    expect((await readdir(at('kept'))).map((f) => f.split('-')[0]).sort()).toEqual(['claims', 'features', 'heads']);
    const all = { ...options, harm: 0.3, budget: 0.99 };
    const wider = (await adaptModel(at('net.onnx'), all, cx)).json as Json;
    expect(wider.meanMacs).toBeGreaterThan(given.meanMacs);
    expect(given.notes.join()).not.toContain('claims');
    expect(wider.notes.join()).toMatch(
      /other claims were put to the test on the same images before \(harm <= 30 % at delta 0.1, .*budget 0.7/,
    );
  });

  it('bounds disagreement where that is asked for, also beside labels; the page has the command as it was typed', async () => {
    const options = { ...lenient, data: at('images.npy'), labels: at('labels.npy'), epochs: 2, rounds: 0 };
    const folder = at('pages/of/it');
    const asked = { ...options, out: at('both.onnx'), report: join(folder, 'both.html') };
    const { json } = await adaptModel(at('net.onnx'), asked, { ...cx, command: "dyna adapt 'my net.onnx' --seed 1" });
    expect((json as Json).claim).toEqual({ risk: 'disagreement', epsilon: 0.05, delta: 0.1 });
    expect((json as Json).compared.accuracy).toBeDefined();
    const page = await readFile(join(folder, 'both.html'), 'utf8');
    expect(page).toContain('dyna adapt &#39;my net.onnx&#39; --seed 1');
  });

  it('goes by time where nothing else is said, and tells what it expected', async () => {
    const options = {
      ...lenient,
      selectBy: 'time' as const,
      data: at('images.npy'),
      epochs: 2,
      rounds: 0,
      report: false,
    };
    const { json, text } = await adaptModel(at('net.onnx'), { ...options, out: at('timed.onnx') }, cx);
    const { tried, exitTimes, originalMacs } = json as {
      tried: { frozen: { macs: number; times: Record<string, number> } };
      originalMacs: number;
      exitTimes: Record<string, { batch: number; staying: number }[]>;
    };
    expect(Object.keys(tried.frozen.times)).toEqual(['1', '64']);
    expect(exitTimes.exit1!.map((t) => t.batch)).toEqual([1, 64]);
    // Which of the two it is hangs on the machine, and stands in the JSON.
    const faster = /promised: frozen \S+ \S+ MACs, \S+ % of the time for one image, \S+ % of the time in a batch of 64/;
    const none = /promised: frozen, in which nothing was faster than the original/;
    expect(text.join('\n')).toMatch(tried.frozen.macs < originalMacs ? faster : none);
  });

  it('--plan and info tell where exits can stand, and run nothing', async () => {
    const { json, text } = await adaptModel(at('net.onnx'), { ...lenient, plan: true }, cx);
    const { places } = json as { places: { name: string; exit: boolean }[] };
    expect(places.some((p) => p.exit)).toBe(true);
    for (const { name } of places) expect(text.join('\n')).toContain(name);
    const facts = await info(at('net.onnx'));
    expect(facts.json).toMatchObject({ exits: json });
    const chosen = places.filter((p) => p.exit).map((p) => `"${p.name}"`);
    expect(facts.text.at(-1)).toContain(`${places.length} places; dyna adapt would try ${chosen[0]}`);
  });

  it('says what is missing or does not fit, and writes nothing', async () => {
    const refused = (options: Partial<AdaptOptions>, words: string | RegExp) =>
      expect(adaptModel(at('net.onnx'), { ...lenient, out: at('never.onnx'), ...options }, cx)).rejects.toThrow(words);
    const data = at('images.npy');
    await refused({}, 'adapt needs typical inputs');
    const bare = { mean: undefined, std: undefined } as unknown as Partial<AdaptOptions>;
    await refused({ data, ...bare }, 'the file does not say how pixels become its input; give --mean and --std');
    await refused(
      { data: at('wide.npy') },
      /net\.onnx: the model takes images \[1, 16, 16\], those of .* \[1, 16, 32\]/,
    );
    await refused({ data: at('nowhere') }, 'images are expected as a folder, a .npy file or one of mnist');
    await refused({ data: 'mnist:best' }, 'mnist has the parts train and test, got "best"');
    await refused({ data, exitAt: ['x'] }, 'an exit cannot stand at "x"; places are');
    await refused({ data, maxDisagreement: 0.005 }, 'give at least 1532 images');
    await refused({ data, harm: 0.1 }, '--max-disagreement and --harm were given');
    await refused({ data, labels: 'folders' }, 'images.npy has no labels');
    await expect(stat(at('never.onnx'))).rejects.toThrow();
    await expect(stat(at('never.onnx.work'))).rejects.toThrow();
  });
});

describe('a process that ends in the middle', () => {
  const train = ['--tune', '--tune-epochs', '3', '--epochs', '12', '--max-disagreement', '8%', '--exits', '1'];
  const fed = [
    '--select-by',
    'macs',
    '--mean',
    '0.5',
    '--std',
    '0.25',
    '--rounds',
    '0',
    '--threads',
    '1',
    '--no-report',
  ];
  const args = (out: string) => ['adapt', 'net.onnx', '--data', 'images.npy', '--out', out, ...train, ...fed];

  /** Waits for a second checkpoint of a part, so that there is something to lose and something to keep. */
  async function reached(work: string, part: string): Promise<void> {
    for (let i = 0; i < 1200; i++) {
      const found = (await readdir(work).catch(() => [])).find((f) => f.startsWith(`${part}-`));
      if (found && (await readdir(join(work, found))).includes('previous.dyna')) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`no second checkpoint of ${part}`);
  }

  it('by SIGKILL or Ctrl-C: the same command goes on, to the same file', async () => {
    await install(home);
    const unbroken = dyna(args('whole.onnx'), { cwd: home });
    const killed = start(args('killed.onnx'), { cwd: home });
    await reached(at('killed.onnx.work'), 'heads');
    killed.child.kill('SIGKILL');
    expect((await killed.ended).signal).toBe('SIGKILL');
    const stopped = start(args('killed.onnx'), { cwd: home });
    await reached(at('killed.onnx.work'), 'backbone');
    stopped.child.kill('SIGINT');
    const { code, stderr } = await stopped.ended;
    expect(stderr).toMatch(/dyna: adapting was stopped; .*killed\.onnx\.work holds what is done/);
    expect(code).toBe(130);
    await expect(stat(at('killed.onnx'))).rejects.toThrow();
    const last = await dyna(args('killed.onnx'), { cwd: home });
    expect([last.code, (await unbroken).code]).toEqual([0, 0]);
    expect((await readFile(at('killed.onnx'))).equals(await readFile(at('whole.onnx')))).toBe(true);
    await expect(stat(at('killed.onnx.work'))).rejects.toThrow();
  }, 120_000);
});
