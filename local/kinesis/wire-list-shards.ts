import type { TimedShard } from './change.ts';
import { demand, KinesisError } from './error.ts';
import { listShardsCountDefault, listShardsCountMax } from './limits.ts';
import type { Kinesis } from './model.ts';
import { countIn, type Fields, fieldsIn, parseFields, textIn, textOf, timestampMsOf } from './wire-fields.ts';
import { streamNameOf } from './wire-names.ts';
import { byShardId, shardShape } from './wire-shapes.ts';

/** https://docs.aws.amazon.com/kinesis/latest/APIReference/API_ListShards.html */
export function listShards(kinesis: Kinesis, fields: Fields): object {
  const token = textIn(fields, 'NextToken');
  const twice = token === undefined ? undefined : inToken.find((name) => (fields[name] ?? undefined) !== undefined);
  demand(
    twice === undefined,
    'InvalidArgumentException',
    () => `NextToken and ${twice} cannot be provided together: the token says where to go on, and in which stream.`,
  );
  // A token stands for the request that it continues.
  const request = token === undefined ? fields : decodeToken(token);
  const countMax = countIn(fields, { name: 'MaxResults', max: listShardsCountMax, otherwise: listShardsCountDefault });
  const after = textIn(request, 'ExclusiveStartShardId') ?? '';
  const filter = fieldsIn(request, 'ShardFilter');
  const shards = byShardId(kinesis.listShards(streamNameOf(request)));
  const wanted = shards.filter(
    (shard) => shard.shardId > after && (filter === undefined || passes(shard, { filter, shards })),
  );
  const page = wanted.slice(0, countMax);
  const ExclusiveStartShardId = page.at(-1)?.shardId;
  return {
    Shards: page.map(shardShape),
    ...(page.length < wanted.length && { NextToken: encodeToken({ ...request, ExclusiveStartShardId }) }),
  };
}

/** What AWS does not take beside a token. */
const inToken = ['StreamName', 'StreamARN', 'StreamCreationTimestamp', 'ExclusiveStartShardId', 'ShardFilter'];

/** https://docs.aws.amazon.com/kinesis/latest/APIReference/API_ShardFilter.html; `shards` are all within the retention. */
function passes(
  shard: TimedShard,
  { filter, shards }: { readonly filter: Fields; readonly shards: readonly TimedShard[] },
): boolean {
  const type = textOf(filter, 'Type');
  switch (type) {
    case 'AFTER_SHARD_ID':
      return shard.shardId > textOf(filter, 'ShardId');
    case 'AT_TRIM_HORIZON':
      // A parent is there until the horizon has passed its end, which is its child's beginning.
      return shards.every((other) => other.shardId !== shard.parentShardId);
    case 'FROM_TRIM_HORIZON':
      return true;
    case 'AT_LATEST':
      return shard.closedMs === undefined;
    case 'AT_TIMESTAMP':
      return (
        shard.createdMs <= timestampMsOf(filter, 'Timestamp') && isOpenAt(shard, timestampMsOf(filter, 'Timestamp'))
      );
    case 'FROM_TIMESTAMP':
      return isOpenAt(shard, timestampMsOf(filter, 'Timestamp'));
    default:
      throw new KinesisError('ValidationException', `ShardFilter '${type}' is unknown.`);
  }
}

function isOpenAt(shard: TimedShard, timestampMs: number): boolean {
  return shard.closedMs === undefined || shard.closedMs >= timestampMs;
}

function encodeToken(request: Fields): string {
  return Buffer.from(JSON.stringify(request)).toString('base64');
}

function decodeToken(token: string): Fields {
  const text = Buffer.from(token, 'base64').toString();
  demand(text.startsWith('{'), 'InvalidArgumentException', () => 'Invalid NextToken.');
  return parseFields(text);
}
