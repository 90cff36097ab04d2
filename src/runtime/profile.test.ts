import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { ndarray } from '../graph/array.ts';
import { environment } from './environment.ts';
import { profile } from './profile.ts';

const model = (name: string) => readFileSync(new URL(`./fixtures/${name}.onnx`, import.meta.url));
const leftovers = () => readdirSync(tmpdir()).filter((name) => name.startsWith('dyna-profile-')).length;

describe('profile', () => {
  it('lists what ran, with shapes, inside the branch that was taken', async () => {
    const taken = await profile(model('branch'), { x: ndarray('float32', [3], [1, -2, 0]) }, { runs: 4 });
    expect(taken.executed.map((e) => `${e.op} ${e.node}`)).toEqual([
      'ReduceMax top',
      'Greater some',
      'If decide',
      'Relu then_relu',
      'Add then_add',
    ]);
    const shape = { dtype: 'float32', dims: [3] };
    expect(taken.executed.at(-1)).toEqual({ op: 'Add', node: 'then_add', inputs: [shape, shape], outputs: [shape] });
    expect(taken.nodes.every((n) => n.count === 1)).toBe(true);

    const passed = await profile(model('branch'), { x: ndarray('float32', [1], [-1]) }, { runs: 1 });
    expect(passed.executed.map((e) => e.node)).toEqual(['top', 'some', 'decide', 'else_neg']);
  });

  it('counts each round of a loop, and gives the time to the nodes that spend it', async () => {
    const feeds = {
      rounds: ndarray('int64', [], [50]),
      x: ndarray('float32', [128, 128], new Float32Array(128 * 128)),
    };
    const { nodes, ops, microseconds, executed } = await profile(model('slow'), feeds, { runs: 3 });
    const product = nodes.find((n) => n.node === 'product')!;
    expect(product).toMatchObject({ op: 'MatMul', count: 50 });
    expect(nodes.map((n) => n.microseconds)).toEqual(nodes.map((n) => n.microseconds).sort((a, b) => b - a));
    expect(executed.filter((e) => e.op === 'MatMul')).toHaveLength(50);
    for (const list of [nodes, ops]) expect(list.reduce((sum, c) => sum + c.share, 0)).toBeCloseTo(1, 9);
    const own = nodes.reduce((sum, n) => sum + n.microseconds, 0);
    expect(own).toBeLessThanOrEqual(microseconds); // so the loop's time does not hold that of its body
  });

  it('shows fused nodes when optimised', async () => {
    const x = ndarray('float32', [1, 3], [1, 2, 3]);
    const plain = await profile(model('affine'), { x }, { runs: 1 });
    const fused = await profile(model('affine'), { x }, { optimization: 'all', runs: 1 });
    expect(plain.executed.map((e) => e.op)).toEqual(['MatMul', 'Add']);
    expect(fused.executed.map((e) => e.op)).toEqual(['Gemm']);
  });

  it('leaves no files behind, also when it fails', async () => {
    const before = leftovers();
    await profile(model('affine'), { x: ndarray('float32', [1, 3], [1, 2, 3]) }, { runs: 1 });
    await expect(profile(model('affine'), {}, { runs: 1 })).rejects.toMatchObject({ code: 'usage' });
    await expect(profile(new Uint8Array([1]), {})).rejects.toMatchObject({ code: 'model' });
    await expect(profile(model('affine'), {}, { runs: 0 })).rejects.toMatchObject({ code: 'usage' });
    expect(leftovers()).toBe(before);
  });
});

it('the environment names the machine and the engine', async () => {
  const { version } = JSON.parse(
    readFileSync(new URL('../../node_modules/onnxruntime-node/package.json', import.meta.url), 'utf8'),
  );
  const here = await environment();
  expect(here).toMatchObject({
    node: process.version.slice(1),
    engine: 'onnxruntime-node',
    engineVersion: version,
    platform: `${process.platform}-${process.arch}`,
    cores: availableParallelism(),
  });
  expect(here.providers).toContain('cpu');
  expect(here.providers).not.toContain('cuda'); // not bundled
  expect(here.memoryGiB).toBeGreaterThan(0);
});
