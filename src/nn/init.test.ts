import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { add, fresh, type Init, ndarray, type ParamAttrs, param, toNumbers } from '../graph/index.ts';
import { fans, heNormal, heUniform, materialize, ones, xavierNormal, xavierUniform, zeros } from './init.ts';
import { paramsOf } from './params.ts';
import { stream } from './random.ts';

const shape = [64, 32, 3, 3];
const attrs = (name: string, init: Init, dims: readonly number[] = shape): ParamAttrs => ({
  name,
  dtype: 'float32',
  shape: dims,
  init,
  role: 'weight',
});
const drawn = (init: Init, seed = 1, name = 'w', dims = shape): number[] =>
  toNumbers(materialize([attrs(name, init, dims)], seed).get(name)!);
const moments = (v: readonly number[]) => {
  const mean = v.reduce((a, b) => a + b, 0) / v.length;
  const about = (k: number) => v.reduce((a, b) => a + (b - mean) ** k, 0) / v.length;
  return { mean, std: Math.sqrt(about(2)), kurtosis: about(4) / about(2) ** 2 };
};

test('fans count products and users', () => {
  expect(fans([64, 32, 3, 5])).toEqual({ in: 480, out: 960 });
  expect(fans([10, 7])).toEqual({ in: 7, out: 10 });
});

describe('distributions', () => {
  // n = 18,432 values: the std of the sample mean is 0.0074 std, that of the sample std at most 0.0053 std.
  test.each<[string, Init, number, 'normal' | 'uniform']>([
    ['He normal', heNormal(shape), Math.sqrt(2 / 288), 'normal'],
    ['He normal, fan out', heNormal(shape, { mode: 'out' }), Math.sqrt(2 / 576), 'normal'],
    ['He normal, no gain', heNormal(shape, { gain: 1 }), Math.sqrt(1 / 288), 'normal'],
    ['He uniform', heUniform(shape), Math.sqrt(2 / 288), 'uniform'],
    ['Xavier normal', xavierNormal(shape), Math.sqrt(2 / 864), 'normal'],
    ['Xavier uniform', xavierUniform(shape, 2), 2 * Math.sqrt(2 / 864), 'uniform'],
  ])('%s', (_, init, std, kind) => {
    const values = drawn(init);
    const m = moments(values);
    expect(Math.abs(m.mean) / std).toBeLessThan(0.04);
    expect(Math.abs(m.std / std - 1)).toBeLessThan(0.03);
    expect(Math.abs(m.kurtosis - (kind === 'normal' ? 3 : 1.8))).toBeLessThan(0.2);
    const largest = Math.max(...values.map(Math.abs)) / std;
    if (kind === 'uniform') expect(largest).toBeLessThanOrEqual(Math.sqrt(3) + 1e-6);
    else expect(largest).toBeGreaterThan(3);
  });

  test('a normal has its shares within 1, 2 and 3 std', () => {
    const values = drawn({ kind: 'normal', std: 1 });
    const within = (k: number) => values.filter((v) => Math.abs(v) < k).length / values.length;
    expect(within(1)).toBeCloseTo(0.6827, 1.8);
    expect(within(2)).toBeCloseTo(0.9545, 1.8);
    expect(within(3)).toBeCloseTo(0.9973, 2);
  });

  test('neighbours, and the two of a Box-Muller pair, are uncorrelated', () => {
    const v = drawn({ kind: 'normal', std: 1 });
    for (const lag of [1, 2, 3, 64]) {
      const products = v.slice(lag).map((x, i) => x * v[i]!);
      expect(Math.abs(moments(products).mean)).toBeLessThan(0.04);
    }
  });

  test('constants, given values, odd and empty shapes', () => {
    expect(new Set(drawn(zeros))).toEqual(new Set([0]));
    expect(new Set(drawn(ones))).toEqual(new Set([1]));
    expect(drawn(heNormal([3]), 1, 'w', [3]).every((v) => v !== 0)).toBe(true);
    expect(drawn(heNormal([0, 3]), 1, 'w', [0, 3])).toEqual([]);
    const value = ndarray('float32', [2], [3, 4]);
    const made = materialize([attrs('w', { kind: 'value', value }, [2])], 1).get('w')!;
    expect(made).toEqual(value);
    expect(made.data).not.toBe(value.data);
    expect(() => drawn({ kind: 'value', value }, 1, 'w', [3])).toThrow(
      'parameter "w" is float32[3], but its initial value is float32[2]',
    );
  });
});

describe('seeds', () => {
  const init = heNormal([8]);
  test('seed and name alone decide', () => {
    const list = ['a', 'b', 'a/b'].map((name) => attrs(name, init, [8]));
    const forward = materialize(list, 7);
    expect(materialize([...list].reverse(), 7)).toEqual(forward);
    expect(materialize(list, 8).get('a')).not.toEqual(forward.get('a'));
    expect(forward.get('b')).not.toEqual(forward.get('a'));
  });

  test('the same numbers on every machine and in every version', () => {
    const next = stream(42, 'conv1/weight');
    expect([next(), next(), next()]).toEqual([1949899308, 182943315, 3336272826]);
  });

  test('different seeds or names give streams that never agree', () => {
    const text = fc.string({ maxLength: 12 });
    const seed = fc.maxSafeInteger();
    fc.assert(
      fc.property(seed, text, seed, text, (s1, n1, s2, n2) => {
        fc.pre(s1 !== s2 || n1 !== n2);
        const [a, b] = [stream(s1, n1), stream(s2, n2)];
        expect([a(), a(), a()]).not.toEqual([b(), b(), b()]);
      }),
    );
    const firsts = new Set<number>();
    for (let s = 0; s < 100; s++) for (let n = 0; n < 100; n++) firsts.add(stream(s, `conv${n}/weight`)());
    expect(firsts.size).toBeGreaterThan(9_990); // 10,000 draws of 2^32 collide 0.01 times on average
  });

  test('a seed that is not whole is refused', () => {
    expect(() => materialize([], 0.5)).toThrow(/whole number, got 0.5/);
  });
});

describe('paramsOf', () => {
  test('lists parameters as traced, each once, whatever their order of use', () => {
    const names = fresh(() => {
      const [a, b] = [param('a', [2], ones), param('b', [2], zeros)];
      return paramsOf([add(b, add(a, b)), a]).map((p) => p.name);
    });
    expect(names).toEqual(['a', 'b']);
  });

  test('two parameters of one name are refused, tensors too', () => {
    const [a, b] = [param('w', [2], ones), param('w', [2], ones)];
    expect(() => paramsOf([add(a, b)])).toThrow('two parameters are named "w"; give each layer its own name');
    expect(() => materialize([a, b], 1)).toThrow(/two parameters are named "w"/);
    expect(materialize([a, a], 1).size).toBe(1);
    expect(() => materialize([add(a, a)], 1)).toThrow(/a parameter is expected, got float32\[2\] of Add/);
  });
});
