import { expect, test } from 'vitest';
import { wallClock } from '#shared/adapters/clock.ts';
import { createMemoryTelemetry } from '#shared/adapters/telemetry/memory.ts';
import { startThreads, type Threads } from '#worker/threads.ts';

const preamble = `
  import { parentPort, workerData } from 'node:worker_threads';
  const tell = (report) => parentPort.postMessage(report);
  const isFirst = workerData.thread === 0;
  const stopped = new Promise((resolve) => parentPort.once('message', resolve));`;
/** It hands over when it is asked to. What is told first comes first. */
const good = `
  tell({ kind: 'metric', name: 'leases', value: 2, labels: { thread: String(workerData.thread) } });
  tell({ kind: 'alive', isReady: true, isMoving: false });
  await stopped;
  tell({ kind: 'stopped' });`;

function start(program: string) {
  const telemetry = createMemoryTelemetry();
  const threads = startThreads({
    program: new URL(`data:text/javascript,${encodeURIComponent(preamble + program)}`),
    count: 2,
    stateMb: 10,
    heapMb: 16,
    clock: wallClock,
    telemetry,
    handOverMsMax: 1_000,
  });
  return { threads, telemetry };
}

async function ready(threads: Threads): Promise<void> {
  while (!threads.isReady()) await wallClock.sleep(5);
}

test('all hand over, and what they measure is told', async () => {
  const { threads, telemetry } = start(good);
  await ready(threads);
  expect(threads.isMoving()).toBe(false);
  expect(telemetry.samples()).toMatchObject([
    { name: 'leases', value: 2 },
    { name: 'leases', value: 2 },
  ]);
  threads.stop();
  expect(threads.isReady()).toBe(false);
  expect(await threads.ended).toBe(true);
});

test.each([
  ['throws', `if (isFirst) throw new Error('no such table');`, /no such table/],
  [
    'uses up its memory',
    `if (isFirst) for (const all = []; ; ) all.push(new Array(1e4).fill({}).map(() => ({})));`,
    /memory/,
  ],
  ['exits', 'if (isFirst) process.exit(3);', /status 3/],
])('when one %s the other hands over, and the process is to end', async (_, fault, message) => {
  const { threads, telemetry } = start(fault + good);
  expect(await threads.ended).toBe(false);
  expect(telemetry.lines).toMatchObject([
    { level: 'error', fields: { thread: '0', error: expect.stringMatching(message) } },
  ]);
});

test('one that hangs is not waited for when another has failed', async () => {
  const { threads } = start(
    `if (isFirst) throw new Error('gone'); await new Promise((resolve) => setTimeout(resolve, 5_000));`,
  );
  expect(await threads.ended).toBe(false);
});

test('a thread that computes all the time keeps nobody from asking, and is seen to be busy', async () => {
  const { threads } = start(
    `tell({ kind: 'metric', name: 'millis_behind_latest', value: 7_000, labels: { shard: 'a' } });
     tell({ kind: 'alive', isReady: true, isMoving: false });
     if (isFirst) for (const end = Date.now() + 3_000; Date.now() < end; );
     await stopped; tell({ kind: 'stopped' });`,
  );
  await ready(threads);
  let [busy, idle] = threads.loads();
  // How long they take to begin is the machine's business.
  while (busy === undefined || idle === undefined || busy.busyRatio <= 0.9 || idle.busyRatio >= 0.5) {
    await wallClock.sleep(100);
    [busy, idle] = threads.loads();
  }
  expect(idle.behindMs).toBe(7_000);
  threads.stop();
  await threads.ended;
});
