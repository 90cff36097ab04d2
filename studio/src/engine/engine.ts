import { DynaError } from '../../../src/errors.ts';
import { Explainer } from './explain.ts';
import { OpenModel } from './model.ts';
import { threads } from './ort.ts';
import type { Checked, Engine, Inputs, Method, Opened, Ran, Seen, Thresholds, Timed, Why } from './protocol.ts';

/** The engine behind the messages: one model at a time. */
export class WorkerEngine implements Engine {
  #open: OpenModel | undefined;
  #explainer: Explainer | undefined;

  get #model(): OpenModel {
    if (!this.#open) throw new DynaError('usage', 'no model is open');
    return this.#open;
  }

  async open(bytes: Uint8Array): Promise<Opened> {
    const opened = await OpenModel.open(bytes);
    await this.#explainer?.close();
    await this.#open?.close();
    this.#explainer = undefined;
    this.#open = opened;
    return { card: opened.card, bytes: bytes.length, threads };
  }

  run(inputs: Inputs, thresholds: Thresholds): Promise<Ran> {
    return this.#model.run(inputs, thresholds);
  }

  observe(inputs: Inputs): Promise<Seen> {
    return this.#model.observe(inputs);
  }

  time(contenders: readonly Timed[], rounds: number): Promise<number[]> {
    return this.#model.time(contenders, rounds);
  }

  get #why(): Explainer {
    this.#explainer ??= new Explainer(this.#model);
    return this.#explainer;
  }

  why(input: Inputs, target: string, method: Method, thresholds: Thresholds): Promise<Why> {
    return this.#why.why(input, target, method, thresholds);
  }

  check(inputs: Inputs, target: string, thresholds: Thresholds): Promise<Checked> {
    return this.#why.check(inputs, target, thresholds);
  }

  gradientFile(target: string): Promise<Uint8Array> {
    return this.#why.file(target);
  }
}
