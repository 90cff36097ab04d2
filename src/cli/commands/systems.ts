import { table } from '../../table.ts';
import type { Outcome } from '../context.ts';
import { openGallery, resultFolders } from '../gallery.ts';

/** Lists all systems of the gallery, with what was measured where there is a result. */
export async function systems(): Promise<Outcome> {
  const gallery = await openGallery();
  const rows = gallery.systems.map(({ id, title, claim, state }) => {
    const result = gallery.readResult(id, resultFolders());
    return { id, title, claim, state, measured: result ? gallery.headline(result) : null };
  });
  return {
    json: rows,
    text: [
      ...table(
        [
          ['id', 'state', 'measured'],
          ...rows.map((r) => [r.id, r.state, r.measured ?? (r.state === 'works' ? 'no result yet' : '')]),
        ],
        { left: [0, 1, 2], indent: 0 },
      ),
      '',
      'dyna system ID runs one; --quick takes about a minute and only shows that everything works.',
    ],
  };
}
