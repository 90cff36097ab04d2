// npm run figures: writes docs/systems.md, and the plots in it, from systems/ and results/*.json.
import { mkdirSync, writeFileSync } from 'node:fs';
import { galleryPage, plotSvg, readResult, systems } from '../systems/index.ts';

const committed = (id: string) => readResult(id, [new URL('../results/', import.meta.url)]);

/** docs/systems.md as the results say it should be. */
export const currentPage = (): string => galleryPage(systems, committed);

if (process.argv[1]?.endsWith('systems.ts')) {
  const docs = new URL('../docs/', import.meta.url);
  writeFileSync(new URL('systems.md', docs), currentPage());
  for (const { id, title } of systems) {
    const result = committed(id);
    const svg = result && (await plotSvg(result, title));
    if (!svg) continue;
    mkdirSync(new URL('systems/', docs), { recursive: true });
    writeFileSync(new URL(`systems/${id}.svg`, docs), svg);
  }
}
