import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DynaError } from '../errors.ts';
import { decodeModel, encodeModel, forEachNode, type OnnxModel } from '../graph/index.ts';
import { encodeCard, type ModelCard } from './card.ts';
import { readCardJson } from './card-json.ts';
import { certifiedShirts, modelOf, shirts } from './fixtures/shirts.ts';
import { load, readCard, toBytes } from './index.ts';

let bytes: Uint8Array;
let json: string;
let card: ModelCard;
let folder: string;
beforeAll(async () => {
  bytes = toBytes(await certifiedShirts());
  json = decodeModel(bytes).metadata.dynaneural!;
  card = readCard(bytes);
  folder = await mkdtemp(join(tmpdir(), 'dyna-card-'));
});
afterAll(() => rm(folder, { recursive: true }));

type Loose = Record<string, never> & { [key: string]: unknown };

/** The file again, with its card or its graph changed. */
function altered(change: { card?: (card: Loose) => void; model?: (model: OnnxModel) => void }): Uint8Array {
  const model = structuredClone(decodeModel(bytes));
  const value = JSON.parse(json) as Loose;
  change.card?.(value);
  model.metadata.dynaneural = JSON.stringify(value);
  change.model?.(model);
  return encodeModel(model);
}

const refusal = (run: () => unknown): DynaError => {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(DynaError);
    return error as DynaError;
  }
  throw new Error('it was accepted');
};

test('a card survives JSON, infinite thresholds too', () => {
  expect(json).toContain('"Infinity"');
  expect(card.points[0]!.thresholds.exit1).toBe(Number.POSITIVE_INFINITY);
  expect(encodeCard(card)).toBe(json);
  expect(card.createdBy).toMatch(/^dynaneural \d+\.\d+\.\d+/);
  const classes = ['Infinity', '-Infinity', '__proto__', '']; // names stay names
  expect(readCardJson(encodeCard({ ...card, classes })).classes).toEqual(classes);
});

test('a card that was written again unchanged is still bound to its file', () => {
  expect(readCard(altered({}))).toEqual(card);
  // Other tools may reorder weights, rename nodes, add annotations.
  const rewritten = altered({
    model: (m) => {
      m.graph.initializers.reverse();
      m.docString = 'seen by another tool';
      m.producer = 'another tool';
      forEachNode(m.graph, (node) => {
        node.name = '';
      });
    },
  });
  expect(readCard(rewritten)).toEqual(card);
});

describe('a certificate does not fit', () => {
  const cases: Record<string, Parameters<typeof altered>[0]> = {
    'a weight changed by one bit': { model: (m) => flip(m, 'conv1/weight') },
    'a weight inside a branch': { model: (m) => flip(m, 'residual2/') },
    'another default threshold': { model: (m) => flip(m, 'exit2/threshold') },
    'another operator': {
      model: (m) => {
        m.graph.nodes.find((n) => n.op === 'Relu')!.op = 'Sigmoid';
      },
    },
    'another attribute': {
      model: (m) => {
        const node = m.graph.nodes.find((n) => n.attributes.pads)!;
        node.attributes.pads = { kind: 'ints', value: [0, 0, 2, 2] };
      },
    },
    'another preprocessing': { card: (c) => Object.assign(c.preprocessing!, { scale: 0.004 }) },
    'a smaller epsilon': { card: (c) => Object.assign(c.certificate!, { epsilon: 0.001 }) },
    'a point called certified': {
      card: (c) => {
        for (const p of c.points as { certified: boolean }[]) p.certified = true;
      },
    },
    'other thresholds of a point': {
      card: (c) => Object.assign((c.points as { thresholds: object }[])[1]!.thresholds, { exit1: -9 }),
    },
    'no hash at all': {
      card: (c) => {
        delete c.hash;
      },
    },
  };

  test.each(Object.entries(cases))('%s', async (_, change) => {
    const file = altered(change);
    if (!('no hash at all' in cases && change === cases['no hash at all']))
      expect(refusal(() => readCard(file)).message).toMatch(/the certificate does not fit the file/);
    expect(refusal(() => readCard(file)).code).toBe('certificate');
    await expect(load(file)).rejects.toMatchObject({ code: 'certificate' });
  });

  function flip({ graph }: OnnxModel, prefix: string): void {
    const inside = [graph];
    forEachNode(graph, (node) => {
      for (const a of Object.values(node.attributes)) if (a.kind === 'graph') inside.push(a.value);
    });
    const found = inside.flatMap((g) => g.initializers).find((t) => t.name.startsWith(prefix) && t.data.length > 0)!;
    const copy = new Uint8Array(found.data.buffer, found.data.byteOffset, found.data.byteLength);
    copy[0]! ^= 1;
  }
});

describe('files that are no model of ours', () => {
  test('a newer schema version asks for an update', () => {
    const error = refusal(() => readCard(altered({ card: (c) => Object.assign(c, { schema: 2 }) })));
    expect(error).toMatchObject({ code: 'model', fix: 'update dynaneural' });
    expect(error.message).toContain('schema version 2, this library reads version 1');
  });

  test('an ONNX file without metadata says what it is and what can be done', async () => {
    const file = altered({
      model: (m) => {
        delete m.metadata.dynaneural;
        m.producer = 'pytorch';
      },
    });
    const error = refusal(() => readCard(file));
    expect(error.code).toBe('model');
    expect(error.message).toMatch(
      /by pytorch, \d+ nodes, inputs input \[N, 2, 8, 8\].*no DynaNeural metadata; where it is static, .* run it/,
    );
    await expect(load(file)).rejects.toMatchObject({ code: 'model' });
  });

  test('truncated, empty, and other files: one error each, with the path', async () => {
    const path = join(folder, 'broken.onnx');
    const png = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13]);
    for (const content of [bytes.subarray(0, bytes.length >> 1), bytes.subarray(1), new Uint8Array(0), png]) {
      await writeFile(path, content);
      await expect(load(path)).rejects.toMatchObject({ code: 'model', message: expect.stringContaining(path) });
      expect(refusal(() => readCard(path)).message).toContain(path);
    }
  });

  test('a missing file and a folder', async () => {
    const path = join(folder, 'nobody.onnx');
    await expect(load(path)).rejects.toMatchObject({ code: 'file', message: expect.stringContaining('no such file') });
    expect(refusal(() => readCard(path)).code).toBe('file');
    expect(refusal(() => readCard(folder)).message).toContain('it is a folder');
  });

  test('a card on a graph that it does not describe', async () => {
    const uncertified = toBytes(modelOf(shirts()));
    const model = structuredClone(decodeModel(uncertified));
    for (const [change, said] of [
      [(c: Loose) => Object.assign(c, { classes: ['a', 'b'] }), '2 class names, but logits'],
      [(c: Loose) => Object.assign(c.preprocessing!, { shape: [2, 9, 8] }), 'expected input float32 [n, 2, 9, 8]'],
    ] as const) {
      const value = JSON.parse(decodeModel(uncertified).metadata.dynaneural!) as Loose;
      change(value);
      model.metadata.dynaneural = JSON.stringify(value);
      await expect(load(encodeModel(model))).rejects.toThrow(said);
    }
  });
});

describe('a damaged card', () => {
  test.each([
    ['no JSON', '{"schema": 1', 'not JSON'],
    ['a list', '[]', 'got []'],
    ['null', 'null', 'got null'],
    ['no schema', '{}', 'schema should be 1, got nothing'],
  ])('%s', (_, content, said) => {
    expect(refusal(() => readCardJson(content)).message).toContain(said);
  });

  test.each([
    ['chosen', 99, 'chosen should be the number of a point, got 99'],
    ['classes', [], 'classes should be at least one name'],
    ['classes', ['a', 2], 'classes[1] should be a text, got 2'],
    ['form', 'cloud', 'form should be "rows" or "branch", got "cloud"'],
    ['temperatures', { exit1: 0 }, 'temperatures["exit1"] should be a number above 0, got 0'],
    ['temperatures', { exit7: 1 }, 'of known exits'],
    ['columns', [], 'columns should be each decision once'],
    [
      'regions',
      [{ guard: [{ decision: 'exit1', option: 2 }], macs: 1, weightBytes: 0, activationBytes: 0, integerOps: 0 }],
      'guarded by known options',
    ],
    ['certificate', undefined, 'there exactly when a point is certified'],
  ])('%s: %j', (key, value, said) => {
    const broken = { ...JSON.parse(json), [key]: value };
    const error = refusal(() => readCardJson(JSON.stringify(broken)));
    expect(error.code).toBe('model');
    expect(error.message).toContain(said);
  });

  test('whatever a part of it becomes, it is read as a card or refused with a sentence', () => {
    const paths: (string | number)[][] = [];
    const collect = (value: unknown, at: (string | number)[]): void => {
      paths.push(at);
      if (value && typeof value === 'object') for (const [k, v] of Object.entries(value)) collect(v, [...at, k]);
    };
    collect(JSON.parse(json), []);
    const put = (value: unknown, [key, ...rest]: (string | number)[], to: unknown): unknown => {
      if (key === undefined) return to;
      const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string, unknown>;
      copy[key] = put(copy[key], rest, to);
      return copy;
    };
    let refused = 0;
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.jsonValue(), (at, value) => {
        const content = JSON.stringify(put(JSON.parse(json), at, value));
        try {
          expect(readCardJson(content).schema).toBe(1);
        } catch (error) {
          refused++;
          expect(error).toBeInstanceOf(DynaError);
          expect((error as DynaError).code).toBe('model');
        }
      }),
      { numRuns: 1000, seed: 5 },
    );
    expect(refused).toBeGreaterThan(500);
  });

  test('random bytes flipped in the JSON never crash the reader', () => {
    fc.assert(
      fc.property(fc.nat(json.length - 1), fc.string({ maxLength: 3 }), (at, put) => {
        const content = json.slice(0, at) + put + json.slice(at + 1);
        try {
          readCardJson(content);
        } catch (error) {
          expect(error).toBeInstanceOf(DynaError);
        }
      }),
      { numRuns: 500, seed: 6 },
    );
  });
});
