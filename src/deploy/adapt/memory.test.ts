import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const MIB = 2 ** 20;
const LIMIT = 160 * MIB;

/** Adapts a model whose features are several times the limit, and tells what that took. */
const script = `
  const at = (file) => new URL(file, ${JSON.stringify(import.meta.url)}).href;
  const { adapt } = await import(at('./adapt.ts'));
  const { planExits } = await import(at('./plan.ts'));
  const { readForeign } = await import(at('./foreign.ts'));
  const { exported, images, shape } = await import(at('./fixtures/classifier.ts'));
  const { net } = await import(at('../../dynamic/index.ts'));
  const { classify, conv, residual } = await import(at('../../nn/index.ts'));
  const { train } = await import(at('../../train/index.ts'));
  const wide = net({ input: shape, classes: 4, onWarning() {} }, (x) => {
    x = conv(x, 32, { norm: 'batch', activation: 'relu' });
    for (let i = 0; i < 3; i++) x = residual(x, 32);
    return classify(residual(x, 64, { stride: 4 }));
  });
  const original = exported(await train(wide, { data: images(256, 1), epochs: 2, lr: 0.05 }));
  const exitAt = planExits(readForeign(original)).places.slice(1, 4).map((p) => p.name);
  let rows = 0;
  let width = 0;
  const { summary } = await adapt(original, {
    ...{ data: images(600, 5), train: images(6000, 6), maxDisagreement: 0.5, selectBy: 'macs' },
    ...{ exitAt, memory: ${LIMIT}, epochs: 1 },
    onPlan: ({ exits }) => { width = exits.reduce((sum, { head: { pooled: [c, h, w] } }) => sum + c * h * w, 0); },
    onProgress: (stage, done) => { if (stage === 'features') rows = done; },
  });
  console.log(JSON.stringify({ features: 4 * rows * width, model: original.length, notes: summary.notes, peak: 1024 * process.resourceUsage().maxRSS }));
`;

test('features that are several times the limit take less than three times model and limit, all in all', async () => {
  const args = ['--disable-warning=DYNA_PLAN', '--import', 'tsx', '--input-type=module', '-e', script];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const { features, model, notes, peak } = JSON.parse(stdout);
  expect(features).toBeGreaterThan(3 * (model + LIMIT)); // in memory they would not do
  expect(notes).toContain('features were read from disk: they are more than the memory limit');
  expect(peak).toBeLessThan(3 * (model + LIMIT));
  expect(peak).toBeGreaterThan(50 * MIB);
}, 180_000);
