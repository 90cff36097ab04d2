import { describe, expect, it } from 'vitest';
import { npy } from './fixtures/npy.ts';
import { readNpy } from './npy.ts';

describe('readNpy', () => {
  it('reads bytes and floats, whatever the length of the header', () => {
    const bytes = readNpy(npy('|u1', [2, 3], Uint8Array.of(1, 2, 3, 4, 5, 6)), 'a.npy');
    expect(bytes).toEqual({ dims: [2, 3], data: Uint8Array.of(1, 2, 3, 4, 5, 6) });
    for (const pad of [0, 1, 7]) {
      const floats = readNpy(npy('<f4', [3], Float32Array.of(0.5, -1, 2), pad), 'a.npy');
      expect(floats).toEqual({ dims: [3], data: Float32Array.of(0.5, -1, 2) });
    }
  });

  it('refuses what it would read wrongly', () => {
    const refused = (bytes: Uint8Array, words: string) => expect(() => readNpy(bytes, 'a.npy')).toThrow(words);
    refused(npy('<f8', [1], new Float64Array(1)), 'type "<f8"; uint8 (pixels) and float32 are supported');
    refused(npy('|u1', [2, 2], new Uint8Array(4), 0, true), 'column by column');
    refused(npy('|u1', [3], new Uint8Array(2)), 'should hold 3 bytes of data, got 2');
    refused(new TextEncoder().encode('PK zip archive'), 'a.npy is no .npy file');
  });
});
