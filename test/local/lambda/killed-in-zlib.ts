import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { createTerminationFlags, terminate } from '#local/lambda/termination.ts';

// Starts threads that do nothing but make zlib handles, and kills each at some moment. Run by termination.test.ts, in a process of its
// own, because what is at stake is the process.

const [kills, unguarded] = process.argv.slice(2);
const guard = `
  const { guardZlib } = await import(${JSON.stringify(new URL('../../../local/lambda/termination.ts', import.meta.url).href)});
  guardZlib(workerData);`;
const program = `
  import { parentPort, workerData } from 'node:worker_threads';
  ${unguarded === undefined ? guard : ''}
  const { zstdCompressSync, zstdDecompressSync } = await import('node:zlib');
  const bytes = Buffer.alloc(100, 'x');
  parentPort.postMessage('begun');
  for (;;) { zstdDecompressSync(zstdCompressSync(bytes)); }`;
const url = new URL(`data:text/javascript,${encodeURIComponent(program)}`);

for (let kill = 0; kill < Number(kills); kill += 1) {
  const flags = createTerminationFlags();
  const worker = new Worker(url, { workerData: flags });
  await new Promise((resolve) => worker.once('message', resolve));
  await setTimeout(Math.random() * 4);
  await (unguarded === undefined ? terminate(worker, flags) : worker.terminate());
}
