import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dataset } from '../data/index.ts';
import { npy } from './fixtures/npy.ts';
import { ownLabels, withLabels } from './labels.ts';

const classes = ['cat', 'dog', 'owl'];
const bare = dataset({ name: 'photos', inputs: new Uint8Array(4), shape: [1, 1, 1] });
const photos = { ...bare, files: ['in/a.png', 'in/b.png', 'in/deep/a.png', 'in/c.png'] };
let home: string;
const file = async (name: string, content: string | Uint8Array): Promise<string> => {
  await writeFile(join(home, name), content);
  return join(home, name);
};

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dyna-labels-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

describe('labels', () => {
  it('come from a text, by name or number, with or without a heading', async () => {
    const plain = await withLabels(bare, await file('a.csv', 'cat\nDog\n2\nowl\n'), classes);
    expect([plain.classes, [...plain.labels]]).toEqual([classes, [0, 1, 2, 2]]);
    const headed = await withLabels(bare, await file('b.csv', 'label\r\ncat\r\ncat\r\n"dog"\r\n1\r\n'), classes);
    expect([...headed.labels]).toEqual([0, 0, 1, 1]);
  });

  it('find their images by file, in any order', async () => {
    const text = 'file,label\nin/deep/a.png,owl\nc.png,cat\n./in/a.png,dog\nb.png,0\n';
    expect([...(await withLabels(photos, await file('c.csv', text), classes)).labels]).toEqual([1, 0, 2, 0]);
    await expect(withLabels(bare, join(home, 'c.csv'), classes)).rejects.toThrow('the images are not files');
    const short = await file('d.csv', 'a.png,1\nb.png,1\nc.png,1\nd.png,1\n');
    expect([...(await withLabels(photos, short, classes)).labels]).toEqual([1, 1, 1, 1]);
    const missing = await file('e.csv', 'in/a.png,1\nx.png,1\nc.png,1\nd.png,1\n');
    await expect(withLabels(photos, missing, classes)).rejects.toThrow('has no label for in/b.png');
  });

  it('come from arrays of whole numbers', async () => {
    const long = await file('a.npy', npy('<i8', [4], BigInt64Array.from([2n, 1n, 0n, 0n])));
    expect([...(await withLabels(bare, long, classes)).labels]).toEqual([2, 1, 0, 0]);
    const bytes = await file('b.npy', npy('|u1', [4], Uint8Array.of(0, 1, 2, 3)));
    await expect(withLabels(bare, bytes, classes)).rejects.toThrow(/label 3 of image 3 .* is none of cat, dog, owl/);
    const floats = await file('c.npy', npy('<f4', [4], new Float32Array(4)));
    await expect(withLabels(bare, floats, classes)).rejects.toMatchObject({
      message: expect.stringContaining('whole numbers are supported'),
      fix: expect.stringContaining("astype('int64')"),
    });
  });

  it('lie with the images: by name in the order of the model, else in their own order where the model only counts', async () => {
    const own = { ...bare, classes: ['owl', 'cat'], labels: Int32Array.of(0, 1, 0, 1) };
    expect([...(await withLabels(own, 'folders', classes)).labels]).toEqual([2, 0, 2, 0]);
    expect([...ownLabels(own, ['0', '1'])!.labels]).toEqual([0, 1, 0, 1]);
    expect(ownLabels(own, ['0', '1', '2'])).toBeUndefined();
    // Folders "1" and "2" of classes "0" and "1" are neither these names nor surely in their order.
    expect(ownLabels({ ...own, classes: ['1', '2'] }, ['0', '1'])).toBeUndefined();
    expect([...ownLabels({ ...own, classes: ['1', '0'] }, ['0', '1'])!.labels]).toEqual([1, 0, 1, 0]);
    // Two classes of one name: the name tells neither.
    expect(ownLabels(own, ['owl', 'cat', 'Cat'])).toBeUndefined();
    await expect(withLabels(bare, 'folders', classes)).rejects.toThrow('photos has no labels');
    await expect(withLabels(own, 'folders', ['cat', 'dog'])).rejects.toThrow('has classes owl, cat, the model answers');
  });

  it('must fit', async () => {
    await expect(withLabels(bare, await file('f.csv', 'cat\n'), classes)).rejects.toThrow('has 1 labels, photos has 4');
    await expect(withLabels(bare, await file('g.csv', 'cat\nfox\ncat\ncat\n'), classes)).rejects.toThrow(
      'has the label "fox", the model answers with cat, dog, owl',
    );
  });
});
