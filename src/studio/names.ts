/** A name that is not taken: the one that is wanted, or that with a number behind it. */
export function numbered(name: string, taken: readonly string[]): string {
  let found = name;
  for (let n = 2; taken.includes(found); n++) found = `${name} (${n})`;
  return found;
}

/**
 * The shortest ends of paths that tell them apart; a path that is there twice gets a number.
 *
 * @param paths absolute ones: of "model.onnx" and "a/model.onnx" nobody could tell the first by its end
 * @example namesOf(['/x/a/model.onnx', '/x/b/model.onnx', '/x/b/other.onnx']) // a/model.onnx, b/model.onnx, other.onnx
 */
export function namesOf(paths: readonly string[]): string[] {
  const split = paths.map((path) => path.split(/[\\/]/));
  const end = (parts: readonly string[], n: number): string => parts.slice(-n).join('/');
  const names: string[] = [];
  for (const [i, own] of split.entries()) {
    const others = split.filter((_, k) => paths[k] !== paths[i]);
    let n = 1;
    while (n < own.length && others.some((other) => end(other, n) === end(own, n))) n++;
    names.push(numbered(end(own, n), names));
  }
  return names;
}
