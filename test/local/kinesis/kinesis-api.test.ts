import type { KinesisClient } from '@aws-sdk/client-kinesis';
import { afterAll } from 'vitest';
import { createKinesis } from '#local/kinesis/model.ts';
import { startKinesisServer } from '#local/kinesis/wire.ts';
import { kinesisApiContract } from '../../contracts/kinesis-api.ts';
import { startKinesisLocal } from '../../contracts/kinesis-api-second-opinion.ts';
import { createClient } from './client.ts';

kinesisApiContract('our Kinesis, by HTTP/1.1,', serveOnce(startOurs, 'http1'));
kinesisApiContract('our Kinesis, by HTTP/2,', serveOnce(startOurs, 'http2'));
kinesisApiContract('kinesis-local', serveOnce(startKinesisLocal, 'http1'), {
  'a call takes 500 records and no more': 'it takes more',
  'a call without records is refused': 'it takes none',
  'AT_TIMESTAMP is not in the future': 'it may be',
  'a sequence number of another shard is no place to begin at': 'it takes any',
  'what is no iterator is refused': 'it answers with an internal error',
  'a split closes the shard and opens two children': 'its ending sequence numbers are all 2^63 - 1',
  "children's sequence numbers are larger than their parent's": 'its ending sequence numbers are all 2^63 - 1',
  'a shard is not split at its first hash key': 'it is, into an empty range',
  'scaling from 2 shards to 3 leaves ranges of equal size': 'it splits one in two halves',
  'scaling from 3 shards to 2 leaves ranges of equal size': 'it merges two and leaves the third',
  'a consumer that was deregistered is listed no more': 'it is listed for ever',
  'a subscription ends with its shard, naming the children': 'it goes on without an end',
});

function startOurs() {
  const kinesis = createKinesis({ now: () => Date.now(), throttle: false });
  return startKinesisServer({ kinesis });
}

/** One server for all cases of a contract: each has a stream of its own. */
function serveOnce(
  start: () => Promise<{ readonly endpoint: string; readonly close: () => Promise<void> }>,
  protocol: 'http1' | 'http2',
): () => Promise<KinesisClient> {
  let serving: Promise<{ readonly client: KinesisClient; readonly close: () => Promise<void> }> | undefined;
  afterAll(async () => {
    const { client, close } = (await serving) ?? {};
    client?.destroy();
    await close?.();
  });
  return async () => {
    serving ??= start().then(({ endpoint, close }) => ({ client: createClient(endpoint, protocol), close }));
    return (await serving).client;
  };
}
