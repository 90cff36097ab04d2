import { numbered } from '../../../src/studio/names.ts';
import { attempt, chosen, current, openModel, own, view } from '../state/app.ts';
import { addDropped } from '../training/runs.ts';
import type { OwnInput } from './set.ts';
import { viewFor } from './view.ts';

/** Own inputs that are kept at hand. */
const KEPT = 12;

/** Shows an input of the user's; a drawing or camera picture replaces the one before. */
export function bring(input: OwnInput): void {
  const rest = own.value.filter((o) => o.name !== input.name);
  own.value = [input, ...rest].slice(0, KEPT);
  chosen.value = { kind: 'own', input };
}

const isModel = (name: string): boolean => /\.onnx$/i.test(name);
const isMetrics = (name: string): boolean => /\.jsonl$/i.test(name);

/** Takes a file that was dropped or chosen: a model, a training's metrics, or an input. */
async function take(file: File): Promise<void> {
  if (isModel(file.name)) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const beside = view.value === 'compare' && current.value !== undefined;
    await openModel(file.name, bytes, beside ? 'other' : 'current');
    if (!beside && view.value !== 'compare') view.value = 'explore';
    return;
  }
  if (isMetrics(file.name)) {
    addDropped(file.name, await file.text(), file.lastModified);
    view.value = 'training';
    return;
  }
  const session = current.value;
  if (!session) throw new Error(`"${file.name}": open a model first (an .onnx file that dynaneural wrote)`);
  const { shape } = session.card.preprocessing;
  const sort = viewFor(shape);
  if (!file.type.startsWith('image/') || !sort.read)
    throw new Error(
      `"${file.name}" is neither a model (.onnx), a ${sort.noun}, nor the metrics of a training (.jsonl)`,
    );
  const input = await sort.read(file, shape);
  const name = numbered(
    input.name,
    own.value.map((o) => o.name),
  );
  bring({ ...input, name });
}

/** Takes files one after another; what cannot be used is told. */
export async function takeFiles(files: Iterable<File>): Promise<void> {
  for (const file of files) await attempt(() => take(file));
}

/** Files may be dropped anywhere. */
export function acceptDrops(onOver: (over: boolean) => void): void {
  const carries = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
  addEventListener('dragover', (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    onOver(true);
  });
  addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) onOver(false);
  });
  addEventListener('drop', (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    onOver(false);
    void takeFiles([...(event.dataTransfer?.files ?? [])]);
  });
}
