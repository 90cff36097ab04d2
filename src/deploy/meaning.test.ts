import { describe, expect, it } from 'vitest';
import { certifiedShirts, modelOf, normalised, pixels, shirts } from './fixtures/shirts.ts';
import { load } from './load.ts';
import type { OutputMeaning } from './meaning.ts';
import { readCard } from './read-card.ts';
import { toBytes } from './save.ts';

describe('files with names and an output of their own', () => {
  it('hold logits, probabilities or their logarithms, and give the same answers', async () => {
    const model = await certifiedShirts();
    const x = normalised(pixels(40));
    const run = async (output?: OutputMeaning) => {
      const names = { input: 'pixels', output: 'y' };
      const loaded = await load(toBytes(model, output ? { names, output } : {}));
      const result = await loaded.run(x);
      await loaded.close();
      return result;
    };
    const plain = await run();
    const logits = plain.output.data as Float32Array;
    for (const meaning of ['logits', 'probabilities', 'log-probabilities'] as const) {
      const { output, answers, trace } = await run(meaning);
      expect(trace).toEqual(plain.trace);
      for (const [i, answer] of answers.entries()) {
        expect(answer).toMatchObject({ index: plain.answers[i]!.index, exit: plain.answers[i]!.exit });
        const row = logits.slice(3 * i, 3 * i + 3);
        const sum = row.reduce((s, v) => s + Math.exp(v), 0);
        for (const [k, v] of row.entries()) {
          const p = Math.exp(v) / sum;
          const wanted = meaning === 'logits' ? v : meaning === 'probabilities' ? p : Math.log(p);
          expect((output.data as Float32Array)[3 * i + k]).toBeCloseTo(wanted, 4);
        }
        expect(answer.confidence).toBeCloseTo(plain.answers[i]!.confidence, 4);
      }
    }
  });

  it('say nothing of names where they are the usual ones, so that older cards stay the same', () => {
    const card = readCard(toBytes(modelOf(shirts()), { output: 'logits' }));
    expect(Object.keys(card)).not.toContain('names');
    expect(Object.keys(card)).not.toContain('output');
  });

  it('keep metadata that is given, but not over their own', () => {
    const bytes = toBytes(modelOf(shirts()), { metadata: { licence: 'MIT', dynaneural: 'x' } });
    expect(readCard(bytes).name).toBe('shirts');
    expect(Buffer.from(bytes).includes('licence')).toBe(true);
  });

  it('refuse names that clash', () => {
    const named = (input: string, output: string) => () => toBytes(modelOf(shirts()), { names: { input, output } });
    expect(named('x', 'x')).toThrow('different names');
    expect(named('x', 'trace')).toThrow('none of them "trace"');
  });
});
