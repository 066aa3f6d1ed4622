import { expect, test } from 'vitest';
import type { EventSourceMapping, MappingCheckpoint } from '#local/event-source-mapping/mapping.ts';
import { createEventSourceMapping } from '#local/event-source-mapping/mapping.ts';
import { defaultSettings } from '#local/event-source-mapping/settings.ts';
import type { InvocationOutcome } from '#local/lambda/outcome.ts';
import { createStream, createVirtualClock, draw, failed, failedFrom, source, succeeded } from './world.ts';

const seedCount = Number(process.env['MILLRACE_SEEDS'] ?? 400);

test(`whatever the function answers, no record is skipped (${seedCount} seeds)`, async () => {
  for (let seed = 0; seed < seedCount; seed += 1) {
    const broken = await runSeed(seed);
    expect(broken, `seed ${seed}`).toEqual([]);
  }
}, 120_000);

/**
 * Runs a stream through splits and a mapping through errors, timeouts, partial failures, rewinds and restarts. Gives the laws
 * that were broken.
 */
async function runSeed(seed: number): Promise<readonly string[]> {
  const roll = (name: string, below: number) => draw(seed, name, below);
  const clock = createVirtualClock(Date.UTC(2026, 0, 1));
  const stream = createStream(clock);
  const broken: string[] = [];
  const parents: Record<string, readonly string[]> = {
    root: [],
    left: ['root'],
    right: ['root'],
    merged: ['left', 'right'],
  };
  const put: { readonly shardId: string; readonly sequenceNumber: string; readonly key: string }[] = [];
  const done = new Set<string>();
  const lastDoneOfKey = new Map<string, number>();
  const hasFilter = roll('filter', 4) === 0;
  const settings = {
    ...defaultSettings,
    batchSize: 1 + roll('size', 8),
    parallelizationFactor: roll('factor', 2) === 0 ? 1 : 1 + roll('lanes', 4),
    batchingWindowMs: roll('window', 3) * 1_000,
    bisects: roll('bisects', 2) === 0,
    reportsItemFailures: roll('reports', 2) === 0,
    filters: hasFilter ? ['{"data":{"keep":[true]}}'] : [],
  };
  let calls = 0;
  let mapping: EventSourceMapping;

  const isWanted = (index: number) => !hasFilter || index % 3 !== 0;
  const unfinished = (shardId: string) =>
    put.filter((record) => record.shardId === shardId && !done.has(record.sequenceNumber));

  /** What is before a checkpoint is done. */
  function checkCheckpoint(checkpoint: MappingCheckpoint): void {
    for (const [shardId, { from, ended }] of Object.entries(checkpoint.shards)) {
      const passed = from.type === 'AFTER_SEQUENCE_NUMBER' ? BigInt(from.sequenceNumber) : 0n;
      const skipped = unfinished(shardId).find((record) => ended || BigInt(record.sequenceNumber) <= passed);
      if (skipped !== undefined) broken.push(`the checkpoint of ${shardId} passed ${skipped.sequenceNumber}`);
    }
  }

  function invoke(
    event: Parameters<Parameters<typeof createEventSourceMapping>[0]['invoke']>[0],
  ): Promise<InvocationOutcome> {
    calls += 1;
    const call = calls;
    const numbers = event.Records.map(({ kinesis }) => kinesis.sequenceNumber);
    const shardId = event.Records[0]?.eventID.split(':')[0] ?? '';
    if (!numbers.every((number, index) => index === 0 || BigInt(numbers[index - 1] ?? '0') < BigInt(number))) {
      broken.push(`call ${call} is out of order`);
    }
    for (const parent of parents[shardId] ?? []) {
      if (unfinished(parent).length > 0) broken.push(`${shardId} started before ${parent} was finished`);
    }
    const kind = roll(`answer ${call}`, 6);
    const finish = (count: number) => {
      for (const number of numbers.slice(0, count)) {
        const index = put.findIndex(({ sequenceNumber }) => sequenceNumber === number);
        const key = put[index]?.key ?? '';
        if (!done.has(number) && index < (lastDoneOfKey.get(key) ?? -1))
          broken.push(`key ${key} is out of order at ${number}`);
        lastDoneOfKey.set(key, Math.max(index, lastDoneOfKey.get(key) ?? -1));
        done.add(number);
      }
    };
    const answer = (): InvocationOutcome => {
      if (kind === 0) return failed;
      if (kind === 1) return { kind: 'timed-out' };
      if (kind === 2) return { kind: 'throttled' };
      if (kind === 3 && settings.reportsItemFailures) {
        const place = roll(`place ${call}`, numbers.length);
        finish(place);
        return failedFrom(numbers[place], numbers.at(-1));
      }
      finish(numbers.length);
      return succeeded;
    };
    return clock.sleep(roll(`takes ${call}`, 3_000)).then(answer);
  }

  function start(checkpoint?: MappingCheckpoint): EventSourceMapping {
    return createEventSourceMapping({
      reader: stream.reader,
      clock,
      invoke,
      streamName: 'raw',
      source,
      settings,
      ...(roll('batches', 2) === 0 ? { batchSize: () => 1 + roll(`batch ${calls}`, 8) } : {}),
      ...(roll('told', 2) === 0 ? { onArrival: stream.onArrival } : {}),
      ...(checkpoint === undefined ? {} : { checkpoint }),
      onCheckpoint: () => checkCheckpoint(mapping.checkpoint()),
    });
  }

  function putRecord(shardId: string): void {
    const index = put.length;
    const key = `key ${roll(`key ${index}`, 5)}`;
    const sequenceNumber = stream.put(shardId, JSON.stringify({ keep: isWanted(index) }), key);
    // The same key in two shards at a time has no order.
    put.push({ shardId, sequenceNumber, key: `${shardId} ${key}` });
    if (!isWanted(index)) done.add(sequenceNumber);
  }

  async function makeTrouble(step: number): Promise<void> {
    const shards = Object.entries(mapping.checkpoint().shards);
    const [shardId, shard] = shards[roll(`victim ${step}`, shards.length)] ?? [];
    const from = shard?.from.type === 'AFTER_SEQUENCE_NUMBER' ? shard.from.sequenceNumber : undefined;
    switch (roll(`trouble ${step}`, 8)) {
      case 0:
        if (shardId !== undefined) mapping.rewind(shardId, from);
        break;
      case 1:
        if (shardId !== undefined) mapping.rewind(shardId, undefined);
        break;
      case 2: {
        // The old mapping is not waited for: what it has in flight is a zombie's.
        const checkpoint: MappingCheckpoint = JSON.parse(JSON.stringify(mapping.checkpoint()));
        void mapping.stop();
        mapping = start(checkpoint);
        break;
      }
      case 3:
        mapping.setEnabled(false);
        await clock.advance(2_000);
        mapping.setEnabled(true);
        break;
    }
  }

  stream.open('root');
  mapping = start();
  for (let step = 0; step < 12; step += 1) {
    const open = step < 4 ? ['root'] : step < 8 ? ['left', 'right'] : ['merged'];
    if (step === 4) {
      stream.close('root');
      stream.open('left', ['root']);
      stream.open('right', ['root']);
    }
    if (step === 8) {
      stream.close('left');
      stream.close('right');
      stream.open('merged', ['left', 'right']);
    }
    const count = roll(`count ${step}`, 6);
    for (let index = 0; index < count; index += 1) putRecord(open[index % open.length] ?? 'root');
    stream.notify();
    await clock.advance(roll(`pause ${step}`, 4_000));
    if (step % 2 === 1) await makeTrouble(step);
  }
  for (let minute = 0; minute < 60 && put.some(({ sequenceNumber }) => !done.has(sequenceNumber)); minute += 1) {
    await clock.advance(60_000);
  }
  for (const { shardId, sequenceNumber } of put) {
    if (!done.has(sequenceNumber)) broken.push(`${sequenceNumber} of ${shardId} was never delivered`);
  }
  checkCheckpoint(mapping.checkpoint());
  void mapping.stop();
  return broken;
}
