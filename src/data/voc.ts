import { parseXml, XmlElement } from '@rgrove/parse-xml';
import { DynaError } from '../errors.ts';
import { areaOf, type LabelledBox, scaleBox } from './detection/box.ts';

/** An object as its annotation describes it, in pixels of the image. */
export type VocObject = Omit<LabelledBox, 'label'> & { readonly name: string; readonly difficult: boolean };

/** An image as its annotation describes it. */
export interface VocAnnotation {
  readonly width: number;
  readonly height: number;
  /** Cut to the image. */
  readonly objects: readonly VocObject[];
  /** How many boxes reached out of the image and were cut. */
  readonly cut: number;
  /** How many had no area inside and were left out. */
  readonly empty: number;
}

const wrong = (where: string, what: string, cause?: unknown): DynaError =>
  new DynaError('data', `${where} is no Pascal VOC annotation: ${what}`, {
    fix: 'XML with <size> and, for each <object>, <name> and <bndbox> is read, as VOC2012/Annotations has it',
    ...(cause === undefined ? {} : { cause }),
  });

const childrenOf = (element: XmlElement, name: string): XmlElement[] =>
  element.children.filter((c): c is XmlElement => c instanceof XmlElement && c.name === name);

/** The values of one element's children, with sentences for those that are missing or double. */
class Fields {
  constructor(
    private readonly element: XmlElement,
    private readonly where: string,
    private readonly path: string,
  ) {}

  one(name: string): XmlElement {
    const found = childrenOf(this.element, name);
    if (found.length !== 1) throw wrong(this.where, `${found.length || 'no'} <${name}> in ${this.path}`);
    return found[0]!;
  }
  inside(name: string): Fields {
    return new Fields(this.one(name), this.where, `<${name}> of ${this.path}`);
  }
  text(name: string): string {
    const text = this.one(name).text.trim();
    if (text === '') throw wrong(this.where, `<${name}> of ${this.path} is empty`);
    return text;
  }
  number(name: string): number {
    const text = this.text(name);
    const value = Number(text);
    if (!Number.isFinite(value))
      throw wrong(this.where, `<${name}> of ${this.path} is "${text}", a number is expected`);
    return value;
  }
}

function rootOf(text: string, where: string): XmlElement {
  let root: XmlElement | null;
  try {
    root = parseXml(text).root;
  } catch (cause) {
    // A parser that runs out of stack has met thousands of elements inside each other.
    const [why] = (cause instanceof RangeError ? 'it nests too deeply' : (cause as Error).message).split('\n');
    throw wrong(where, `it is not XML (${why})`, cause);
  }
  if (root?.name !== 'annotation') throw wrong(where, `its root is <${root?.name}>, <annotation> is expected`);
  return root;
}

/**
 * Reads an annotation of Pascal VOC (Everingham et al. 2010). Its boxes are pixel numbers from 1 on, both ends included: a box
 * from 1 to the width covers the whole image, and becomes [0, width] here.
 *
 * @param text the content of the XML file
 * @param where what the file is called in errors
 * @throws DynaError 'data' that names what is missing, double or no number
 * @example const { width, height, objects } = readVoc(readFileSync('Annotations/2007_000027.xml', 'utf8'))
 */
export function readVoc(text: string, where = 'the file'): VocAnnotation {
  const root = rootOf(text, where);
  const all = new Fields(root, where, '<annotation>');
  const size = all.inside('size');
  const [height, width] = [size.number('height'), size.number('width')];
  if (![height, width].every((v) => Number.isSafeInteger(v) && v >= 1))
    throw wrong(where, `its size is ${width}x${height}, whole numbers from 1 on are expected`);
  const objects: VocObject[] = [];
  let [cut, empty] = [0, 0];
  for (const [i, element] of childrenOf(root, 'object').entries()) {
    const object = new Fields(element, where, `object ${i + 1}`);
    const sides = object.inside('bndbox');
    const given = {
      left: sides.number('xmin') - 1,
      top: sides.number('ymin') - 1,
      right: sides.number('xmax'),
      bottom: sides.number('ymax'),
    };
    const box = scaleBox({ label: 0, ...given }, [1, 1], [height, width]);
    if (!(given.right > given.left && given.bottom > given.top && areaOf(box) > 0)) {
      empty++;
      continue;
    }
    if (areaOf(box) < areaOf(given)) cut++;
    const difficult = childrenOf(element, 'difficult').some((d) => d.text.trim() === '1');
    const { label: _, ...own } = box;
    objects.push({ name: object.text('name'), difficult, ...own });
  }
  return { width, height, objects, cut, empty };
}
