import {
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  type KinesisClient,
  ShardIteratorType,
} from '@aws-sdk/client-kinesis';
import type { RawStreams } from '#shared/ports/raw-streams.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { listShards } from './list-shards.ts';
import { recordsOf } from './read-shapes.ts';
import { nameOf, unavailable } from './request.ts';

/** Reads of a shard that find nothing although there is something: Kinesis may answer so where there are gaps in the numbers. */
const emptyReadsMax = 1_000;

/** The raw streams of a pipeline, by source. */
export function createKinesisRawStreams(
  client: KinesisClient,
  streamNames: Readonly<Record<string, string>>,
): RawStreams {
  const nameOfStream = (source: string): string => {
    const name = streamNames[source];
    if (name !== undefined) return name;
    throw new MillraceError(
      'SETTING_MISSING',
      `the raw stream of source ${source} is not named. Name it: --raw-stream ${source}=STREAM.`,
    );
  };
  return {
    identityOf: async (source) => {
      const StreamName = nameOfStream(source);
      const { StreamDescriptionSummary: summary } = await attempt(`DescribeStreamSummary of ${StreamName}`, () =>
        client.send(new DescribeStreamSummaryCommand({ StreamName })),
      );
      return `${StreamName} of ${summary?.StreamCreationTimestamp?.toISOString() ?? 'unknown age'}`;
    },
    shards: async (source) => (await listShards(client, nameOfStream(source))).map(({ ShardId }) => ShardId),
    holds: async (source, shard, sequence) => {
      const position = { ShardIteratorType: ShardIteratorType.AT_SEQUENCE_NUMBER, StartingSequenceNumber: sequence };
      return (await firstOf(client, nameOfStream(source), shard, position)) === sequence;
    },
    isAtEnd: async (source, shard, sequence) => {
      const position =
        sequence === undefined
          ? { ShardIteratorType: ShardIteratorType.TRIM_HORIZON }
          : { ShardIteratorType: ShardIteratorType.AFTER_SEQUENCE_NUMBER, StartingSequenceNumber: sequence };
      return (await firstOf(client, nameOfStream(source), shard, position)) === undefined;
    },
  };
}

/** The sequence number of the first record from the position on; undefined when there is none, or no such shard or position any more. */
async function firstOf(
  client: KinesisClient,
  StreamName: string,
  ShardId: string,
  position: { readonly ShardIteratorType: ShardIteratorType; readonly StartingSequenceNumber?: string },
): Promise<string | undefined> {
  const what = `reading shard ${ShardId} of ${StreamName}`;
  let iterator: string | undefined;
  try {
    iterator = (await client.send(new GetShardIteratorCommand({ StreamName, ShardId, ...position }))).ShardIterator;
  } catch (error) {
    if (['InvalidArgumentException', 'ResourceNotFoundException'].includes(nameOf(error))) return undefined;
    throw unavailable('SOURCE_UNAVAILABLE', what, error);
  }
  for (let reads = 0; iterator !== undefined && reads < emptyReadsMax; reads += 1) {
    const ShardIterator: string = iterator;
    const { answer, records } = await attempt(what, async () => {
      const answer = await client.send(new GetRecordsCommand({ ShardIterator, Limit: 1 }));
      return { answer, records: recordsOf(answer) };
    });
    const first = records[0]?.SequenceNumber;
    if (first !== undefined) return first;
    if (answer.MillisBehindLatest === 0) return undefined;
    iterator = answer.NextShardIterator;
  }
  return undefined;
}

async function attempt<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw unavailable('SOURCE_UNAVAILABLE', what, error);
  }
}
