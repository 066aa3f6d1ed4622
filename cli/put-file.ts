import { basename } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Producer } from '#shared/adapters/kinesis/producer.ts';
import { hasCode } from '#shared/schemas/error.ts';
import type { NumberedRecord } from './raw-records.ts';

/** Counts one more record that was put; gives how many milliseconds too early the next one would be. */
export type Pace = () => number;

export function createPace(recordsPerSecond: number | undefined): Pace {
  const startMs = performance.now();
  let count = 0;
  return () => {
    count += 1;
    return recordsPerSecond === undefined ? 0 : (count / recordsPerSecond) * 1_000 - (performance.now() - startMs);
  };
}

/**
 * Puts the records of a file into a raw stream, and yields the number of each behind it. The partition key tells where a record came from, and
 * spreads the records over the shards. None waits for a full call when the next one does not come for a moment: a pipe may be silent for
 * hours. Before a record that cannot be put or read all others are accepted.
 */
export async function* putFile(
  producer: Producer,
  {
    path,
    records,
    pace,
  }: { readonly path: string; readonly records: AsyncIterable<NumberedRecord>; readonly pace: Pace },
): AsyncGenerator<number> {
  try {
    for await (const record of withPauses(records)) {
      if (record === undefined) {
        await producer.flush();
        continue;
      }
      await producer.put({ data: record.data, partitionKey: `${basename(path)}:${record.number}` });
      yield record.number;
      const earlyMs = pace();
      if (earlyMs <= pauseMs) continue;
      await producer.flush();
      await setTimeout(earlyMs);
    }
  } catch (error) {
    if (!hasCode(error, 'SOURCE_UNAVAILABLE')) await producer.flush();
    throw error;
  }
  await producer.flush();
}

const pauseMs = 50;

/** The values, and undefined whenever the next one takes longer. */
async function* withPauses<T>(values: AsyncIterable<T>): AsyncGenerator<T | undefined> {
  const iterator = values[Symbol.asyncIterator]();
  let isAsked = false;
  try {
    for (;;) {
      isAsked = true;
      const next = iterator.next();
      const soon = await Promise.race([next, pause()]);
      if (soon === undefined) yield undefined;
      const { done, value } = soon ?? (await next);
      isAsked = false;
      if (done === true) return;
      yield value;
    }
  } finally {
    // A pipe that was asked may be silent for ever.
    if (!isAsked) await iterator.return?.();
  }
}

async function pause(): Promise<undefined> {
  await setTimeout(pauseMs, undefined, { ref: false });
}
