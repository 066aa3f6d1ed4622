import { KinesisClient } from '@aws-sdk/client-kinesis';
import { afterEach, expect, test } from 'vitest';
import { createKinesisExchange, putEntriesMax } from '#shared/adapters/kinesis/exchange.ts';
import { createMemoryTelemetry } from '#shared/adapters/telemetry/memory.ts';
import { exchangeContract } from '#test/contracts/exchange.ts';
import { fault, type ScriptedRequest, scriptRequests } from '../scripted-requests.ts';
import { type LocalKinesis, openKinesis } from './local-kinesis.ts';

const opened: LocalKinesis[] = [];
afterEach(async () => {
  for (const local of opened.splice(0)) await local.close();
});

exchangeContract('the exchange in Kinesis', async ({ throttle }) => {
  const local = await openKinesis({ throttle });
  opened.push(local);
  local.kinesis.createStream({ streamName: 'exchange', shardCount: 2 });
  return {
    exchange: createKinesisExchange({
      client: local.client,
      streamName: 'exchange',
      telemetry: createMemoryTelemetry(),
    }),
    stored: async () => local.kinesis.listShards('exchange').map(({ shardId }) => recordsOf(local, shardId)),
    passSecond: () => local.passMs(1_000),
  };
});

function recordsOf({ kinesis }: LocalKinesis, shardId: string): readonly Uint8Array[] {
  const from = { type: 'TRIM_HORIZON' } as const;
  const limits = { recordsMax: 1_000_000, bytesMax: Number.MAX_SAFE_INTEGER };
  return kinesis.read({ streamName: 'exchange', shardId, from, ...limits }).records.map((record) => record.data);
}

const entry = (slot: number, bytes = 1) => ({ slot, explicitHashKey: String(slot), bytes: new Uint8Array(bytes) });
const accepted = ({ fields }: ScriptedRequest) => ({
  Records: (fields['Records'] as unknown[]).map(() => ({ SequenceNumber: '1', ShardId: 's' })),
});

function open(answer: Parameters<typeof scriptRequests>[0]) {
  const { settings, requests } = scriptRequests(answer);
  const client = new KinesisClient(settings);
  const telemetry = createMemoryTelemetry();
  return { exchange: createKinesisExchange({ client, streamName: 'exchange', telemetry }), requests, telemetry };
}

const sizesOf = (requests: readonly ScriptedRequest[]) =>
  requests.map(({ fields }) => (fields['Records'] as unknown[]).length);

test('a call takes 500 entries, and the next one the rest', async () => {
  const { exchange, requests } = open(accepted);
  await exchange.put(Array.from({ length: putEntriesMax + 1 }, (_, slot) => entry(slot)));
  expect(sizesOf(requests)).toEqual([500, 1]);
});

test('a call takes 10 MiB with the partition keys, and the next one the rest', async () => {
  const { exchange, requests } = open(accepted);
  const mebibyteWithKey = 1024 * 1024 - 'slot-1'.length;
  await exchange.put(Array.from({ length: 10 }, () => entry(1, mebibyteWithKey)));
  await exchange.put([...Array.from({ length: 10 }, () => entry(1, mebibyteWithKey)), entry(1)]);
  expect(sizesOf(requests)).toEqual([10, 10, 1]);
});

test('the entries of a call without an answer count as not accepted, and the other calls are made all the same', async () => {
  const { exchange, telemetry } = open((request, index) => {
    if (index === 1) throw fault('NetworkFault');
    return accepted(request);
  });
  const unaccepted = await exchange.put(Array.from({ length: 1_200 }, (_, slot) => entry(slot)));
  expect(unaccepted).toEqual(Array.from({ length: 500 }, (_, index) => 500 + index));
  expect(telemetry.lines).toEqual([
    expect.objectContaining({ level: 'warn', fields: expect.objectContaining({ entries: 500 }) }),
  ]);
});

test.each(['ProvisionedThroughputExceededException', 'InternalFailure', 'LimitExceededException'])(
  '%s is not lasting: the entries are put again',
  async (name) => {
    const { exchange } = open(() => {
      throw fault(name);
    });
    expect(await exchange.put([entry(0), entry(1)])).toEqual([0, 1]);
  },
);

test('entries that Kinesis refuses one by one are told by their indexes over all calls', async () => {
  const { exchange } = open(({ fields }) => ({
    Records: (fields['Records'] as unknown[]).map((_, index) =>
      index === 3 ? { ErrorCode: 'ProvisionedThroughputExceededException' } : { SequenceNumber: '1' },
    ),
  }));
  expect(await exchange.put(Array.from({ length: 504 }, (_, slot) => entry(slot)))).toEqual([3, 503]);
});

test('an answer with too few results leaves the rest not accepted', async () => {
  const { exchange } = open(() => ({ Records: [{ SequenceNumber: '1' }] }));
  expect(await exchange.put([entry(0), entry(1)])).toEqual([1]);
});

test.each(['ResourceNotFoundException', 'AccessDeniedException', 'KMSDisabledException', 'ValidationException'])(
  '%s stops the put and says that it does not heal',
  async (name) => {
    const { exchange } = open(() => {
      throw fault(name);
    });
    await expect(exchange.put([entry(0)])).rejects.toMatchObject({
      code: 'EXCHANGE_UNAVAILABLE',
      cause: { name },
      message: expect.stringContaining('does not heal by itself'),
    });
  },
);

test('a block that is larger than a record may be is a bug', async () => {
  const { exchange } = open(accepted);
  await expect(exchange.put([entry(0, 1024 * 1024)])).rejects.toThrow('Bug in Millrace: a block of 1048582 bytes');
});
