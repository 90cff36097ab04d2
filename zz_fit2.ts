import * as g from './src/graph/index.ts';
import { compile } from './src/runtime/index.ts';
import { conv, residual, classify, sgd, materialize } from './src/nn/index.ts';
import { net, exit, parametersOf } from './src/dynamic/index.ts';
import { trainingGraphs, train } from './src/train/index.ts';
import { flatten } from './src/train/layout.ts';
import { fashionMnist, loader, subset } from './src/data/index.ts';
const fashion = net({ input: [1, 28, 28], classes: 10 }, (x) => classify(conv(x, 4, { norm: "batch", activation: "relu", stride: 2 })));
const ds = subset(await fashionMnist('train'), Int32Array.from({ length: 6400 }, (_, i) => i));
const optimizer = sgd({ momentum: 0.9, weightDecay: 5e-4 });
const w = materialize(parametersOf(fashion), 1);
const graphs = trainingGraphs(fashion, { batch: 64, optimizer });
const f0: any = { weights: flatten(w, graphs.weights), momentum: g.ndarray('float32', [graphs.weights.size], new Float32Array(graphs.weights.size)), statistics: flatten(w, graphs.statistics), lr: g.ndarray('float32', [], [0.05]) };
const session = { extra: { session: { intra_op: { allow_spinning: '0' } } } };
const bareT: number[] = [], trainT: number[] = [], loopT: number[] = [];
for (let round = 0; round < 3; round++) {
  const r = await compile(graphs.train, session);
  let f = { ...f0 };
  for (const b of loader(ds, { batch: 64, seed: 1, shuffle: true, dropLast: true }).epoch(0)) {
    const t = performance.now();
    const o = await r.run({ ...f, x: b.x, y: b.y });
    f = { ...f, weights: o['weights/next'], momentum: o['momentum/next'], statistics: o['statistics/next'] };
    bareT.push(performance.now() - t);
    if (bareT.length % 34 === 0) break;
  }
  await r.close();
  let last = 0;
  const t0 = performance.now();
  let n = 0;
  const h = await train(fashion, { data: ds, epochs: 1, batch: 64, optimizer, augment: { crop: 2, flip: true }, checkpoint: '/tmp/zzck' + process.pid + round, onProgress: () => {}, schedule: (s) => { const now = performance.now(); if (last && s > n) { trainT.push(now - last); } n = Math.max(n, s); last = now; return 0.05; } });
  loopT.push(h.training.seconds * 1000 / 100);
}
const q = (a: number[], p: number) => [...a].sort((x, y) => x - y)[Math.floor(a.length * p)]!.toFixed(2);
for (const [k, a] of [['bare', bareT], ['train', trainT]] as const) console.log(k, a.length, 'min', q(a, 0), 'q10', q(a, .1), 'q25', q(a, .25), 'med', q(a, .5));
console.log('train mean by round', loopT);
