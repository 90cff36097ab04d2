import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DynaError } from '../errors.ts';
import { sizeOf } from '../graph/array.ts';
import { readIdx } from './idx.ts';

/** An IDX file of bytes. */
function idxOf(
  dims: number[],
  type = 8,
  body: Uint8Array = Uint8Array.from({ length: sizeOf(dims) }, (_, i) => i),
): Uint8Array {
  const head = new DataView(new ArrayBuffer(4 + 4 * dims.length));
  head.setUint8(2, type);
  head.setUint8(3, dims.length);
  dims.forEach((d, i) => {
    head.setUint32(4 + 4 * i, d);
  });
  return Buffer.concat([new Uint8Array(head.buffer), body]);
}

const shapes = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 4 });

describe('readIdx', () => {
  it('reads what was written, plain and packed', () => {
    fc.assert(
      fc.property(shapes, fc.boolean(), (dims, packed) => {
        const bytes = idxOf(dims);
        const array = readIdx(packed ? gzipSync(bytes) : bytes);
        expect(array.dims).toEqual(dims);
        expect(Array.from(array.data as Uint8Array)).toEqual(Array.from({ length: sizeOf(dims) }, (_, i) => i & 255));
      }),
    );
  });

  it.each([
    [9, 'int8', [0xff, 2], [-1, 2]],
    [11, 'int32', [0xff, 0xfe, 1, 0], [-2, 256]],
    [12, 'int32', [0, 1, 0, 0, 255, 255, 255, 255], [65536, -1]],
    [13, 'float32', [0x3f, 0xc0, 0, 0, 0xc0, 0, 0, 0], [1.5, -2]],
    [14, 'float64', [0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0], [1.5, -2]],
  ])('reads big-endian elements of type %i', (type, dtype, body, values) => {
    const array = readIdx(idxOf([2], type, Uint8Array.from(body)));
    expect([array.dtype, Array.from(array.data as Int32Array)]).toEqual([dtype, values]);
  });

  it('refuses every truncation and every extra byte, plain and packed, with one clear error', () => {
    fc.assert(
      fc.property(
        shapes,
        fc.boolean(),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (dims, packed, at) => {
          const whole = packed ? gzipSync(idxOf(dims)) : idxOf(dims);
          const cut = whole.subarray(0, Math.floor(at * whole.length));
          expect(() => readIdx(cut, 'cut.idx')).toThrow(DynaError);
          expect(() => readIdx(cut, 'cut.idx')).toThrow(/cut\.idx is (a truncated|truncated|not an IDX file)/);
          if (!packed) expect(() => readIdx(Buffer.concat([whole, Buffer.from([0])]))).toThrow(/too long/);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('never gives anything but a whole array or a DynaError for altered bytes', () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 });
    let refused = 0;
    fc.assert(
      fc.property(shapes, fc.boolean(), edits, (dims, packed, changes) => {
        const bytes = Uint8Array.from(packed ? gzipSync(idxOf(dims)) : idxOf(dims));
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        try {
          const array = readIdx(bytes);
          expect(array.data.length).toBe(sizeOf(array.dims));
        } catch (error) {
          if (!(error instanceof DynaError)) throw error;
          expect(error.code).toBe('data');
          refused++;
        }
      }),
      { numRuns: 1000 },
    );
    expect(refused).toBeGreaterThan(100);
  });

  it('says what a file begins with that is something else', () => {
    expect(() => readIdx(Buffer.from('<html>'), 'x')).toThrow(/x is not an IDX file: .*00 00 08 03, got 3c 68 74 6d/);
    expect(() => readIdx(new Uint8Array(0))).toThrow(/got nothing/);
  });

  it('does not believe a header that promises more than there is', () => {
    expect(() => readIdx(idxOf([0xffffffff, 0xffffffff], 14, new Uint8Array(8)))).toThrow(/truncated/);
  });
});
