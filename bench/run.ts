// npm run bench [-- NAME ...]    runs benchmarks and writes results/*.json; without names, all of them
const benches: Record<string, () => Promise<{ run(): Promise<void> }>> = {
  overhead: () => import('./overhead.ts'),
  training: () => import('./training.ts'),
  baselines: () => import('./baselines.ts'),
  demo: () => import('./demo.ts'),
  studio: () => import('./studio.ts'),
  conformance: () => import('./conformance.ts'),
  adapt: () => import('./adapt.ts'),
  saliency: () => import('./saliency.ts'),
  decisions: () => import('./decisions.ts'),
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in benches));
if (unknown.length > 0) {
  console.error(`unknown benchmark ${unknown.join(', ')}; known are ${Object.keys(benches).join(', ')}`);
  process.exit(2);
}
for (const name of wanted.length > 0 ? wanted : Object.keys(benches)) {
  console.log(`== ${name}`);
  await (await benches[name]!()).run();
}
