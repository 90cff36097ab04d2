import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { certifiedShirts, gated, modelOf, shirts } from './fixtures/shirts.ts';
import { toBytes } from './index.ts';

const program = `
import sys, onnx
for path in sys.argv[1:]:
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    print("checked", path, len(model.graph.node))
`;

/** A Python that can import onnx: the one that DYNANEURAL_PYTHON names, or python3. */
const python = [process.env.DYNANEURAL_PYTHON, 'python3']
  .filter((name) => name !== undefined)
  .find((name) => spawnSync(name, ['-c', 'import onnx']).status === 0);

const title = "the onnx package's full checker accepts what is shipped";
if (!python)
  console.warn(
    `NOT RUN: "${title}". It needs a Python with the package onnx: pip install onnx, and name it in DYNANEURAL_PYTHON.`,
  );

test.skipIf(!python)(title, async () => {
  const certified = await certifiedShirts();
  const files = {
    'rows.onnx': toBytes(certified),
    'branch.onnx': toBytes(certified, { form: 'branch' }),
    'uncertified.onnx': toBytes(modelOf(shirts())),
    'gated.onnx': toBytes(modelOf(gated())),
  };
  const folder = mkdtempSync(join(tmpdir(), 'dyna-check-'));
  try {
    const paths = Object.entries(files).map(([name, bytes]) => {
      const path = join(folder, name);
      writeFileSync(path, bytes);
      return path;
    });
    const { status, stdout, stderr } = spawnSync(python!, ['-c', program, ...paths], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout.match(/^checked/gm)).toHaveLength(paths.length);

    // The checker can say no: a file whose output lost its producer.
    const broken = Buffer.from(files['rows.onnx']);
    const at = broken.lastIndexOf('logits');
    broken.write('legits', at, 'latin1');
    writeFileSync(paths[0]!, broken);
    expect(spawnSync(python!, ['-c', program, paths[0]!]).status).not.toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
