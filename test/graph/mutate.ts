import fc from 'fast-check';

/** Copies of `seed` with a few edits each: a byte changed, a run cut out, doubled or filled, the end cut off. */
export function mutationsOf(seed: Uint8Array, most = 6): fc.Arbitrary<Buffer> {
  const edit = fc.record({
    kind: fc.constantFrom('flip', 'cut', 'double', 'fill', 'truncate'),
    at: fc.nat(seed.length - 1),
    length: fc.oneof(fc.constant(1), fc.nat(40)),
    // The bytes that varints and lengths make most of come often.
    byte: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)),
  });
  return fc.array(edit, { minLength: 1, maxLength: most }).map((edits) => {
    let bytes = Buffer.from(seed);
    for (const { kind, at, length, byte } of edits) {
      const end = Math.min(at + length, bytes.length);
      if (kind === 'flip' && at < bytes.length) bytes[at] = byte;
      if (kind === 'fill') bytes.fill(byte, Math.min(at, end), end);
      if (kind === 'truncate' && length === 0) bytes = bytes.subarray(0, at);
      if (kind === 'cut') bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
      if (kind === 'double') bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(Math.min(at, end))]);
    }
    return bytes;
  });
}
