import { pathByClass } from '../../../src/explain/algorithms.ts';
import { percent } from '../../../src/report/format.ts';
import { set } from '../state/app.ts';
import type { Session } from '../state/session.ts';
import { pathName, tones } from './tones.ts';

/** Which ways the inputs of each class take, at the knob's setting. */
export function PathByClass({ session }: { session: Session }) {
  const inputs = set.value!;
  const { n, paths } = session.outcome.value;
  const { table, ranks } = session.known.value;
  if (n === 0) return null;
  const traces = Array.from({ length: n }, (_, i) => table.paths[paths[i]!]!);
  const { classes } = session.card;
  const found = pathByClass(traces, inputs.labels.slice(0, n), classes.length);
  const values = (path: number): string => JSON.stringify(table.paths[path]!.rows.map((r) => r.value));
  const order = [...table.paths.keys()].sort((a, b) => ranks[a]! - ranks[b]!);
  const rows = order.flatMap((path) => {
    const row = found.paths.find((p) => JSON.stringify(p.taken) === values(path));
    return row ? [{ path, row }] : [];
  });
  const colours = tones(session);
  return (
    <section class="panel" aria-labelledby="paths-title">
      <header>
        <h2 id="paths-title">Who takes which way</h2>
        <span class="muted">share of each class's inputs on each way, at the knob's setting</span>
      </header>
      <div class="scroll">
        <table class="heat">
          <thead>
            <tr>
              <th scope="col">class</th>
              {rows.map(({ path }) => (
                <th key={path} scope="col">
                  {pathName(session, path)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {classes.map((name, c) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                {rows.map(({ path, row }) => (
                  <td
                    key={path}
                    style={{
                      background: `color-mix(in srgb, ${colours[path]} ${Math.round(45 * row.shares[c]!)}%, transparent)`,
                    }}
                  >
                    {percent(row.shares[c], 0)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
