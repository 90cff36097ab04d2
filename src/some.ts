/** A few of many names, as an error tells them. */
export const some = (names: readonly string[]): string =>
  names.length > 6 ? `${names.slice(0, 5).join(', ')}, ... (${names.length})` : names.join(', ');
