import { type Dataset, takeBatch } from '../../data/index.ts';
import { DynaError } from '../../errors.ts';
import { encodeModel, toOnnx } from '../../graph/index.ts';
import { compile, type SessionOptions } from '../../runtime/index.ts';
import { asStored } from '../layout.ts';
import { giving } from '../meaning.ts';
import { refuseInfinite } from './finite.ts';
import type { Foreign } from './foreign.ts';
import { compileOriginal } from './original.ts';
import { rowsOf } from './reference.ts';

/** Images that are compared; the original may take them one by one only. */
const COUNT = 3;
/** Of the largest value; wide enough for files that compute in 16 bits. */
const TOLERANCE = 5e-3;

/**
 * Compares what was read with the file itself: the file gets some images one by one, the graph all of them as one batch.
 * Exits are put into the graph, while their answers are held against the file: the two must be the same net.
 *
 * @throws DynaError 'model' where they answer differently, 'data' where the file answers with what is no number
 * @example await checkFaithful(bytes, readForeign(bytes), images)
 */
export async function checkFaithful(
  original: Uint8Array,
  foreign: Foreign,
  images: Dataset,
  session?: SessionOptions,
): Promise<void> {
  const { names, layout } = foreign;
  const { x } = takeBatch(
    images,
    Int32Array.from({ length: Math.min(COUNT, images.length) }, (_, i) => i),
  );
  const outputs = { [names.output]: giving(foreign.logits, foreign.output) };
  const read = encodeModel(toOnnx(outputs, { weights: foreign.weights }));
  const [before, after] = [await compileOriginal(original, session), await compile(read, session)];
  try {
    const got = (await after.run({ [names.input]: x }))[names.output]!.data as Float32Array;
    const width = foreign.classes.length;
    for (let i = 0; i < x.dims[0]!; i++) {
      const one = await before.run({ [names.input]: asStored(rowsOf(x, i, 1), layout) });
      const want = one[names.output]!.data as Float32Array;
      refuseInfinite(want);
      const scale = Math.max(1, ...want.map(Math.abs));
      const worst = Math.max(...want.map((v, k) => Math.abs(v - got[i * width + k]!)));
      if (!(worst <= TOLERANCE * scale))
        throw new DynaError(
          'model',
          `the model answers otherwise as it was read than as the file stands (image ${i}: off by ${worst.toPrecision(2)})`,
          { fix: foreign.single ? 'export it with an open batch axis' : 'export it with opset 17, simplified' },
        );
    }
  } finally {
    await Promise.all([before.close(), after.close()]);
  }
}
