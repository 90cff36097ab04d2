/** How long work tells how far it is. Renderers are interchangeable: a terminal's bar, plain lines, nothing. */
export interface Progress {
  /** Begins a stretch of work of `total` units; one that still runs ends first. */
  start(title: string, total: number): void;
  /** `done` units are done; `fields` are shown beside the bar, in their order, and replace the former ones. */
  update(done: number, fields?: Readonly<Record<string, string>>): void;
  stop(): void;
}

/** Says nothing. */
export const silent: Progress = { start() {}, update() {}, stop() {} };

/** For work that tells (stage, done, total): each new stage begins a stretch of its own. */
export function stages(progress: Progress): (stage: string, done: number, total: number) => void {
  let current: string | undefined;
  return (stage, done, total) => {
    if (stage !== current) progress.start(stage, total);
    current = stage;
    progress.update(done);
  };
}
