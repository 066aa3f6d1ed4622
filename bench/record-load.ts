import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { portsOf } from '#cli/ports.ts';
import { localClient } from '#local/client.ts';
import { startStack } from '#local/stack.ts';
import { bursts } from '#pipelines/bursts.ts';
import { createKinesisExchange } from '#shared/adapters/kinesis/exchange.ts';
import { createMemoryTelemetry } from '#shared/adapters/telemetry/memory.ts';
import { compile } from '#shared/engine/compile/compile.ts';
import { slotHashKey } from '#shared/engine/keys/key.ts';
import { encodeBlock } from '#shared/runtime/block-codec.ts';
import { flowBlock } from './flow-block.ts';

// `node bench/record-load.ts FILE` writes what a worker tells of its load while the traffic rises and falls, and when it is killed on the way.
// test/shared/engine/slots/drain.test.ts plays it back.

/** What one look at the worker's metrics shows. */
interface Sample {
  readonly second: number;
  readonly recordsPerSecond: number;
  readonly busyRatio: number;
  readonly behindMs: number;
  readonly drainLoad: number;
}

/** Blocks a second, for `stepSeconds` each; the worker is killed in the second half of the highest. Then time to catch up. */
const steps = [1, 5, 15, 40, 40, 5, 1, 1, 1, 1];
const killedStep = 4;
const stepSeconds = 20;
const drainSeconds = 60;
const recordsPerBlock = 5_000;
const keysPerSlot = 2_000;
const blocksPerPut = 50;
const tickMs = 50;
const sampleMs = 1_000;

const [file = ''] = process.argv.slice(2);
const stack = await startStack({
  pipeline: bursts,
  folder: mkdtempSync(join(tmpdir(), 'millrace-bench-')),
  ports: portsOf('0'),
  throttle: false,
  props: { exchangeShards: 4, worker: { drainSeconds, leaseSeconds: 3 } },
  onLine: () => undefined,
});
const startMs = Date.now();
const stepAt = (): number => Math.floor((Date.now() - startMs) / 1_000 / stepSeconds);
const samples: Sample[] = [];
await Promise.all([pushBlocks(), takeSamples()]);
const text = samples.map((sample) => `    ${JSON.stringify(sample)}`).join(',\n');
writeFileSync(file, `{\n  "drainSeconds": ${drainSeconds},\n  "samples": [\n${text}\n  ]\n}\n`);
await stack.stop();
process.exit(0);

/** Straight into the exchange: the functions before it would be the slower part, and it is the worker whose load is recorded. */
async function pushBlocks(): Promise<void> {
  const exchange = createKinesisExchange({
    client: new KinesisClient(localClient(stack.endpoints.kinesis)),
    streamName: stack.exchangeStream,
    telemetry: createMemoryTelemetry(),
  });
  const compiled = compile(bursts);
  let sequence = 0;
  let due = 0;
  for (let beforeMs = Date.now(), step = 0; step < steps.length; step = stepAt()) {
    due += ((steps[step] ?? 0) * (Date.now() - beforeMs)) / 1_000;
    beforeMs = Date.now();
    const blocks = [];
    for (; due >= 1 && blocks.length < blocksPerPut; due -= 1) {
      sequence += 1;
      const slot = sequence % compiled.slots;
      const keys = Array.from(
        { length: recordsPerBlock },
        (_, index) => slot * keysPerSlot + ((index * 7_919) % keysPerSlot),
      );
      const bytes = encodeBlock(flowBlock(compiled, { slot, sequence, keys }));
      blocks.push({ slot, explicitHashKey: String(slotHashKey(slot, compiled.slots)), bytes });
    }
    if (blocks.length > 0) await exchange.put(blocks);
    await setTimeout(tickMs);
  }
}

async function takeSamples(): Promise<void> {
  let isKilled = false;
  for (let step = 0; step < steps.length; step = stepAt()) {
    await setTimeout(sampleMs);
    if (step === killedStep && !isKilled) isKilled = stack.worker?.kill(0) ?? false;
    const [url] = stack.worker?.urls() ?? [];
    // A worker that is not there says nothing, as CloudWatch would have it.
    const metrics =
      url === undefined
        ? undefined
        : await fetch(`${url}/metrics`).then(
            (answer) => answer.text(),
            () => undefined,
          );
    if (metrics === undefined || !metrics.includes('millrace_drain_load')) continue;
    const gauge = (name: string): number =>
      Math.max(
        0,
        ...[...metrics.matchAll(new RegExp(`^millrace_${name}\\{.*\\} (\\S+)$`, 'gm'))].map(([, value]) =>
          Number(value),
        ),
      );
    samples.push({
      second: Math.round((Date.now() - startMs) / 1_000),
      recordsPerSecond: (steps[step] ?? 0) * recordsPerBlock,
      busyRatio: Number(gauge('busy_ratio').toFixed(3)),
      behindMs: gauge('millis_behind_latest'),
      drainLoad: Number(gauge('drain_load').toFixed(3)),
    });
  }
}
