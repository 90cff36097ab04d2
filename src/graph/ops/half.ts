// float16 memory holds bit patterns (IEEE 754 binary16): 1 sign, 5 exponent, 10 fraction bits.

/** The number that a bit pattern stands for. */
export function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const even = (v: number): number => {
  const low = Math.floor(v);
  return v - low > 0.5 || (v - low === 0.5 && low % 2 === 1) ? low + 1 : low;
};

/** The bit pattern of the nearest half (ties to even; infinity beyond 65,504). */
export function halfBits(v: number): number {
  const sign = v < 0 || Object.is(v, -0) ? 0x8000 : 0;
  const a = Math.abs(v);
  if (Number.isNaN(v)) return 0x7e00;
  if (a >= 65520) return sign | 0x7c00;
  // A fraction that rounds up to 1024 carries into the exponent, as it should.
  if (a < 2 ** -14) return sign | even(a * 2 ** 24);
  let exponent = Math.floor(Math.log2(a));
  if (2 ** exponent > a) exponent--;
  else if (2 ** (exponent + 1) <= a) exponent++;
  return sign | (((exponent + 15) << 10) + even((a / 2 ** exponent - 1) * 1024));
}
