// npm run bench -- training
// One training step of ResNet-20 (32x32, batch 64, SGD with momentum): ours as train() runs it, and PyTorch's on the same
// machine in the same minutes, in turns. Python is $DYNANEURAL_PYTHON, or python3, with torch and numpy installed.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { dataset, takeBatch } from '../src/data/index.ts';
import { median } from '../src/deploy/robust.ts';
import { net, parametersOf } from '../src/dynamic/index.ts';
import { type NDArray, ndarray } from '../src/graph/index.ts';
import { classify, conv, materialize, residual, sgd } from '../src/nn/index.ts';
import { blockSize, openStateInWorker } from '../src/runtime/index.ts';
import { flatten, layoutOf } from '../src/train/layout.ts';
import { settingsOf } from '../src/train/options.ts';
import { trainingGraphs } from '../src/train/step.ts';
import { writeResult } from './results.ts';

const BATCH = 64;
const ROUNDS = 12;
const STEPS = 6;
/** Figures of a machine that does more than this beside us are not kept. */
const MOST_BUSY = 0.1;
/** Small enough that rounding differences do not grow over the steps: the losses can be compared to the end. */
const RATE = 0.001;

const resnet20 = () =>
  net({ name: 'resnet20', input: [3, 32, 32], classes: 10 }, (x) => {
    x = conv(x, 16, { norm: 'batch', activation: 'relu' });
    for (const width of [16, 32, 64])
      for (let i = 0; i < 3; i++) x = residual(x, width, { stride: width > 16 && i === 0 ? 2 : 1 });
    return classify(x);
  });

/** Pixels that look random and are the same each time. */
function someBatch() {
  const inputs = Uint8Array.from(
    { length: BATCH * 3072 },
    (_, i) => ((Math.imul(i + 1, 2654435761) >>> 0) >> 13) & 255,
  );
  const labels = Int32Array.from({ length: BATCH }, (_, i) => (i * 7) % 10);
  const data = dataset({
    inputs,
    labels,
    shape: [3, 32, 32],
    classes: [...'0123456789'],
    mean: [0.5, 0.5, 0.5],
    std: [0.25, 0.25, 0.25],
  });
  return {
    data,
    batch: takeBatch(
      data,
      Uint32Array.from({ length: BATCH }, (_, i) => i),
    ),
  };
}

interface Steps {
  readonly ms: readonly number[];
  readonly losses: readonly number[];
}

async function openOurs() {
  const { data, batch } = someBatch();
  const traced = resnet20();
  const settings = settingsOf({ data, epochs: 1, batch: BATCH, optimizer: sgd({ momentum: 0.9 }) });
  const block = await blockSize();
  const graphs = trainingGraphs(traced, { ...settings, block });
  const values = materialize(parametersOf(traced), 1);
  const weights = flatten(values, graphs.weights);
  const runner = await openStateInWorker(
    { train: graphs.train },
    {
      state: graphs.state,
      initial: {
        weights,
        momentum: ndarray('float32', weights.dims, new Float32Array(weights.data.length)),
        statistics: flatten(values, graphs.statistics),
      },
      session: settings.session,
    },
  );
  const step = async (): Promise<number> => {
    const { loss } = await runner.step({ x: batch.x, y: batch.y, lr: ndarray('float32', [], [RATE]) });
    return Number(loss!.data[0]);
  };
  // PyTorch reads kernels as they are, not in blocks.
  const plain = flatten(values, layoutOf(graphs.weights.params));
  return { step, block, batch, weights: plain, close: () => runner.close() };
}

async function times(step: () => Promise<number>): Promise<Steps> {
  const ms: number[] = [];
  const losses: number[] = [];
  for (let i = 0; i < STEPS; i++) {
    const start = performance.now();
    losses.push(await step());
    ms.push(performance.now() - start);
  }
  return { ms, losses };
}

/** The Python process, asked line by line. Undefined, with a word why, where it cannot run. */
async function openTorch(files: Record<string, NDArray>) {
  const python = process.env.DYNANEURAL_PYTHON ?? 'python3';
  const folder = mkdtempSync(join(tmpdir(), 'dynaneural-bench-'));
  for (const [name, { data }] of Object.entries(files))
    writeFileSync(join(folder, name), new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const script = fileURLToPath(new URL('training.py', import.meta.url));
  const child: ChildProcess = spawn(python, [script, folder, String(BATCH)], { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stderr!.on('data', (chunk: Buffer) => {
    said = (said + chunk).slice(-2000);
  });
  child.stdin!.on('error', () => undefined); // a process that ended says so below
  const ended = new Promise<undefined>((resolve) => {
    child.on('error', (error) => {
      said = error.message;
      resolve(undefined);
    });
    child.on('exit', () => resolve(undefined));
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const answer = async <T>(): Promise<T | undefined> => {
    const line = await Promise.race([lines.next(), ended]);
    return line && !line.done ? (JSON.parse(line.value) as T) : undefined;
  };
  const close = (): void => {
    child.stdin!.end();
    rmSync(folder, { recursive: true, force: true });
  };
  const about = await answer<{ torch: string; threads: number }>();
  if (!about) {
    close();
    await ended;
    console.error(`no PyTorch to compare with: ${python} said "${said.trim().split('\n').at(-1)}"`);
    console.error('set DYNANEURAL_PYTHON to a python with torch and numpy');
    return undefined;
  }
  const run = async (form: 'default' | 'channels_last'): Promise<Steps> => {
    child.stdin!.write(`${form} ${STEPS} ${RATE}\n`);
    const steps = await answer<Steps>();
    if (!steps) throw new Error(`PyTorch ended: ${said}`);
    return steps;
  };
  return { about, run, close };
}

/** Part of the machine that others took over half a second while we did nothing. */
async function busy(): Promise<number> {
  const total = () => {
    const times = cpus().map((c) => c.times);
    const idle = times.reduce((sum, t) => sum + t.idle, 0);
    return { idle, all: times.reduce((sum, t) => sum + t.user + t.nice + t.sys + t.idle + t.irq, 0) };
  };
  const before = total();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const after = total();
  return 1 - (after.idle - before.idle) / (after.all - before.all);
}

const speed = (ms: readonly number[]) => {
  const typical = median([...ms]);
  return {
    ms: Number(typical.toFixed(2)),
    fastestMs: Number(Math.min(...ms).toFixed(2)),
    imagesPerSecond: Math.round((BATCH * 1000) / typical),
  };
};

export async function run(): Promise<void> {
  const ours = await openOurs();
  const torch = await openTorch({ 'x.f32': ours.batch.x, 'y.i64': ours.batch.y, 'weights.f32': ours.weights });
  const all: Record<string, Steps[]> = { ours: [], torch: [], channelsLast: [] };
  const others: number[] = [];
  try {
    for (let round = 0; round < ROUNDS; round++) {
      others.push(await busy());
      all.ours!.push(await times(ours.step));
      if (!torch) continue;
      all.torch!.push(await torch.run('default'));
      all.channelsLast!.push(await torch.run('channels_last'));
    }
  } finally {
    torch?.close();
    await ours.close();
  }
  // The first round warms up. In each block of steps the first one finds the caches as the others left them.
  const typical = (name: string) => speed(all[name]!.slice(1).flatMap(({ ms }) => ms.slice(1)));
  const figures: Record<string, unknown> = { ours: typical('ours') };
  if (torch) {
    figures.torch = { ...typical('torch'), version: torch.about.torch, threads: torch.about.threads };
    figures.torchChannelsLast = typical('channelsLast');
    const rate = (name: string): number => (figures[name] as ReturnType<typeof speed>).imagesPerSecond;
    figures.ratio = Number((rate('ours') / rate('torch')).toFixed(3));
    figures.ratioChannelsLast = Number((rate('ours') / rate('torchChannelsLast')).toFixed(3));
    const losses = (name: string): number[] => all[name]!.flatMap((s) => s.losses);
    const apart = losses('ours').map((loss, i) => Math.abs(loss / losses('torch')[i]! - 1));
    figures.lossDifference = { first: apart[0], last: apart.at(-1), largest: Math.max(...apart) };
  }
  console.log(JSON.stringify(figures, null, 2));
  // Threads that wait for each other lose most on a busy machine: PyTorch's then fall behind many times over.
  const taken = median(others);
  if (taken > MOST_BUSY) {
    console.error(`other programs took ${Math.round(100 * taken)} % of the machine: nothing was written, run it again`);
    process.exitCode = 1;
    return;
  }
  await writeResult('training', 'npm run bench -- training', {
    what: `one step of ResNet-20, 3x32x32, batch ${BATCH}, SGD with momentum; medians of ${(ROUNDS - 1) * (STEPS - 1)} steps`,
    block: ours.block ?? null,
    busyOtherwise: Number(taken.toFixed(3)),
    ...figures,
  });
}
