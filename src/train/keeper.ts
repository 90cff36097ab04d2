import { DynaError } from '../errors.ts';
import { makeFolder } from '../files.ts';
import { type Arrays, environment } from '../runtime/index.ts';
import { type Checkpoint, type Machine, machineChanges, openCheckpoint, saveCheckpoint } from './checkpoint.ts';
import type { Settings } from './options.ts';
import { differences, RatesDigest, type Recipe, recipeOf, refuseOther } from './recipe.ts';
import type { Reporter } from './reporter.ts';
import type { TrainingGraphs } from './step.ts';

/** A checkpoint folder and what in it belongs to this training. */
export class Keeper {
  readonly #folder: string;
  readonly #settings: Settings;
  readonly #total: number;
  readonly #recipe: Recipe;
  readonly #machine: Machine;
  readonly #rates: RatesDigest;
  /** Where a resumed training starts. */
  found: Checkpoint | undefined;
  /** The newest good checkpoint. */
  saved: { readonly path: string; readonly step: number } | undefined;

  private constructor(
    folder: string,
    settings: Settings,
    { scalars }: TrainingGraphs,
    total: number,
    recipe: Recipe,
    machine: Machine,
  ) {
    this.#folder = folder;
    this.#settings = settings;
    this.#total = total;
    this.#recipe = recipe;
    this.#machine = machine;
    this.#rates = new RatesDigest([settings.schedule, ...scalars.map((s) => s.schedule)], total);
  }

  /**
   * @throws DynaError 'training' when the folder holds another training, or this one and it should not be resumed; 'file'
   *   when its checkpoints are damaged or the folder cannot be made
   */
  static async open(folder: string, graphs: TrainingGraphs, settings: Settings, total: number): Promise<Keeper> {
    await makeFolder(folder);
    const { engineVersion, cpu, cores } = await environment();
    const threads = settings.session.intraOpNumThreads ?? 0;
    const recipe = recipeOf(graphs, settings.data, settings);
    const keeper = new Keeper(folder, settings, graphs, total, recipe, { engine: engineVersion, cpu, cores, threads });
    await keeper.#look();
    return keeper;
  }

  async #look(): Promise<void> {
    const { resume, onWarning } = this.#settings;
    const found = await openCheckpoint(this.#folder, onWarning);
    if (!found) return;
    const { path, checkpoint } = found;
    if (!resume) {
      if (checkpoint.step === 0) return;
      throw new DynaError('training', `${path} holds a training that stands at step ${checkpoint.step}`, {
        fix: 'continue it with resume, or choose another checkpoint folder',
      });
    }
    this.#checkSame(path, checkpoint);
    const changes = machineChanges(checkpoint.machine, this.#machine);
    if (changes.length > 0)
      onWarning(
        `${path} was written under other conditions: ${changes.join('; ')}; the last bits of the weights may differ from an unbroken run's`,
      );
    this.found = checkpoint;
    this.saved = { path, step: checkpoint.step };
  }

  #checkSame(path: string, { recipe, rates, step, epochs }: Checkpoint): void {
    const { epochs: planned } = this.#settings;
    const found = differences(recipe, this.#recipe);
    if (found.length === 0 && step > this.#total) found.push(`the epochs (${epochs} planned, now ${planned})`);
    if (found.length === 0 && rates !== this.#rates.upTo(step))
      found.push(`the learning rates of the ${step} steps done (${epochs} epochs planned, now ${planned})`);
    if (found.length > 0) throw refuseOther(path, found);
  }

  /** Writes the checkpoint after `step` steps. @throws DynaError 'file'; the one before stays whole */
  async save(step: number, state: Arrays, reporter: Reporter): Promise<void> {
    const path = await saveCheckpoint(this.#folder, {
      step,
      epochs: this.#settings.epochs,
      recipe: this.#recipe,
      rates: this.#rates.upTo(step),
      machine: this.#machine,
      ...reporter.state(),
      state,
    });
    this.saved = { path, step };
  }
}
