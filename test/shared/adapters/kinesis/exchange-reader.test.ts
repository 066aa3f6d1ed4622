import { KinesisClient } from '@aws-sdk/client-kinesis';
import { expect, test } from 'vitest';
import { createKinesisExchangeReader } from '#shared/adapters/kinesis/exchange-reader.ts';
import { createMemoryTelemetry } from '#shared/adapters/telemetry/memory.ts';
import { scriptRequests } from '../scripted-requests.ts';

/** The operations that a first read asks for, the reader being chosen by its setting. */
async function firstRequests(reading: string): Promise<readonly string[]> {
  const { settings, requests } = scriptRequests(() => {
    throw Object.assign(new Error('a script that refuses all'), { name: 'AccessDeniedException' });
  });
  const reader = createKinesisExchangeReader({
    reading,
    client: new KinesisClient(settings),
    streamName: 'exchange',
    clock: { now: () => 0, sleep: async () => {} },
    telemetry: createMemoryTelemetry(),
  });
  await expect(reader.read('s-0', undefined)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  return requests.map(({ operation }) => operation);
}

test('the setting chooses who asks for records and who has them pushed', async () => {
  expect(await firstRequests('polling')).toEqual(['GetShardIterator']);
  expect(await firstRequests('fan-out')).toEqual(['DescribeStreamSummary']);
});

test('a setting that is neither is refused, with those there are', async () => {
  await expect(firstRequests('pushing')).rejects.toThrow(
    /^SETTING_INVALID: EXCHANGE_READING is pushing; it must be polling or fan-out\.$/,
  );
});
