import { createHash } from 'node:crypto';
import {
  AddTagsToStreamCommand,
  CreateStreamCommand,
  type CreateStreamCommandInput,
  DecreaseStreamRetentionPeriodCommand,
  DeleteStreamCommand,
  DeregisterStreamConsumerCommand,
  DescribeStreamCommand,
  DescribeStreamConsumerCommand,
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  type GetShardIteratorCommandInput,
  IncreaseStreamRetentionPeriodCommand,
  type KinesisClient,
  ListShardsCommand,
  ListStreamConsumersCommand,
  ListStreamsCommand,
  ListTagsForStreamCommand,
  MergeShardsCommand,
  PutRecordCommand,
  type PutRecordCommandInput,
  PutRecordsCommand,
  RegisterStreamConsumerCommand,
  type Shard,
  SplitShardCommand,
  SubscribeToShardCommand,
  UpdateShardCountCommand,
} from '@aws-sdk/client-kinesis';
import { describe, expect, test } from 'vitest';

/** What every server of the Kinesis API must do, asked by AWS's own client. `skipped` says of a case why it cannot pass. */
export function kinesisApiContract(
  name: string,
  open: () => Promise<KinesisClient>,
  skipped: Readonly<Record<string, string>> = {},
): void {
  const claim = (says: string, check: (stream: TestStream) => Promise<void>): void => {
    const reason = skipped[says];
    const title = reason === undefined ? says : `${says} (skipped: ${reason})`;
    test.skipIf(reason !== undefined)(title, async () => check(new TestStream(await open())), 30_000);
  };
  describe(`${name} holds streams`, () => streamCases(claim));
  describe(`${name} takes records`, () => putCases(claim));
  describe(`${name} gives records`, () => readCases(claim));
  describe(`${name} reshards`, () => reshardCases(claim));
  describe(`${name} serves consumers`, () => consumerCases(claim));
}

type Claim = (says: string, check: (stream: TestStream) => Promise<void>) => void;

/** By how much ranges of equal size may differ, since the hash space does not divide by every count. */
const roundingMax = 16n;

function streamCases(claim: Claim): void {
  claim('a stream is described as it was created', async (stream) => {
    await stream.create({ ShardCount: 2 });
    const { StreamDescriptionSummary } = await stream.client.send(new DescribeStreamSummaryCommand(stream.named));
    expect(StreamDescriptionSummary).toMatchObject({
      StreamName: stream.name,
      StreamARN: `arn:aws:kinesis:us-east-1:000000000000:stream/${stream.name}`,
      StreamStatus: 'ACTIVE',
      RetentionPeriodHours: 24,
      OpenShardCount: 2,
    });
  });

  claim('a description holds the shards', async (stream) => {
    await stream.create({ ShardCount: 2 });
    const { StreamDescription } = await stream.client.send(new DescribeStreamCommand(stream.named));
    expect(StreamDescription?.Shards?.map((shard) => shard.ShardId)).toEqual([shardId(0), shardId(1)]);
    expect(StreamDescription?.HasMoreShards).toBe(false);
  });

  claim('a stream is found by its ARN', async (stream) => {
    await stream.create();
    const StreamARN = `arn:aws:kinesis:us-east-1:000000000000:stream/${stream.name}`;
    const { Shards } = await stream.client.send(new ListShardsCommand({ StreamARN }));
    expect(Shards).toHaveLength(1);
  });

  claim('a stream is created once', async (stream) => {
    await stream.create();
    await expect(stream.create()).rejects.toMatchObject({ name: 'ResourceInUseException' });
  });

  claim('an unknown stream is not found', async (stream) => {
    await expect(stream.shards()).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });

  claim('a deleted stream is listed no more', async (stream) => {
    await stream.create();
    await stream.client.send(new DeleteStreamCommand(stream.named));
    await stream.until(async () => !(await stream.listed()).includes(stream.name));
  });

  claim('streams are listed page by page', async (stream) => {
    await stream.create();
    const first = await stream.client.send(new ListStreamsCommand({ Limit: 1 }));
    const rest = await stream.client.send(new ListStreamsCommand({ ExclusiveStartStreamName: first.StreamNames?.[0] }));
    expect(first.StreamNames).toHaveLength(1);
    expect([...(first.StreamNames ?? []), ...(rest.StreamNames ?? [])]).toEqual(await stream.listed());
  });

  claim('the shards of a new stream partition the hash space', async (stream) => {
    await stream.create({ ShardCount: 3 });
    expectPartition(await stream.shards());
  });

  claim('shards are listed page by page', async (stream) => {
    await stream.create({ ShardCount: 3 });
    const first = await stream.client.send(new ListShardsCommand({ ...stream.named, MaxResults: 2 }));
    const second = await stream.client.send(new ListShardsCommand({ NextToken: first.NextToken }));
    const ids = [...(first.Shards ?? []), ...(second.Shards ?? [])].map((shard) => shard.ShardId);
    expect(ids).toEqual([shardId(0), shardId(1), shardId(2)]);
    expect(second.NextToken).toBeUndefined();
  });

  claim('retention is lengthened and shortened, each by its own operation', async (stream) => {
    await stream.create();
    await stream.client.send(new IncreaseStreamRetentionPeriodCommand({ ...stream.named, RetentionPeriodHours: 48 }));
    expect(await stream.retentionHours()).toBe(48);
    await stream.client.send(new DecreaseStreamRetentionPeriodCommand({ ...stream.named, RetentionPeriodHours: 24 }));
    expect(await stream.retentionHours()).toBe(24);
  });

  claim('retention is not shortened by the operation that lengthens it', async (stream) => {
    await stream.create();
    await stream.client.send(new IncreaseStreamRetentionPeriodCommand({ ...stream.named, RetentionPeriodHours: 48 }));
    const shorter = new IncreaseStreamRetentionPeriodCommand({ ...stream.named, RetentionPeriodHours: 24 });
    await expect(stream.client.send(shorter)).rejects.toMatchObject({ name: 'InvalidArgumentException' });
  });

  claim('retention is not lengthened by the operation that shortens it', async (stream) => {
    await stream.create();
    const longer = new DecreaseStreamRetentionPeriodCommand({ ...stream.named, RetentionPeriodHours: 48 });
    await expect(stream.client.send(longer)).rejects.toMatchObject({ name: 'InvalidArgumentException' });
  });

  claim('retention is a day at least', async (stream) => {
    await stream.create();
    const short = new DecreaseStreamRetentionPeriodCommand({ ...stream.named, RetentionPeriodHours: 23 });
    await expect(stream.client.send(short)).rejects.toMatchObject({ name: 'InvalidArgumentException' });
  });

  claim('tags are listed as they were added', async (stream) => {
    await stream.create();
    await stream.client.send(new AddTagsToStreamCommand({ ...stream.named, Tags: { team: 'a', stage: 'test' } }));
    await stream.client.send(new AddTagsToStreamCommand({ ...stream.named, Tags: { team: 'b' } }));
    const { Tags } = await stream.client.send(new ListTagsForStreamCommand(stream.named));
    expect(Object.fromEntries(Tags?.map((tag) => [tag.Key, tag.Value]) ?? [])).toEqual({ team: 'b', stage: 'test' });
  });
}

function putCases(claim: Claim): void {
  claim('a sequence number has the form that AWS gives', async (stream) => {
    await stream.create();
    const { SequenceNumber } = await stream.put('a');
    expect(SequenceNumber).toMatch(/^49\d{54}$/);
  });

  claim('sequence numbers rise within a shard', async (stream) => {
    await stream.create();
    const numbers: bigint[] = [];
    for (const data of ['a', 'b', 'c']) numbers.push(BigInt((await stream.put(data)).SequenceNumber ?? 0));
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => (a < b ? -1 : 1)));
  });

  claim("a partition key's MD5 chooses the shard", async (stream) => {
    await stream.create({ ShardCount: 4 });
    const shards = await stream.shards();
    for (const key of ['a', 'b', 'c', 'd', 'e', 'é', 'a longer key']) {
      const hashKey = BigInt(`0x${createHash('md5').update(key).digest('hex')}`);
      const put = await stream.put('data', { PartitionKey: key });
      expect(put.ShardId, key).toBe(shards.find((shard) => start(shard) <= hashKey && hashKey <= end(shard))?.ShardId);
    }
  });

  claim('an explicit hash key chooses the shard', async (stream) => {
    await stream.create({ ShardCount: 2 });
    const [lower, upper] = await stream.shards();
    const last = await stream.put('a', { ExplicitHashKey: lower?.HashKeyRange?.EndingHashKey });
    const first = await stream.put('a', { ExplicitHashKey: upper?.HashKeyRange?.StartingHashKey });
    expect([last.ShardId, first.ShardId]).toEqual([lower?.ShardId, upper?.ShardId]);
  });

  claim('a hash key beyond 128 bits is refused', async (stream) => {
    await stream.create();
    const put = stream.put('a', { ExplicitHashKey: String(2n ** 128n) });
    await expect(put).rejects.toMatchObject({ name: 'InvalidArgumentException' });
  });

  claim('records of one call keep their order', async (stream) => {
    await stream.create();
    const data = Array.from({ length: 100 }, (_, index) => `record ${index}`);
    const { FailedRecordCount, Records } = await stream.putAll(data);
    expect(FailedRecordCount).toBe(0);
    const read = await stream.read(shardId(0));
    expect(read.data).toEqual(data);
    expect(read.sequenceNumbers).toEqual(Records?.map((record) => record.SequenceNumber));
  });

  claim('a call takes 500 records and no more', async (stream) => {
    await stream.create();
    const data = Array.from({ length: 501 }, () => 'a');
    expect((await stream.putAll(data.slice(1))).FailedRecordCount).toBe(0);
    await expect(stream.putAll(data)).rejects.toThrow();
  });

  claim('a call without records is refused', async (stream) => {
    await stream.create();
    await expect(stream.putAll([])).rejects.toThrow();
  });

  claim('a record larger than 1 MiB is refused', async (stream) => {
    await stream.create();
    await expect(stream.put('a'.repeat(1_048_577))).rejects.toThrow();
  });

  claim('a partition key of 257 characters is refused', async (stream) => {
    await stream.create();
    await expect(stream.put('a', { PartitionKey: 'k'.repeat(257) })).rejects.toThrow();
  });
}

function readCases(claim: Claim): void {
  claim('a record is read as it was put', async (stream) => {
    await stream.create();
    const Data = Uint8Array.from({ length: 256 }, (_, index) => index);
    const put = await stream.client.send(new PutRecordCommand({ ...stream.named, PartitionKey: 'ключ', Data }));
    const { Records } = await stream.readPage(await stream.iterator());
    expect(Records).toHaveLength(1);
    expect(Records?.[0]).toMatchObject({ PartitionKey: 'ключ', SequenceNumber: put.SequenceNumber });
    expect([...(Records?.[0]?.Data ?? [])]).toEqual([...Data]);
    expect(Records?.[0]?.ApproximateArrivalTimestamp).toBeInstanceOf(Date);
  });

  claim('TRIM_HORIZON begins at the first record', async (stream) => {
    await stream.create();
    await stream.putAll(['a', 'b']);
    expect((await stream.read(shardId(0))).data).toEqual(['a', 'b']);
  });

  claim('LATEST begins behind what was put when the iterator was made', async (stream) => {
    await stream.create();
    await stream.put('before');
    const iterator = await stream.iterator({ ShardIteratorType: 'LATEST' });
    await stream.put('after');
    expect(dataOf(await stream.readPage(iterator))).toEqual(['after']);
  });

  claim('AT_SEQUENCE_NUMBER begins at the record, AFTER_SEQUENCE_NUMBER behind it', async (stream) => {
    await stream.create();
    const { Records } = await stream.putAll(['a', 'b', 'c']);
    const StartingSequenceNumber = Records?.[1]?.SequenceNumber;
    const at = await stream.iterator({ ShardIteratorType: 'AT_SEQUENCE_NUMBER', StartingSequenceNumber });
    const after = await stream.iterator({ ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber });
    expect(dataOf(await stream.readPage(at))).toEqual(['b', 'c']);
    expect(dataOf(await stream.readPage(after))).toEqual(['c']);
  });

  claim("a shard's starting sequence number is a place to begin at", async (stream) => {
    await stream.create();
    await stream.put('a');
    const [shard] = await stream.shards();
    const StartingSequenceNumber = shard?.SequenceNumberRange?.StartingSequenceNumber;
    const iterator = await stream.iterator({ ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber });
    expect(dataOf(await stream.readPage(iterator))).toEqual(['a']);
  });

  claim('AT_TIMESTAMP begins at the first record that arrived then or later', async (stream) => {
    await stream.create();
    await stream.put('a');
    const { Records } = await stream.readPage(await stream.iterator());
    const Timestamp = Records?.[0]?.ApproximateArrivalTimestamp;
    const iterator = await stream.iterator({ ShardIteratorType: 'AT_TIMESTAMP', Timestamp });
    expect(dataOf(await stream.readPage(iterator))).toEqual(['a']);
  });

  claim('AT_TIMESTAMP is not in the future', async (stream) => {
    await stream.create();
    const Timestamp = new Date(Date.UTC(2100, 0, 1));
    const iterator = stream.iterator({ ShardIteratorType: 'AT_TIMESTAMP', Timestamp });
    await expect(iterator).rejects.toMatchObject({ name: 'InvalidArgumentException' });
  });

  claim('a sequence number of another shard is no place to begin at', async (stream) => {
    await stream.create({ ShardCount: 2 });
    const { SequenceNumber } = await stream.put('a', { ExplicitHashKey: '0' });
    const iterator = stream.iterator({
      ShardId: shardId(1),
      ShardIteratorType: 'AT_SEQUENCE_NUMBER',
      StartingSequenceNumber: SequenceNumber,
    });
    await expect(iterator).rejects.toMatchObject({ name: 'InvalidArgumentException' });
  });

  claim('a page has the records that were asked for, and the next goes on behind them', async (stream) => {
    await stream.create();
    await stream.putAll(['a', 'b', 'c']);
    const first = await stream.readPage(await stream.iterator(), { Limit: 2 });
    expect(dataOf(first)).toEqual(['a', 'b']);
    expect(dataOf(await stream.readPage(first.NextShardIterator))).toEqual(['c']);
  });

  claim('a reader at the tip is not behind', async (stream) => {
    await stream.create();
    await stream.put('a');
    expect((await stream.readPage(await stream.iterator())).MillisBehindLatest).toBe(0);
  });

  claim('a limit above 10,000 is refused', async (stream) => {
    await stream.create();
    await expect(stream.readPage(await stream.iterator(), { Limit: 10_001 })).rejects.toThrow();
  });

  claim('what is no iterator is refused', async (stream) => {
    await stream.create();
    const read = stream.readPage('bm90IGFuIGl0ZXJhdG9y');
    await expect(read).rejects.toMatchObject({ name: 'InvalidArgumentException' });
  });

  claim('a shard that does not exist is not found', async (stream) => {
    await stream.create();
    const iterator = stream.iterator({ ShardId: shardId(7) });
    await expect(iterator).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });
}

function reshardCases(claim: Claim): void {
  claim('a split closes the shard and opens two children', async (stream) => {
    await stream.create();
    await stream.split(shardId(0), 2n ** 127n);
    const [parent, ...children] = await stream.shards();
    expect(parent?.SequenceNumberRange?.EndingSequenceNumber).toMatch(/^\d{56}$/);
    expect(children.map((child) => child.ParentShardId)).toEqual([shardId(0), shardId(0)]);
    expectPartition(children);
  });

  claim("children's sequence numbers are larger than their parent's", async (stream) => {
    await stream.create();
    const before = await stream.put('a');
    await stream.split(shardId(0), 2n ** 127n);
    const after = await stream.put('b');
    const [parent] = await stream.shards();
    const ending = BigInt(parent?.SequenceNumberRange?.EndingSequenceNumber ?? 0);
    expect(BigInt(before.SequenceNumber ?? 0)).toBeLessThanOrEqual(ending);
    expect(BigInt(after.SequenceNumber ?? 0)).toBeGreaterThan(ending);
  });

  claim('the last page of a closed shard names its children and no next iterator', async (stream) => {
    await stream.create();
    await stream.put('a');
    await stream.split(shardId(0), 2n ** 127n);
    const page = await stream.readPage(await stream.iterator());
    expect(dataOf(page)).toEqual(['a']);
    expect(page.NextShardIterator ?? undefined).toBeUndefined();
    expect(page.ChildShards?.map((child) => [child.ShardId, child.ParentShards])).toEqual([
      [shardId(1), [shardId(0)]],
      [shardId(2), [shardId(0)]],
    ]);
  });

  claim('a merge closes two shards and opens their child', async (stream) => {
    await stream.create({ ShardCount: 2 });
    await stream.merge(shardId(0), shardId(1));
    const [lower, upper, child] = await stream.shards();
    expect(lower?.SequenceNumberRange?.EndingSequenceNumber).toBeDefined();
    expect(upper?.SequenceNumberRange?.EndingSequenceNumber).toBeDefined();
    expect(child).toMatchObject({ ParentShardId: shardId(0), AdjacentParentShardId: shardId(1) });
    expectPartition(child === undefined ? [] : [child]);
  });

  claim('the last page of either parent names the child of a merge', async (stream) => {
    await stream.create({ ShardCount: 2 });
    await stream.merge(shardId(0), shardId(1));
    for (const ShardId of [shardId(0), shardId(1)]) {
      const { ChildShards } = await stream.readPage(await stream.iterator({ ShardId }));
      expect(ChildShards).toMatchObject([{ ShardId: shardId(2), ParentShards: [shardId(0), shardId(1)] }]);
    }
  });

  claim('shards that are not adjacent are not merged', async (stream) => {
    await stream.create({ ShardCount: 3 });
    const merge = stream.merge(shardId(0), shardId(2));
    await expect(merge).rejects.toMatchObject({ name: 'InvalidArgumentException' });
  });

  claim('a shard is not split at its first hash key', async (stream) => {
    await stream.create();
    await expect(stream.split(shardId(0), 0n)).rejects.toMatchObject({ name: 'InvalidArgumentException' });
  });

  claim('a closed shard is not split again', async (stream) => {
    await stream.create();
    await stream.split(shardId(0), 2n ** 127n);
    await expect(stream.split(shardId(0), 2n ** 126n)).rejects.toThrow();
  });

  for (const [from, to] of [
    [2, 4],
    [4, 2],
    [2, 3],
    [3, 2],
  ] as const) {
    claim(`scaling from ${from} shards to ${to} leaves ranges of equal size`, async (stream) => {
      await stream.create({ ShardCount: from });
      await stream.scale(to);
      const open = (await stream.shards()).filter((shard) => !shard.SequenceNumberRange?.EndingSequenceNumber);
      expect(open).toHaveLength(to);
      expectPartition(open);
      const wanted = 2n ** 128n / BigInt(to);
      for (const shard of open) {
        const difference = end(shard) - start(shard) + 1n - wanted;
        expect(difference > -roundingMax && difference < roundingMax, `${shard.ShardId} is ${difference} off`).toBe(
          true,
        );
      }
    });
  }

  claim('scaling to more than double is refused', async (stream) => {
    await stream.create({ ShardCount: 2 });
    await expect(stream.scale(5)).rejects.toThrow();
  });

  claim('only open shards are listed at the latest', async (stream) => {
    await stream.create();
    await stream.split(shardId(0), 2n ** 127n);
    const list = new ListShardsCommand({ ...stream.named, ShardFilter: { Type: 'AT_LATEST' } });
    const { Shards } = await stream.client.send(list);
    expect(Shards?.map((shard) => shard.ShardId)).toEqual([shardId(1), shardId(2)]);
  });
}

function consumerCases(claim: Claim): void {
  claim('a consumer is described and listed as it was registered', async (stream) => {
    await stream.create();
    const { ConsumerName, ConsumerARN } = await stream.register('reader');
    expect(ConsumerName).toBe('reader');
    const { ConsumerDescription } = await stream.client.send(new DescribeStreamConsumerCommand({ ConsumerARN }));
    expect(ConsumerDescription).toMatchObject({ ConsumerName: 'reader', ConsumerStatus: 'ACTIVE' });
    const { Consumers } = await stream.client.send(new ListStreamConsumersCommand({ StreamARN: await stream.arn() }));
    expect(Consumers?.map((consumer) => consumer.ConsumerARN)).toEqual([ConsumerARN]);
  });

  claim('a consumer is registered once', async (stream) => {
    await stream.create();
    await stream.register('reader');
    await expect(stream.register('reader')).rejects.toMatchObject({ name: 'ResourceInUseException' });
  });

  claim('a consumer that was deregistered is listed no more', async (stream) => {
    await stream.create();
    const { ConsumerARN } = await stream.register('reader');
    await stream.client.send(new DeregisterStreamConsumerCommand({ ConsumerARN }));
    const list = new ListStreamConsumersCommand({ StreamARN: await stream.arn() });
    await stream.until(async () => (await stream.client.send(list)).Consumers?.length === 0);
  });

  claim('a subscription pushes what is there, and then what arrives', async (stream) => {
    await stream.create();
    await stream.putAll(['a', 'b']);
    const events = await stream.subscribe('TRIM_HORIZON');
    const data: string[] = [];
    for await (const event of events) {
      data.push(...dataOf(event));
      if (data.length === 2) await stream.put('c');
      if (data.length >= 3) break;
    }
    expect(data).toEqual(['a', 'b', 'c']);
  });

  claim('a subscription ends with its shard, naming the children', async (stream) => {
    await stream.create();
    await stream.put('a');
    await stream.split(shardId(0), 2n ** 127n);
    const data: string[] = [];
    const children: unknown[] = [];
    for await (const event of await stream.subscribe('TRIM_HORIZON')) {
      data.push(...dataOf(event));
      children.push(...(event.ChildShards ?? []).map((child) => child.ShardId));
    }
    expect(data).toEqual(['a']);
    expect(children).toEqual([shardId(1), shardId(2)]);
  });

  claim('a shard is not subscribed to twice within five seconds', async (stream) => {
    await stream.create();
    const events = await stream.subscribe('LATEST');
    const again = stream.subscribe('LATEST', { isRegistered: true });
    await expect(again).rejects.toMatchObject({ name: 'ResourceInUseException' });
    await events.return?.(undefined);
  });
}

interface Page {
  readonly Records?: readonly { readonly Data?: Uint8Array | undefined }[] | undefined;
}

/** A stream of a name of its own, and what the cases do with it. A server may take a while to make a change: we ask again. */
class TestStream {
  readonly client: KinesisClient;
  readonly name = newName();
  readonly named = { StreamName: this.name };

  constructor(client: KinesisClient) {
    this.client = client;
  }

  async create(input: Partial<CreateStreamCommandInput> = {}): Promise<void> {
    await this.client.send(new CreateStreamCommand({ ShardCount: 1, ...this.named, ...input }));
    await this.untilActive();
  }

  async split(ShardToSplit: string, newStartingHashKey: bigint): Promise<void> {
    const NewStartingHashKey = String(newStartingHashKey);
    await this.client.send(new SplitShardCommand({ ...this.named, ShardToSplit, NewStartingHashKey }));
    await this.untilActive();
  }

  async merge(ShardToMerge: string, AdjacentShardToMerge: string): Promise<void> {
    await this.client.send(new MergeShardsCommand({ ...this.named, ShardToMerge, AdjacentShardToMerge }));
    await this.untilActive();
  }

  async scale(TargetShardCount: number): Promise<void> {
    const ScalingType = 'UNIFORM_SCALING';
    await this.client.send(new UpdateShardCountCommand({ ...this.named, TargetShardCount, ScalingType }));
    await this.untilActive();
  }

  async shards(): Promise<readonly Shard[]> {
    return (await this.client.send(new ListShardsCommand(this.named))).Shards ?? [];
  }

  async listed(): Promise<readonly string[]> {
    return (await this.client.send(new ListStreamsCommand({ Limit: 10_000 }))).StreamNames ?? [];
  }

  async retentionHours(): Promise<number | undefined> {
    return (await this.summary())?.RetentionPeriodHours;
  }

  async arn(): Promise<string> {
    return (await this.summary())?.StreamARN ?? '';
  }

  put(data: string, input: Partial<PutRecordCommandInput> = {}) {
    const Data = Buffer.from(data);
    return this.client.send(new PutRecordCommand({ ...this.named, PartitionKey: 'key', Data, ...input }));
  }

  putAll(data: readonly string[]) {
    const Records = data.map((text) => ({ PartitionKey: 'key', Data: Buffer.from(text) }));
    return this.client.send(new PutRecordsCommand({ ...this.named, Records }));
  }

  async iterator(input: Partial<GetShardIteratorCommandInput> = {}): Promise<string | undefined> {
    const request = { ShardId: shardId(0), ShardIteratorType: 'TRIM_HORIZON', ...this.named, ...input } as const;
    return (await this.client.send(new GetShardIteratorCommand(request))).ShardIterator;
  }

  readPage(ShardIterator: string | undefined, input: { readonly Limit?: number } = {}) {
    return this.client.send(new GetRecordsCommand({ ShardIterator, ...input }));
  }

  async read(
    ShardId: string,
  ): Promise<{ readonly data: readonly string[]; readonly sequenceNumbers: readonly unknown[] }> {
    const page = await this.readPage(await this.iterator({ ShardId }));
    return { data: dataOf(page), sequenceNumbers: page.Records?.map((record) => record.SequenceNumber) ?? [] };
  }

  async register(ConsumerName: string) {
    const register = new RegisterStreamConsumerCommand({ StreamARN: await this.arn(), ConsumerName });
    const consumer = (await this.client.send(register)).Consumer;
    if (consumer === undefined) throw new Error('No consumer was registered.');
    const describe = new DescribeStreamConsumerCommand({ ConsumerARN: consumer.ConsumerARN });
    await this.until(async () => (await this.client.send(describe)).ConsumerDescription?.ConsumerStatus === 'ACTIVE');
    return consumer;
  }

  async subscribe(Type: 'TRIM_HORIZON' | 'LATEST', options: { readonly isRegistered?: boolean } = {}) {
    if (options.isRegistered !== true) await this.register('subscriber');
    const list = new ListStreamConsumersCommand({ StreamARN: await this.arn() });
    const ConsumerARN = (await this.client.send(list)).Consumers?.[0]?.ConsumerARN;
    const request = { ConsumerARN, ShardId: shardId(0), StartingPosition: { Type } };
    const { EventStream } = await this.client.send(new SubscribeToShardCommand(request));
    return eventsOf(EventStream ?? []);
  }

  async until(holds: () => Promise<boolean>): Promise<void> {
    while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  private async summary() {
    return (await this.client.send(new DescribeStreamSummaryCommand(this.named))).StreamDescriptionSummary;
  }

  private untilActive(): Promise<void> {
    return this.until(async () => (await this.summary())?.StreamStatus === 'ACTIVE');
  }
}

let nameCount = 0;

function newName(): string {
  nameCount += 1;
  return `contract-${String(nameCount).padStart(4, '0')}`;
}

async function* eventsOf<Event>(events: AsyncIterable<{ SubscribeToShardEvent?: Event }> | readonly never[]) {
  for await (const { SubscribeToShardEvent } of events) if (SubscribeToShardEvent) yield SubscribeToShardEvent;
}

function dataOf(page: Page): readonly string[] {
  return (page.Records ?? []).map((record) => Buffer.from(record.Data ?? []).toString());
}

function shardId(index: number): string {
  return `shardId-${String(index).padStart(12, '0')}`;
}

function start(shard: Shard): bigint {
  return BigInt(shard.HashKeyRange?.StartingHashKey ?? 0);
}

function end(shard: Shard): bigint {
  return BigInt(shard.HashKeyRange?.EndingHashKey ?? 0);
}

function expectPartition(shards: readonly Shard[]): void {
  const ranges = shards.toSorted((a, b) => (start(a) < start(b) ? -1 : 1));
  const ends = ranges.map((shard) => end(shard) + 1n);
  expect(ranges.map(start)).toEqual([0n, ...ends.slice(0, -1)]);
  expect(ends.at(-1)).toBe(2n ** 128n);
}
