import { sep } from 'node:path';
import type { Dataset } from '../data/index.ts';
import { DynaError } from '../errors.ts';
import { readBytes } from '../files.ts';
import { some } from '../some.ts';
import { readNpyIntegers } from './npy.ts';

/** The word that takes labels from where the images lie: names of sub-folders, or a data set's own labels. */
export const OWN_LABELS = 'folders';

type Images = Dataset & { readonly files?: readonly string[] };

/** The number of a class of the model, by its name or its number. */
function classNumber(text: string, classes: readonly string[], numbers: ReadonlyMap<string, number>): number {
  const byName = numbers.get(text.toLowerCase());
  if (byName !== undefined) return byName;
  const number = /^\d+$/.test(text) ? Number(text) : -1;
  return number >= 0 && number < classes.length ? number : -1;
}

/** Numbers of the classes whose names tell which one is meant. */
function numbersOf(classes: readonly string[]): ReadonlyMap<string, number> {
  const names = classes.map((name) => name.toLowerCase());
  const twice = new Set(names.filter((name, i) => names.indexOf(name) !== i));
  return new Map(names.flatMap((name, i) => (twice.has(name) ? [] : [[name, i] as const])));
}

/**
 * Images with the labels that lie with them, in the model's order of classes: matched by name, or where the model names
 * its classes by numbers only, by their order. Undefined where there are none or they are of other classes.
 */
export function ownLabels(ds: Dataset, classes: readonly string[]): Dataset | undefined {
  if (ds.classes.length === 0) return undefined;
  const numbers = numbersOf(classes);
  const unnamed = classes.every((name, i) => name === String(i));
  const named = ds.classes.map((name) => numbers.get(name.toLowerCase()));
  // All by name or all by order: folders "1" to "10" of classes "0" to "9" are in an order of their own.
  const byOrder = unnamed && ds.classes.length === classes.length && named.every((n) => n === undefined);
  const to = byOrder ? ds.classes.map((_, i) => i) : named;
  if (to.includes(undefined)) return undefined;
  return { ...ds, classes: [...classes], labels: ds.labels.map((l) => to[l]!) };
}

/**
 * Images with labels of the model's classes, from a file or from where they lie.
 *
 * @param from "folders", a .npy file of class numbers [n], or a text with one label, or "file,label", in each line
 * @throws DynaError 'data' for labels that are missing, too many, or not of the model
 */
export async function withLabels(ds: Images, from: string, classes: readonly string[]): Promise<Dataset> {
  if (from === OWN_LABELS) {
    const own = ownLabels(ds, classes);
    if (own) return own;
    const what = ds.classes.length > 0 ? `classes ${some(ds.classes)}` : 'no labels';
    throw new DynaError('data', `${ds.name} has ${what}, the model answers with ${some(classes)}`, {
      fix: 'name sub-folders as the model names its classes, or give a file of labels',
    });
  }
  const bytes = await readBytes(from);
  const labels = from.endsWith('.npy') ? readNpyIntegers(bytes, from) : textLabels(bytes, from, ds, classes);
  if (labels.length !== ds.length)
    throw new DynaError('data', `${from} has ${labels.length} labels, ${ds.name} has ${ds.length} images`);
  const wrong = labels.findIndex((l) => !(l >= 0 && l < classes.length));
  if (wrong >= 0)
    throw new DynaError('data', `label ${labels[wrong]} of image ${wrong} in ${from} is none of ${some(classes)}`);
  return { ...ds, classes: [...classes], labels: Int32Array.from(labels) };
}

function textLabels(bytes: Uint8Array, from: string, ds: Images, classes: readonly string[]): number[] {
  const lines = new TextDecoder()
    .decode(bytes)
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .map((line) => line.split(',').map((cell) => cell.trim().replace(/^"(.*)"$/, '$1')));
  const numbers = numbersOf(classes);
  const number = (cells: readonly string[]) => classNumber(cells.at(-1)!, classes, numbers);
  const body = lines.length === ds.length + 1 && number(lines[0]!) < 0 ? lines.slice(1) : lines; // a heading
  const unknown = body.find((cells) => number(cells) < 0);
  if (unknown)
    throw new DynaError('data', `${from} has the label "${unknown.at(-1)}", the model answers with ${some(classes)}`);
  if (body.every((cells) => cells.length === 1)) return body.map(number);
  if (!ds.files)
    throw new DynaError('data', `${from} names files, but the images are not files`, {
      fix: 'give one label a line, in the order of the images',
    });
  const path = (file: string): string => file.split(sep).join('/');
  const known = new Map(body.map((cells) => [cells[0]!.replace(/^\.\//, ''), number(cells)]));
  return ds.files.map((file) => {
    const parts = path(file).split('/');
    for (let i = 0; i < parts.length; i++) {
      const label = known.get(parts.slice(i).join('/'));
      if (label !== undefined) return label;
    }
    throw new DynaError('data', `${from} has no label for ${file}`);
  });
}
