/** The studio's other half: packs models, inputs and trainings for the page, serves them on this machine or writes them out. */
export { openInBrowser } from './browser.ts';
export { QUIET_MS } from './events.ts';
export { requireFormerBuild } from './former.ts';
export { readEnding, requireMetrics } from './metrics-file.ts';
export { namesOf } from './names.ts';
export { dataFiles, type Exhibits, type Manifest, type MetricsSource, type PackedInputs } from './pack.ts';
export { type ServeOptions, type Studio, serveStudio } from './serve.ts';
export { content, pageFiles, type Site, type SiteFile, writeSite } from './site.ts';
