import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exported, images, teacher } from '../../deploy/adapt/fixtures/classifier.ts';
import { load } from '../../deploy/index.ts';
import { silent } from '../../progress.ts';
import type { Context } from '../context.ts';
import { npy } from '../fixtures/npy.ts';
import { type AdaptOptions, adaptModel } from './adapt.ts';

let home: string;
const at = (name: string): string => join(home, name);
const notes: string[] = [];
const cx: Context = {
  progress: silent,
  note: (line) => notes.push(line),
  interruptible: () => new AbortController().signal,
  checkInterrupted() {},
};
const defaults: AdaptOptions = { maxDisagreement: 0.05, delta: 0.1, exits: 2, seed: 1, rounds: 20 };

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dyna-adapt-'));
  await writeFile(at('net.onnx'), exported(await teacher()));
  const { inputs } = images(900, 5);
  await writeFile(at('images.npy'), npy('|u1', [900, 1, 16, 16], inputs));
  await writeFile(at('wide.npy'), npy('|u1', [450, 1, 16, 32], inputs));
});
afterAll(() => rm(home, { recursive: true, force: true }));

describe('dyna adapt', () => {
  it('writes a dynamic file, shows plan and result, and gives the same as JSON', async () => {
    const options = { ...defaults, data: at('images.npy'), mean: [0.5], std: [0.25], epochs: 6, out: at('fast.onnx') };
    const { json, text } = await adaptModel(at('net.onnx'), options, cx);
    expect(notes.join('\n')).toMatch(/Places for exits.*\n.*after node(.*\n)*.*exit1/);
    const shown = text.join('\n');
    expect(shown).toContain('With 90 % confidence, at most 5 % of inputs get another answer');
    expect(shown).toMatch(/MACs, mean +\S+ k +\S+ k +\d\.\d\d x/);
    expect(shown).toMatch(/one image +\S+ ms +\S+ ms +\d\.\d\d x/);
    const given = json as { file: string; exits: Record<string, number>; times: { batch: number }[]; meanMacs: number };
    expect(given.file).toBe(at('fast.onnx'));
    expect(given.times.map((t) => t.batch)).toEqual([1, 64]);
    const model = await load(at('fast.onnx'));
    expect(model.card).toMatchObject({ name: 'net', names: { input: 'image', output: 'scores' } });
    expect(model.card.preprocessing).toEqual({ shape: [1, 16, 16], scale: 1 / 255, mean: [0.5], std: [0.25] });
    expect((await model.run((await readFile(at('images.npy'))).subarray(-256))).answers).toHaveLength(1);
    await model.close();
  });

  it('--plan lists places and runs nothing', async () => {
    const { json, text } = await adaptModel(at('net.onnx'), { ...defaults, plan: true }, cx);
    const { places } = json as { places: { name: string; exit: boolean }[] };
    expect(places.some((p) => p.exit)).toBe(true);
    for (const { name } of places) expect(text.join('\n')).toContain(name);
  });

  it('says what is missing or does not fit, and writes nothing', async () => {
    const refused = (options: Partial<AdaptOptions>, words: string | RegExp) =>
      expect(adaptModel(at('net.onnx'), { ...defaults, out: at('never.onnx'), ...options }, cx)).rejects.toThrow(words);
    await refused({}, 'adapt needs typical inputs');
    await refused(
      { data: at('images.npy') },
      'the file does not say how pixels become its input; give --mean and --std',
    );
    await refused(
      { data: at('wide.npy'), scale: 1 },
      /net\.onnx: the model takes images \[1, 16, 16\], those of .* \[1, 16, 32\]/,
    );
    await refused({ data: at('nowhere') }, '--data expects a folder of images, a .npy file or mnist');
    await refused({ data: at('images.npy'), scale: 1, exitAt: ['x'] }, 'an exit cannot stand at "x"; places are');
    await refused({ data: at('images.npy'), scale: 1, maxDisagreement: 0.005 }, 'give at least 1532 images');
    await expect(stat(at('never.onnx'))).rejects.toThrow();
  });
});
