import { bccd } from 'dynaneural';
import { type DetectionSet, detectionSet, detectionSubset, type LabelledBox } from 'dynaneural/data';
import type { Context } from '../shared/context.ts';
import type { Shape } from './detector.ts';

/** What each part is for; the split is the official one. */
export interface Cells {
  /** Each image, and its three mirror images. */
  readonly train: DetectionSet;
  /** Thresholds, and which edges a static net keeps. */
  readonly val: DetectionSet;
  /** Only reported on. */
  readonly test: DetectionSet;
}

type Mirror = readonly [acrossWidth: boolean, acrossHeight: boolean];

/** A box in an image that is mirrored so. */
export function mirroredBox<B extends LabelledBox>(
  box: B,
  [x, y]: Mirror,
  [height, width]: readonly [number, number],
): B {
  const { left, right, top, bottom } = box;
  return {
    ...box,
    ...(x ? { left: width - right, right: width - left } : {}),
    ...(y ? { top: height - bottom, bottom: height - top } : {}),
  };
}

/** An image and its mirror images, one after another, with their boxes: the loader's own changes would move pixels only. */
export function withMirrors(set: DetectionSet): DetectionSet {
  const [channels, height, width] = set.shape as [number, number, number];
  const size = channels * height * width;
  const mirrors: readonly Mirror[] = [
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ];
  const inputs = new Uint8Array(mirrors.length * set.inputs.length);
  for (let i = 0; i < set.length; i++)
    for (const [m, [x, y]] of mirrors.entries()) {
      const to = (i * mirrors.length + m) * size;
      for (let row = 0; row < channels * height; row++) {
        const plane = Math.floor(row / height);
        const from = y ? (2 * plane + 1) * height - 1 - row : row;
        const line = set.inputs.subarray(i * size + from * width, i * size + (from + 1) * width);
        inputs.set(line, to + row * width);
        if (x) inputs.subarray(to + row * width, to + (row + 1) * width).reverse();
      }
    }
  const { mean, std, objectClasses } = set;
  return detectionSet({
    ...{ name: `${set.name}, mirrored`, inputs, shape: [channels, height, width], mean, std, objectClasses },
    boxes: set.boxes.flatMap((list) => mirrors.map((m) => list.map((b) => mirroredBox(b, m, [height, width])))),
  });
}

const QUICK = { train: 24, val: 16, test: 16 };

/** BCCD at the size of the net, fetched where it is not on this machine; the quick form keeps a small part. */
export async function cells(cx: Context, { size }: Shape): Promise<Cells> {
  let file = '';
  const onProgress = (p: { file: string; received: number; total: number }) => {
    if (p.file !== file) cx.progress.start(`download ${p.file}`, p.total);
    file = p.file;
    cx.progress.update(p.received);
  };
  const open = async (split: 'train' | 'val' | 'test') => {
    const set = await bccd(split, { size, onProgress, onNote: cx.note, ...(cx.signal ? { signal: cx.signal } : {}) });
    if (!cx.quick) return set;
    return detectionSubset(
      set,
      Array.from({ length: Math.min(set.length, QUICK[split]) }, (_, i) => i),
    );
  };
  const [train, val, test] = [await open('train'), await open('val'), await open('test')];
  if (file) cx.progress.stop();
  return { train: withMirrors(train), val, test };
}

/** For a result's `data` field. */
export const describe = ({ train, val, test }: Cells, { size }: Shape): string =>
  `BCCD at ${size[1]}x${size[0]}: ${train.length / 4} train (and their mirror images), ${val.length} val, ${test.length} test (official split)`;
