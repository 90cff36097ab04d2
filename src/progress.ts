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
