/** A colour of the OKLCH space as #rrggbb (Ottosson 2020). */
export function oklch(lightness: number, chroma: number, hue: number): string {
  const angle = (hue * Math.PI) / 180;
  const [a, b] = [chroma * Math.cos(angle), chroma * Math.sin(angle)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  const byte = (v: number): string => {
    const c = Math.min(1, Math.max(0, v));
    const shown = c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055;
    return Math.round(255 * shown)
      .toString(16)
      .padStart(2, '0');
  };
  return `#${linear.map(byte).join('')}`;
}

/** Colour of the `rank`-th cheapest of `count` paths: from teal (cheap) over violet to orange (dear). */
export function pathColour(rank: number, count: number, dark: boolean): string {
  const t = count > 1 ? rank / (count - 1) : 0;
  return oklch(dark ? 0.77 : 0.52, dark ? 0.115 : 0.115, 190 + 215 * t);
}

/** Which place each path has among all, cheapest first. */
export function ranks(macs: readonly number[]): number[] {
  const order = macs.map((_, i) => i).sort((a, b) => macs[a]! - macs[b]! || a - b);
  const out = new Array<number>(macs.length);
  for (const [rank, i] of order.entries()) out[i] = rank;
  return out;
}
