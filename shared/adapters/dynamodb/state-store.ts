import { GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import type { StateStore, WriteOutcome } from '#shared/ports/state-store.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import type { LogPosition, RecordPosition } from '#shared/schemas/position.ts';
import {
  type CellId,
  type Checkpoint,
  cellBytesMax,
  encodeCounts,
  type LateMark,
  type OriginCounts,
  type RecordedContract,
  type Stage,
  type StoredCell,
} from '#shared/schemas/state.ts';
import { type BatchOptions, readItems, writeItems } from './batch.ts';
import { expirySeconds, type Item, nameOfItem, numberOf, textOf, unreadable } from './item.ts';
import { keyOfNote, keysOfParts, noteOf, packNote } from './lookup-note.ts';
import { packText, unpackText } from './packed-text.ts';
import { queryItems, request, requestOnCondition } from './request.ts';
import { sortableTime } from './sortable-time.ts';

// The state table: partition key `pk`, sort key `sk`, both text; time to live by `ttl` (N, seconds since the epoch).
//
//   what        pk                               sk                         attributes
//   checkpoint  traffic#checkpoint#aggregate#7   checkpoint                 position, revision, body
//   cell        traffic#cell#by-ip-5m#7          <pane start>#<group + 1>   position, body, ttl
//   origin      traffic#origins                  <source>#<shard>           source, shard, counts
//   lookups     traffic#lookups#<source>#<shard>     note, or <id>#<part>    id, from, to, parts, body, ttl
//   late mark   traffic#late                     <stage>#<source>#<origin>#<sequence>#<sub>
//                                                                           stage, source, origin, sequence, sub, shares
//   contract    traffic#contract                 contract                   plan, contract
//   generation  traffic#generations              <shard>                    generation
//
// A pane start is a sortable ISO time and a group has ten digits: the cells of a pane are neighbours, its total first. A `body`
// is JSON, in `bodyZstd` when it is long. Cells and checkpoints are spread over partitions by slot, so a partition is
// written by one slot's consumer alone; the other kinds are few, and each has one partition, which a single Query lists.
// Only cells and lookups expire. Names of pipelines, steps and sources hold no `#`.

/** State of one pipeline in a DynamoDB table. `clock` spaces out the retries of batches that DynamoDB did in part. */
export function createDynamoDbStateStore(options: BatchOptions & { readonly pipeline: string }): StateStore {
  const { client, table, pipeline } = options;
  const origins = `${pipeline}#origins`;
  const lateMarks = `${pipeline}#late`;
  const generations = `${pipeline}#generations`;

  const get = async (key: Item) => {
    const command = new GetItemCommand({ TableName: table, Key: key, ConsistentRead: true });
    return (await request(`GetItem of ${nameOfItem(key)} in ${table}`, () => client.send(command))).Item;
  };
  const putIf = async (condition: Condition, item: Item): Promise<WriteOutcome> => {
    const command = new PutItemCommand({ TableName: table, Item: item, ...condition });
    const written = await requestOnCondition(`PutItem of ${nameOfItem(item)} in ${table}`, () => client.send(command));
    return written ? 'written' : 'conflict';
  };
  const list = (pk: string) =>
    queryItems(client, {
      TableName: table,
      ConsistentRead: true,
      KeyConditionExpression: 'pk = :pk',
      ExpressionAttributeValues: { ':pk': { S: pk } },
    });

  return {
    readCheckpoint: async (stage, slot) => {
      const item = await get(keyOfCheckpoint(pipeline, stage, slot));
      return item && (JSON.parse(bodyOf(item)) as Checkpoint);
    },
    writeCheckpoint: async ({ stage, slot, checkpoint, condition }) => {
      const body = packBody(JSON.stringify(checkpoint), {
        what: `stage ${stage}, slot ${slot}: the checkpoint`,
        advice: 'Its size grows with the raw shards within the retention and with the open windows: lower one of them.',
      });
      const { position, revision } = checkpoint;
      return putIf(
        condition.kind === 'revision'
          ? revisionIsUnchanged(condition.revision, position)
          : positionIsUnchanged(condition.position),
        {
          ...keyOfCheckpoint(pipeline, stage, slot),
          position: { S: position },
          ...(revision === undefined ? {} : { revision: { S: revision } }),
          ...body,
        },
      );
    },

    readCells: async (ids) => {
      const names = ids.map((id) => nameOfItem(keyOfCell(pipeline, id)));
      const keys = new Map(ids.map((id, index) => [names[index], keyOfCell(pipeline, id)]));
      const items = new Map((await readItems(options, [...keys.values()])).map((item) => [nameOfItem(item), item]));
      return ids.map((id, index) => {
        const item = items.get(names[index] ?? '');
        return item && cellOf(id, item);
      });
    },
    listCells: async (pane) => {
      const items = await queryItems(client, {
        TableName: table,
        ConsistentRead: true,
        KeyConditionExpression: 'pk = :pk AND begins_with(sk, :pane)',
        ExpressionAttributeValues: {
          ':pk': { S: partitionOfCells(pipeline, pane) },
          ':pane': { S: sortKeyOfPane(pane.paneMs) },
        },
      });
      return items.map((item) => cellOf({ ...pane, group: groupOf(item) }, item));
    },
    writeCell: async ({ cell, read, expiresMs }) => {
      const body = packBody(cell.body, {
        what: `step ${cell.id.step}, slot ${cell.id.slot}, key group ${cell.id.group}: the state item`,
        advice: 'Raise expectedKeys of the step, which makes more and smaller key groups.',
      });
      const ttl = { N: String(expirySeconds(expiresMs)) };
      return putIf(positionIsUnchanged(read), {
        ...keyOfCell(pipeline, cell.id),
        position: { S: cell.position },
        ttl,
        ...body,
      });
    },

    readOrigin: async (source, shard) => {
      const item = await get({ pk: { S: origins }, sk: { S: `${source}#${shard}` } });
      return item && (JSON.parse(textOf(item, 'counts')) as OriginCounts);
    },
    writeOrigin: ({ source, shard, counts, read }) =>
      putIf(countsAreUnchanged(read), {
        pk: { S: origins },
        sk: { S: `${source}#${shard}` },
        source: { S: source },
        shard: { S: shard },
        counts: { S: encodeCounts(counts) },
      }),
    listOrigins: async () =>
      (await list(origins)).map((item) => ({
        source: textOf(item, 'source'),
        shard: textOf(item, 'shard'),
        counts: JSON.parse(textOf(item, 'counts')) as OriginCounts,
      })),

    readLookups: async (source, shard) => {
      const head = await get(keyOfNote(pipeline, source, shard));
      return head && noteOf(head, await readItems(options, keysOfParts(head)));
    },
    writeLookups: async ({ source, shard, lookups, read, expiresMs }) => {
      const { parts, head } = packNote(keyOfNote(pipeline, source, shard), lookups, expiresMs);
      // Of another id, they are nobody's until the head names them.
      await writeItems(options, parts);
      return putIf(read === undefined ? itemDoesNotExist : comparison('#id = :id', { id: { S: read } }), head);
    },

    addLateMarks: async (marks) => {
      const items = new Map(marks.map((mark) => itemOfMark(lateMarks, mark)).map((item) => [nameOfItem(item), item]));
      await writeItems(options, [...items.values()]);
    },
    listLateMarks: async () => (await list(lateMarks)).map(markOf),

    readContract: async () => {
      const item = await get(keyOfContract(pipeline));
      return item && { plan: textOf(item, 'plan'), body: textOf(item, 'contract') };
    },
    writeContract: ({ contract, read }) =>
      putIf(contractIsUnchanged(read), { ...keyOfContract(pipeline), ...attributesOf(contract) }),

    readGenerations: async () =>
      new Map((await list(generations)).map((item) => [textOf(item, 'sk'), numberOf(item, 'generation')])),
    recordGeneration: async (shardId, generation) => {
      // A conflict is fine: what is recorded stays.
      await putIf(itemDoesNotExist, {
        pk: { S: generations },
        sk: { S: shardId },
        generation: { N: String(generation) },
      });
    },
  };
}

interface Condition {
  readonly ConditionExpression: string;
  readonly ExpressionAttributeNames?: Record<string, string>;
  readonly ExpressionAttributeValues?: Item;
}

const itemDoesNotExist: Condition = { ConditionExpression: 'attribute_not_exists(pk)' };

const positionIsUnchanged = (read: LogPosition | undefined): Condition =>
  read === undefined ? itemDoesNotExist : comparison('#position = :position', { position: { S: read } });

const revisionIsUnchanged = (read: string | undefined, position: LogPosition): Condition => {
  const isNotAbove = '(attribute_not_exists(pk) OR #position <= :position)';
  return read === undefined
    ? comparison(`attribute_not_exists(revision) AND ${isNotAbove}`, { position: { S: position } })
    : comparison(`#revision = :revision AND ${isNotAbove}`, { revision: { S: read }, position: { S: position } });
};

const countsAreUnchanged = (read: OriginCounts | undefined): Condition =>
  read === undefined ? itemDoesNotExist : comparison('#counts = :counts', { counts: { S: encodeCounts(read) } });

const contractIsUnchanged = (read: RecordedContract | undefined): Condition =>
  read === undefined ? itemDoesNotExist : comparison('#plan = :plan AND #contract = :contract', attributesOf(read));

/** `#name` and `:name` of an expression: an attribute and the value that it is compared with. */
function comparison(expression: string, values: Item): Condition {
  const entries = Object.entries(values);
  return {
    ConditionExpression: expression,
    ExpressionAttributeNames: Object.fromEntries(entries.map(([name]) => [`#${name}`, name])),
    ExpressionAttributeValues: Object.fromEntries(entries.map(([name, value]) => [`:${name}`, value])),
  };
}

function keyOfCheckpoint(pipeline: string, stage: Stage, slot: number): Item {
  return { pk: { S: `${pipeline}#checkpoint#${stage}#${slot}` }, sk: { S: 'checkpoint' } };
}

function keyOfContract(pipeline: string): Item {
  return { pk: { S: `${pipeline}#contract` }, sk: { S: 'contract' } };
}

function attributesOf({ plan, body }: RecordedContract): Item {
  return { plan: { S: plan }, contract: { S: body } };
}

function partitionOfCells(pipeline: string, { step, slot }: Pick<CellId, 'step' | 'slot'>): string {
  return `${pipeline}#cell#${step}#${slot}`;
}

function sortKeyOfPane(paneMs: number): string {
  return `${sortableTime(paneMs)}#`;
}

/** The total's group is -1; a sort key has no sign. */
function keyOfCell(pipeline: string, id: CellId): Item {
  const group = String(id.group + 1).padStart(10, '0');
  return { pk: { S: partitionOfCells(pipeline, id) }, sk: { S: `${sortKeyOfPane(id.paneMs)}${group}` } };
}

function groupOf(item: Item): number {
  return Number(textOf(item, 'sk').slice(-10)) - 1;
}

function cellOf({ step, slot, paneMs, group }: CellId, item: Item): StoredCell {
  return { id: { step, slot, paneMs, group }, position: textOf(item, 'position') as LogPosition, body: bodyOf(item) };
}

function packBody(text: string, { what, advice }: { readonly what: string; readonly advice: string }): Item {
  const { attributes, bytes } = packText('body', text);
  if (bytes <= cellBytesMax) return attributes;
  throw new MillraceError(
    'STATE_ITEM_TOO_LARGE',
    `${what} has ${bytes} bytes, at most ${cellBytesMax} are allowed. ${advice}`,
  );
}

function bodyOf(item: Item): string {
  const body = unpackText('body', item);
  if (body === undefined) throw unreadable(item, 'body');
  return body;
}

function itemOfMark(pk: string, { source, origin, position, stage, shares }: LateMark): Item {
  const [sequence, sub] = position;
  return {
    pk: { S: pk },
    sk: { S: `${stage}#${source}#${origin}#${sequence}#${sub}` },
    stage: { S: stage },
    source: { S: source },
    origin: { S: origin },
    sequence: { S: sequence },
    sub: { N: String(sub) },
    shares: { N: String(shares) },
  };
}

function markOf(item: Item): LateMark {
  const position: RecordPosition = [textOf(item, 'sequence'), numberOf(item, 'sub')];
  return {
    source: textOf(item, 'source'),
    origin: textOf(item, 'origin'),
    position,
    stage: textOf(item, 'stage') as Stage,
    shares: numberOf(item, 'shares'),
  };
}
