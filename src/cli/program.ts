import { Command } from 'commander';
import { version } from '../version.ts';
import type { AdaptOptions } from './commands/adapt.ts';
import type { BenchOptions } from './commands/bench.ts';
import type { CertifyOptions } from './commands/certify.ts';
import type { DemoOptions } from './commands/demo.ts';
import type { EvalOptions } from './commands/eval.ts';
import type { ExportOptions } from './commands/export.ts';
import type { RunOptions } from './commands/run.ts';
import type { StudioOptions } from './commands/studio.ts';
import type { SystemOptions } from './commands/system.ts';
import type { TrainOptions } from './commands/train.ts';
import { type CommonOptions, type Context, type Outcome, openContext, toJson } from './context.ts';
import { exitCode, report } from './exit.ts';
import {
  byteSize,
  fraction,
  imageSize,
  macs,
  numbers,
  oneOf,
  partSize,
  positive,
  share,
  wholeNumber,
} from './parse.ts';

/** What an action leaves behind; commander itself has no place for results. */
interface State {
  code: number;
  debug: boolean;
}

/**
 * The command line. Commands only describe themselves here; what they do is loaded when they are called, so that
 * `dyna --help` starts at once.
 *
 * @param args what stands after "dyna"
 * @returns the exit code: 0 ok, 1 failed, 2 usage, 130 interrupted
 * @example process.exitCode = await main(['info', 'model.onnx', '--json'])
 */
export async function main(args: readonly string[]): Promise<number> {
  const state: State = { code: exitCode.ok, debug: args.includes('--debug') };
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(state.code); // the reader (head, less) has seen enough
    throw error;
  });
  const program = build(state);
  try {
    await program.parseAsync(args, { from: 'user' });
    return state.code;
  } catch (error) {
    const names = program.commands.map((c) => c.name());
    const { code, message } = report(error, names, args[0]);
    if (message) process.stderr.write(`dyna: ${message}\n`);
    if (message && state.debug) process.stderr.write(`${stackOf(error)}\n`);
    return code;
  }
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\ncaused by: ${stackOf(error.cause)}`;
}

/** The command line with all that it takes. */
export function build(state: State): Command {
  const program = new Command('dyna')
    .description('Neural networks that spend compute only where an input needs it.')
    .version(version, '-v, --version')
    .exitOverride()
    .configureOutput({ outputError: () => {} }) // errors are told once, by main
    .showSuggestionAfterError()
    .addHelpText(
      'after',
      '\nExample:\n  $ dyna train multi-exit --data fashion-mnist --out out/shirts\n  $ dyna certify out/shirts --harm 0.5%\n  $ dyna run out/shirts/model.onnx shoe.png --budget 40%',
    );

  /** A command with the options that all have, and an example. */
  const command = (usage: string, description: string, examples: readonly string[], { json = true } = {}): Command => {
    const made = program.command(usage).description(description);
    if (json) made.option('--json', 'print the result as JSON, and nothing else, on stdout');
    made.option('-q, --quiet', 'no progress and no remarks').option('--debug', 'show where an error comes from');
    return made.addHelpText('after', `\nExample:\n${examples.map((e) => `  $ ${e}`).join('\n')}`);
  };

  /** Runs what a command does and prints what it gives. */
  const act = async (options: CommonOptions, work: (cx: Context) => Promise<Outcome>): Promise<void> => {
    const cx = await openContext(options);
    try {
      const { json, text, code } = await work(cx);
      cx.progress.stop();
      process.stdout.write(options.json ? `${toJson(json)}\n` : text.map((line) => `${line}\n`).join(''));
      state.code = code ?? exitCode.ok;
    } finally {
      cx.close();
    }
  };

  command('demo', 'train, certify, ship and time a net with exits, and write a report', [
    'dyna demo',
    'dyna demo --data mnist --out out/digits',
  ])
    .option('--data <set>', 'fashion-mnist or mnist (default: fashion-mnist, or mnist where that cannot be had)')
    .option('--out <folder>', 'where report.html and summary.json go', 'out/demo')
    .option('--seed <n>', 'decides weights, order and splits', wholeNumber('--seed', 0), 1)
    .option('--quick', 'a small form that only shows that everything works')
    .action((o: DemoOptions) => act(o, async (cx) => (await import('./commands/demo.ts')).demo(o, cx)));

  command(
    'train [net]',
    'train a net: multi-exit, plain or vit, or the path of a module whose default export is a net, or a function of { input, classes } that gives one',
    [
      'dyna train multi-exit --data fashion-mnist --epochs 4 --out out/shirts',
      'dyna train nets/small.mjs --data photos/ --size 32 --out out/photos',
      'dyna train --out out/shirts --resume',
    ],
  )
    .option('--data <set>', 'fashion-mnist, mnist, cifar10, or a folder of images (a sub-folder for each class)')
    .option('--out <folder>', 'the run folder (default: out/<net>)')
    .option('--resume', 'go on where the run in --out stopped, to the same weights')
    .option('--epochs <n>', 'default: 4', wholeNumber('--epochs'))
    .option('--batch <n>', 'images in a step; default: 64', wholeNumber('--batch'))
    .option('--lr <rate>', 'peak learning rate', positive('--lr'))
    .option('--clip <norm>', 'largest norm of the gradient; default: not clipped', positive('--clip'))
    .option('--seed <n>', 'decides weights, order and splits; default: 1', wholeNumber('--seed', 0))
    .option('--crop <pixels>', 'augment: shift images by up to so many pixels', wholeNumber('--crop'))
    .option('--flip', 'augment: mirror half of the images')
    .option('--tune <size>', 'items held back for tuning; default: 5000, or a fifth', partSize('--tune'))
    .option('--certify <size>', 'items held back for certifying; default: 5000, or a fifth', partSize('--certify'))
    .option('--test <size>', 'items held back where the data has no test split', partSize('--test'))
    .option('--size <size>', 'bring the images of a folder to 32 or 24x32', imageSize('--size'))
    .option('--channels <n>', '1 grey, 3 RGB', oneOf('--channels', ['1', '3']))
    .option('--metrics <file>', 'JSON lines (default: metrics.jsonl in the run folder)')
    .option('--checkpoint-every <steps>', 'besides the one at each end of an epoch', wholeNumber('--checkpoint-every'))
    .option('--threads <n>', 'of the engine; default: it chooses', wholeNumber('--threads'))
    .option('--studio', 'watch the training in a page')
    .action((net: string | undefined, o: TrainOptions) =>
      act(o, async (cx) => (await import('./commands/train.ts')).train(net, o, cx)),
    );

  command('eval <model>', 'accuracy, MACs and exits on the test split, at each operating point', [
    'dyna eval out/shirts',
    'dyna eval model.onnx --data mnist --budget 40%',
  ])
    .option('--data <set>', 'a data set or a folder of images (default: what the run was trained on)')
    .option('--budget <share>', 'one point only: the nearest certified one', share('--budget', { most: 'at most 1' }))
    .option('--limit <n>', 'only the first n images', wholeNumber('--limit'))
    .option('--batch <n>', 'images in a run; default: 256', wholeNumber('--batch'))
    .option('--threads <n>', 'of the engine; default: it chooses', wholeNumber('--threads'))
    .action((model: string, o: EvalOptions) =>
      act(o, async (cx) => (await import('./commands/eval.ts')).evaluate(model, o, cx)),
    );

  command('certify <run>', 'choose thresholds, and prove a bound on what the exits can do to the answers', [
    'dyna certify out/shirts --harm 0.5% --delta 0.1',
    'dyna certify out/photos --disagreement 2%',
  ])
    .option('--harm <share>', 'most inputs that only the full model gets right (default: 0.5%)', share('--harm'))
    .option('--loss <share>', 'most accuracy that may be lost, gains counted against it', share('--loss'))
    .option('--disagreement <share>', 'most inputs that are answered otherwise', share('--disagreement'))
    .option('--delta <p>', 'probability that the statement is wrong', share('--delta'), 0.1)
    .option('--threads <n>', 'of the engine; default: it chooses', wholeNumber('--threads'))
    .action((run: string, o: CertifyOptions) =>
      act(o, async (cx) => (await import('./commands/certify.ts')).certify(run, o, cx)),
    );

  command('export <run>', 'write a run as one ordinary ONNX file', [
    'dyna export out/shirts --out shirts.onnx',
    'dyna export out/shirts --out shirts-1.onnx --form branch',
    'dyna export out/shirts --out shirts.onnx --saliency shirts.saliency.onnx',
  ])
    .requiredOption('--out <file>', 'the ONNX file')
    .option(
      '--form <form>',
      'rows: any batch; branch: one input at a time',
      oneOf('--form', ['rows', 'branch']),
      'rows',
    )
    .option(
      '--views <views>',
      'weights that branches share: copies, or slices (every weight once: a smaller file)',
      oneOf('--views', ['copies', 'slices']),
      'copies',
    )
    .option(
      '--saliency <file>',
      'also write the gradients of its decisions by the input, as ONNX (what a decision looks at)',
    )
    .action((run: string, o: ExportOptions) =>
      act(o, async (cx) => (await import('./commands/export.ts')).exportRun(run, o, cx)),
    );

  command(
    'adapt <model>',
    'make an ONNX image classifier of any origin dynamic, with a bound on how often its answers change. No labels are needed.',
    [
      'dyna adapt resnet.onnx --data photos/ --max-disagreement 0.5% --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225',
      'dyna adapt resnet.onnx --data photos.npy --labels labels.csv --harm 0.5% --tune',
      'dyna adapt resnet.onnx --plan   # where exits could stand',
    ],
  )
    .option('--data <set>', 'typical inputs: a folder of images, a .npy file [n, C, H, W], or a data set by name')
    .option('--max-disagreement <share>', 'most inputs with another answer; default: 0.5%', share('--max-disagreement'))
    .option('--harm <share>', 'instead: most inputs answered wrongly where the original is right', share('--harm'))
    .option('--loss <share>', 'instead: most accuracy that may be lost, gains counted against it', share('--loss'))
    .option(
      '--labels <file>',
      'for harm and loss: .npy, text with a "label" or "file,label" a line, or "folders" (their names)',
    )
    .option('--delta <p>', 'probability that the statement is wrong', share('--delta'), 0.1)
    .option('--budget <share>', 'mean share of the MACs: the safest certified point within it', share('--budget'))
    .option('--tune', 'train the model itself too, from its own answers (and labels)')
    .option('--tune-epochs <n>', 'of that training; default: 4 to 40', wholeNumber('--tune-epochs'))
    .option('--skips', 'with --tune: also try gates that leave residual blocks out')
    .option(
      '--select-by <what>',
      'what decides which exits stay: time, measured here, or macs',
      oneOf('--select-by', ['time', 'macs']),
      'time',
    )
    .option('--exits <n>', 'most exits, 1 to 3', wholeNumber('--exits'), 2)
    .option('--exit-at <node...>', 'where exits are tried, by the names that --plan lists')
    .option('--plan', 'only list where exits could stand')
    .option('--out <file>', 'the ONNX file (default: <model>.dynamic.onnx)')
    .option('--report <file>', 'the page about it (default: beside the ONNX file)')
    .option('--no-report', 'no page')
    .option('--scale <s>', 'the model takes (pixel * scale - mean) / std; default: 1/255', fraction('--scale'))
    .option('--mean <m>', 'one number, or one for each channel; default: 0', numbers('--mean'))
    .option('--std <s>', 'one number, or one for each channel; default: 1', numbers('--std'))
    .option('--train <set>', 'other inputs to learn from; --data then only tunes and certifies')
    .option('--test <set>', 'further inputs, on which only the report looks')
    .option('--limit <n>', 'only n images of --data, evenly spread', wholeNumber('--limit'))
    .option('--epochs <n>', "of the heads' training", wholeNumber('--epochs'))
    .option('--memory <bytes>', 'most features in memory, such as 256M; default: 1 GiB', byteSize('--memory'))
    .option('--work <folder>', 'where an interrupted run goes on (default: <out>.work, removed at the end)')
    .option('--seed <n>', 'decides the split and how heads start', wholeNumber('--seed', 0), 1)
    .option('--rounds <n>', 'timed runs of one image; 0: none', wholeNumber('--rounds', 0), 300)
    .option(
      '--threads <n>',
      'of the engine; default: it chooses, and times are taken with one',
      wholeNumber('--threads'),
    )
    .action((model: string, o: AdaptOptions) =>
      act(o, async (cx) => (await import('./commands/adapt.ts')).adaptModel(model, o, cx)),
    );

  command('run <model> <images...>', 'classify image files', [
    'dyna run model.onnx shoe.png shirt.jpg',
    'dyna run model.onnx shoe.png --budget 40% --json',
  ])
    .option('--budget <share>', 'mean share of the full MACs', share('--budget', { most: 'at most 1' }))
    .option('--max-macs <n>', 'hard cap for each image, such as 30M', macs('--max-macs'))
    .action((model: string, images: string[], o: RunOptions) =>
      act(o, async (cx) => (await import('./commands/run.ts')).run(model, images, o, cx)),
    );

  command('info <model>', 'what is in a model: layers, decisions, costs, operating points, certificate', [
    'dyna info model.onnx',
    'dyna info resnet50.onnx   # any ONNX file',
  ]).action((model: string, o: CommonOptions) => act(o, async () => (await import('./commands/info.ts')).info(model)));

  command('bench <model>', 'time a model against its own full path, interleaved', [
    'dyna bench model.onnx',
    'dyna bench out/shirts --rounds 500',
  ])
    .option('--data <set>', 'a data set or a folder of images (default: the test split of a run, else noise)')
    .option('--budget <share>', 'the nearest certified point', share('--budget', { most: 'at most 1' }))
    .option('--rounds <n>', 'timed runs of one image; default: 300', wholeNumber('--rounds'))
    .option('--batch <n>', 'images in the batch; default: 64', wholeNumber('--batch'))
    .option('--threads <n>', 'of the engine; default: it chooses', wholeNumber('--threads'))
    .action((model: string, o: BenchOptions) =>
      act(o, async (cx) => (await import('./commands/bench.ts')).bench(model, o, cx)),
    );

  command(
    'studio [model]',
    'see where the compute goes, and turn the knob: a page that runs the model in the browser',
    [
      'dyna studio model.onnx --data fashion-mnist',
      'dyna studio out/shirts --with out/other',
      'dyna studio model.onnx --data photos/ --build site/   # static files for any web server',
    ],
  )
    .option('--data <set>', 'inputs to look at: a data set or a folder of images (default: the test split of a run)')
    .option('--limit <n>', 'inputs of it; default: 1000', wholeNumber('--limit'))
    .option('--with <model...>', 'further models, to compare')
    .option('--runs <run...>', 'further trainings to look at: run folders or metrics files')
    .option('--build <folder>', 'write the page and all it shows there, instead of serving it')
    .option('--port <n>', 'default: 4870, or any free one', wholeNumber('--port', 0))
    .option('--no-open', 'do not open the page in the browser')
    .action((model: string | undefined, o: StudioOptions) =>
      act(o, async (cx) => (await import('./commands/studio.ts')).studio(model, o, cx)),
    );

  command('systems', 'list the systems of the gallery: what works, what is planned, and what was measured', [
    'dyna systems',
  ]).action((o: CommonOptions) => act(o, async () => (await import('./commands/systems.ts')).systems()));

  command('system <id>', 'run a system of the gallery against its baselines; it goes on where it was stopped', [
    'dyna system early-exit --quick',
    'dyna system adaptive-depth --seeds 3',
    'dyna system backbone   # only the training that all systems share',
  ])
    .option('--quick', 'a small form of about a minute that only shows that everything works')
    .option('--seeds <n>', 'how often the decisions are trained; default: 3, quick: 1', wholeNumber('--seeds'))
    .option('--threads <n>', 'of the engine while it trains; default: it chooses', wholeNumber('--threads'))
    .option('--out <folder>', 'trained nets, plots, and results of quick runs', 'out/systems')
    .option('--results <folder>', 'where ID.json of a full run goes', 'results')
    .action((id: string, o: SystemOptions) =>
      act(o, async (cx) => (await import('./commands/system.ts')).system(id, o, cx)),
    );

  command('doctor', 'look whether everything is here: Node, the engine, memory, data', ['dyna doctor --json']).action(
    (o: CommonOptions) => act(o, async () => (await import('./commands/doctor.ts')).doctor()),
  );

  return program;
}
