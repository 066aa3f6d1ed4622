import { KinesisClient } from '@aws-sdk/client-kinesis';
import { expect, test } from 'vitest';
import { createKinesisRawStreams } from '#shared/adapters/kinesis/raw-streams.ts';
import { scriptRequests } from '../scripted-requests.ts';

test('an answer that says nothing does not say that a shard is read to its end', async () => {
  const { settings } = scriptRequests(({ operation }) =>
    operation === 'GetShardIterator' ? { ShardIterator: 'first' } : {},
  );
  const raw = createKinesisRawStreams(new KinesisClient(settings), { flows: 'raw' });
  await expect(raw.isAtEnd('flows', 's-0', undefined)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
});
