import { DeleteItemCommand, type DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import type { Clock } from '#shared/ports/clock.ts';
import type { LeaseStore } from '#shared/ports/lease-store.ts';
import type { Lease, Member } from '#shared/schemas/lease.ts';
import { expirySeconds, type Item, nameOfItem, numberOf, textOf } from './item.ts';
import { queryItems, request, requestOnCondition } from './request.ts';

// In the state table, beside what `state-store.ts` lists:
//
//   what     pk               sk         attributes
//   lease    traffic#leases   <shard>    owner (absent: free), epoch, renewals, finished
//   member   traffic#members  <worker>   beats, ttl
//
// They are few, so each kind has one partition, which a single Query lists.

/** A worker that died cannot take its item away. Much longer than any lease, so that it never goes while its worker lives. */
const memberLifeMs = 3_600_000;

/** The leases of one pipeline in a DynamoDB table. */
export function createDynamoDbLeaseStore(options: {
  readonly client: DynamoDBClient;
  readonly table: string;
  readonly pipeline: string;
  readonly clock: Clock;
}): LeaseStore {
  const { client, table, pipeline, clock } = options;
  const leases = `${pipeline}#leases`;
  const members = `${pipeline}#members`;
  const list = (pk: string) =>
    queryItems(client, {
      TableName: table,
      ConsistentRead: true,
      KeyConditionExpression: 'pk = :pk',
      ExpressionAttributeValues: { ':pk': { S: pk } },
    });
  const remove = async (key: Item): Promise<void> => {
    const command = new DeleteItemCommand({ TableName: table, Key: key });
    await request(`DeleteItem of ${nameOfItem(key)} in ${table}`, () => client.send(command));
  };

  return {
    list: async () => {
      const [itsLeases, itsMembers] = await Promise.all([list(leases), list(members)]);
      return { leases: itsLeases.map(leaseOf), members: itsMembers.map(memberOf) };
    },
    write: async (lease, read) => {
      const item = itemOfLease(leases, lease);
      const command = new PutItemCommand({ TableName: table, Item: item, ...isAsRead(read) });
      const written = await requestOnCondition(`PutItem of ${nameOfItem(item)} in ${table}`, () =>
        client.send(command),
      );
      return written ? 'written' : 'conflict';
    },
    remove: (shardId) => remove({ pk: { S: leases }, sk: { S: shardId } }),
    announce: async ({ worker, beats }) => {
      const item = {
        pk: { S: members },
        sk: { S: worker },
        beats: { N: String(beats) },
        ttl: { N: String(expirySeconds(clock.now() + memberLifeMs)) },
      };
      const command = new PutItemCommand({ TableName: table, Item: item });
      await request(`PutItem of ${nameOfItem(item)} in ${table}`, () => client.send(command));
    },
    leave: (worker) => remove({ pk: { S: members }, sk: { S: worker } }),
  };
}

function isAsRead(read: Lease | undefined) {
  if (read === undefined) return { ConditionExpression: 'attribute_not_exists(pk)' };
  const owner = read.owner === undefined ? 'attribute_not_exists(#owner)' : '#owner = :owner';
  return {
    ConditionExpression: `#epoch = :epoch AND #renewals = :renewals AND ${owner}`,
    ExpressionAttributeNames: { '#epoch': 'epoch', '#renewals': 'renewals', '#owner': 'owner' },
    ExpressionAttributeValues: {
      ':epoch': { N: String(read.epoch) },
      ':renewals': { N: String(read.renewals) },
      ...(read.owner === undefined ? {} : { ':owner': { S: read.owner } }),
    },
  };
}

function itemOfLease(pk: string, { shardId, owner, epoch, renewals, finished }: Lease): Item {
  return {
    pk: { S: pk },
    sk: { S: shardId },
    epoch: { N: String(epoch) },
    renewals: { N: String(renewals) },
    finished: { BOOL: finished },
    ...(owner === undefined ? {} : { owner: { S: owner } }),
  };
}

function leaseOf(item: Item): Lease {
  return {
    shardId: textOf(item, 'sk'),
    owner: item['owner']?.S,
    epoch: numberOf(item, 'epoch'),
    renewals: numberOf(item, 'renewals'),
    finished: item['finished']?.BOOL === true,
  };
}

function memberOf(item: Item): Member {
  return { worker: textOf(item, 'sk'), beats: numberOf(item, 'beats') };
}
