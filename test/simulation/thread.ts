import { parentPort, workerData } from 'node:worker_threads';
import { hookLoading } from './load.ts';
import type { SabotageName } from './sabotages.ts';
import type { SeedReport, ThreadOrder } from './threads.ts';

const order = workerData as ThreadOrder;
const { sabotageOf } = await import('./sabotages.ts');
const sabotage = order.sabotage === undefined ? undefined : sabotageOf(order.sabotage as SabotageName);
const isBroken = order.isIntact !== true;
hookLoading(isBroken ? sabotage?.mutations : []);
// A replay prints whole stacks; here they are made and thrown away by the thousand.
Error.stackTraceLimit = 0;
const { runSeed } = await import('./simulate.ts');
const { flawsOf } = await import('./flaws.ts');

for (let index = 0; index < order.runs; index += 1) {
  const seed = order.seed + index * order.stride;
  const flaws = isBroken ? flawsOf(sabotage?.flaw) : {};
  const { wrong, faults, steps } = await runSeed(seed, {
    flaws,
    ...(sabotage?.bias === undefined ? {} : { bias: sabotage.bias }),
  });
  const report: SeedReport = { seed, wrong, faults: [...faults], steps };
  parentPort?.postMessage(report);
  if (order.stopsAtFirst && wrong.length > 0) break;
}
parentPort?.close();
