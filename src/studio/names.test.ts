import fc from 'fast-check';
import { expect, test } from 'vitest';
import { namesOf, numbered } from './names.ts';

test.each([
  [['/x/shirts.onnx'], ['shirts.onnx']],
  [
    ['/x/a/model.onnx', '/x/b/model.onnx', '/x/b/other.onnx'],
    ['a/model.onnx', 'b/model.onnx', 'other.onnx'],
  ],
  [
    ['/a/x/run', '/b/x/run', '/b/y/run'],
    ['a/x/run', 'b/x/run', 'y/run'],
  ],
  [
    ['/model.onnx', '/a/model.onnx'],
    ['/model.onnx', 'a/model.onnx'],
  ],
  [
    ['/a/m.onnx', '/a/m.onnx', '/b/m.onnx'],
    ['a/m.onnx', 'a/m.onnx (2)', 'b/m.onnx'],
  ],
  [
    ['C:\\a\\m.onnx', 'C:\\b\\m.onnx'],
    ['a/m.onnx', 'b/m.onnx'],
  ],
])('%j are told apart as %j', (paths, names) => {
  expect(namesOf(paths)).toEqual(names);
});

test('names are all different, end their paths, and are no longer than they must be', () => {
  const path = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 }).map((p) => `/${p.join('/')}`);
  fc.assert(
    fc.property(fc.uniqueArray(path, { maxLength: 8 }), (paths) => {
      const names = namesOf(paths);
      expect(new Set(names).size).toBe(paths.length);
      for (const [i, name] of names.entries()) {
        expect(paths[i]!.endsWith(name)).toBe(true);
        const shorter = name.slice(name.indexOf('/') + 1);
        if (shorter === name) continue;
        expect(paths.some((p, k) => k !== i && p.endsWith(`/${shorter}`))).toBe(true);
      }
    }),
  );
});

test('a taken name gets the next free number', () => {
  expect(numbered('m', [])).toBe('m');
  expect(numbered('m', ['m', 'm (2)', 'n'])).toBe('m (3)');
});
