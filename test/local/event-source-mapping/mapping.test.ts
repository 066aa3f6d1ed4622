import { expect, test } from 'vitest';
import { createEventSourceMapping } from '#local/event-source-mapping/mapping.ts';
import { defaultSettings } from '#local/event-source-mapping/settings.ts';
import { createKinesis } from '#local/kinesis/model.ts';
import type { TestStream } from './world.ts';
import { createVirtualClock, createWorld, failed, settle, source, succeeded, textsOf } from './world.ts';

test('without a word of arrivals a shard is polled once per second', async () => {
  const { clock, stream, calls } = await createWorld();
  await clock.advance(500);
  stream.put('shard-0', 'a');
  await clock.advance(499);
  expect(textsOf(calls)).toEqual([]);
  await clock.advance(1);
  expect(textsOf(calls)).toEqual(['a']);
});

test('a mapping that is told of arrivals reads at once, and sleeps without end otherwise', async () => {
  const sleeps: number[] = [];
  let listener = () => {};
  const world = await createWorld({
    overrides: {
      clock: { now: () => 0, sleep: (ms) => new Promise(() => sleeps.push(ms)) },
      onArrival: (arrived) => {
        listener = arrived;
        return () => {};
      },
    },
  });
  world.stream.put('shard-0', 'a');
  listener();
  await settle();
  expect(textsOf(world.calls)).toEqual(['a']);
  expect(sleeps).toEqual([]);
});

test('stop takes the arrival listener off', async () => {
  let registered = 0;
  const { mapping } = await createWorld({
    overrides: {
      onArrival: () => {
        registered += 1;
        return () => {
          registered -= 1;
        };
      },
    },
  });
  await mapping.stop();
  expect(registered).toBe(0);
});

test('stop waits for what is in flight and starts nothing more', async () => {
  const { clock, mapping, calls } = await createWorld({
    before: shardOf('ab'),
    settings: { batchSize: 1 },
    answer: () => undefined,
  });
  let isStopped = false;
  void mapping.stop().then(() => {
    isStopped = true;
  });
  await clock.advance(10_000);
  expect(isStopped).toBe(false);
  calls[0]?.end(succeeded);
  await clock.advance(10_000);
  expect([isStopped, textsOf(calls)]).toEqual([true, ['a']]);
});

test('an invocation that ends after stop still moves the checkpoint', async () => {
  const { clock, mapping, calls } = await createWorld({ before: shardOf('a'), answer: () => undefined });
  void mapping.stop();
  calls[0]?.end(succeeded);
  await clock.advance(0);
  expect(mapping.checkpoint().shards['shard-0']?.from).toEqual({
    type: 'AFTER_SEQUENCE_NUMBER',
    sequenceNumber: calls[0]?.event.Records[0]?.kinesis.sequenceNumber,
  });
});

test('a restart goes on behind the checkpoint', async () => {
  const first = await createWorld({
    before: shardOf('abcd'),
    settings: { batchSize: 2 },
    answer: ({ texts }) => (texts.includes('a') ? succeeded : undefined),
  });
  const second = await restart(first);
  expect(second).toEqual(['c d']);
});

test('a restart does not begin a shard again whose end was read', async () => {
  const first = await createWorld({
    before: (stream) => {
      shardOf('ab')(stream);
      stream.close('shard-0');
    },
  });
  expect(await restart(first)).toEqual([]);
});

test('a restart keeps the state of an open window', async () => {
  const settings = { tumblingWindowMs: 60_000 };
  const first = await createWorld({
    before: shardOf('a'),
    settings,
    answer: () => ({ kind: 'response', payload: { state: { count: 1 } } }),
  });
  first.stream.put('shard-0', 'b');
  const states: unknown[] = [];
  createEventSourceMapping({
    ...plain(first),
    settings: { ...defaultSettings, ...settings },
    checkpoint: JSON.parse(JSON.stringify(first.mapping.checkpoint())),
    invoke: async (event) => {
      states.push(event.state);
      return { kind: 'response', payload: { state: {} } };
    },
  });
  await settle();
  expect(states).toEqual([{ count: 1 }]);
});

test('a mapping that has only read LATEST restarts there', async () => {
  const first = await createWorld({ before: shardOf('a'), settings: { startingPosition: { type: 'LATEST' } } });
  void first.mapping.stop();
  first.stream.put('shard-0', 'b');
  expect(await restart(first)).toEqual(['b']);
});

test('a rewind delivers again what was done', async () => {
  const { clock, mapping, calls } = await createWorld({ before: shardOf('abc') });
  mapping.rewind('shard-0', calls[0]?.event.Records[0]?.kinesis.sequenceNumber);
  await clock.advance(0);
  expect(textsOf(calls)).toEqual(['a b c', 'b c']);
});

test('a rewind without a number goes to the trim horizon', async () => {
  const { clock, mapping, calls } = await createWorld({ before: shardOf('abc') });
  mapping.rewind('shard-0', undefined);
  await clock.advance(0);
  expect(textsOf(calls)).toEqual(['a b c', 'a b c']);
});

test('a rewind cuts new batches while the old one goes on', async () => {
  let size = 3;
  const { clock, mapping, calls } = await createWorld({
    before: shardOf('abc'),
    overrides: { batchSize: () => size },
    answer: () => undefined,
  });
  size = 2;
  mapping.rewind('shard-0', undefined);
  await clock.advance(0);
  expect(textsOf(calls)).toEqual(['a b c', 'a b']);
});

test('what an invocation from before a rewind brings does not count', async () => {
  const { clock, mapping, calls } = await createWorld({ before: shardOf('a'), answer: () => undefined });
  mapping.rewind('shard-0', undefined);
  calls[0]?.end(succeeded);
  await clock.advance(0);
  expect(mapping.checkpoint().shards['shard-0']?.from).toEqual({ type: 'TRIM_HORIZON' });
});

test('a batch from before a rewind is not reported as given up', async () => {
  const { clock, mapping, calls, failures } = await createWorld({
    before: shardOf('a'),
    settings: { retryAttemptsMax: 0 },
    answer: () => undefined,
  });
  mapping.rewind('shard-0', undefined);
  calls[0]?.end(failed);
  await clock.advance(0);
  expect(failures).toEqual([]);
});

test('a shard is read no further while its batch fails', async () => {
  let reads = 0;
  const world = await createWorld({ before: shardOf('abcdef'), settings: { batchSize: 2 }, answer: () => undefined });
  createEventSourceMapping({
    ...plain(world),
    reader: {
      ...world.stream.reader,
      read: (request) => {
        if (request.recordsMax > 1) reads += 1;
        return world.stream.reader.read(request);
      },
    },
    settings: { ...defaultSettings, batchSize: 2 },
    invoke: async () => failed,
  });
  await world.clock.advance(600_000);
  expect(reads).toBe(1);
});

test('what is read beyond a stuck lane is limited', async () => {
  let recordsRead = 0;
  const world = await createWorld({
    before: (stream) => {
      stream.open('shard-0');
      for (let index = 0; index < 50_000; index += 1) stream.put('shard-0', 'a');
    },
    overrides: { settings: { ...defaultSettings, enabled: false } },
  });
  createEventSourceMapping({
    ...plain(world),
    reader: {
      ...world.stream.reader,
      read: (request) => {
        const result = world.stream.reader.read(request);
        recordsRead += result.records.length;
        return result;
      },
    },
    settings: { ...defaultSettings, batchSize: 10_000, parallelizationFactor: 2 },
    invoke: () => new Promise(() => {}),
  });
  await world.clock.advance(60_000);
  expect(recordsRead).toBe(20_000);
});

test('a rewind that would skip records is refused', async () => {
  const { mapping, calls } = await createWorld({
    before: shardOf('ab'),
    settings: { batchSize: 1 },
    answer: (_, index) => (index === 0 ? succeeded : undefined),
  });
  expect(() => mapping.rewind('shard-0', calls[1]?.event.Records[0]?.kinesis.sequenceNumber)).toThrow(
    'would skip records',
  );
});

test('children wait again when their parent is rewound', async () => {
  const { clock, stream, mapping, calls } = await createWorld({
    before: (stream) => {
      shardOf('a')(stream);
      stream.close('shard-0');
      stream.open('shard-1', ['shard-0']);
    },
    answer: (_, index) => (index === 0 ? succeeded : undefined),
  });
  mapping.rewind('shard-0', undefined);
  await clock.advance(0);
  stream.put('shard-1', 'b');
  await clock.advance(10_000);
  expect(textsOf(calls)).toEqual(['a', 'a']);
});

test('grandchildren wait again when their grandparent is rewound', async () => {
  const { clock, stream, mapping, calls } = await createWorld({
    before: (stream) => {
      shardOf('a')(stream);
      stream.close('shard-0');
      stream.open('shard-1', ['shard-0']);
      stream.close('shard-1');
      stream.open('shard-2', ['shard-1']);
    },
    answer: (_, index) => (index === 0 ? succeeded : undefined),
  });
  mapping.rewind('shard-0', undefined);
  stream.put('shard-2', 'b');
  await clock.advance(10_000);
  expect(textsOf(calls)).toEqual(['a', 'a']);
});

test('LATEST is taken before anything can be put after the mapping was made', async () => {
  const world = await createWorld({
    before: shardOf('a'),
    overrides: { settings: { ...defaultSettings, enabled: false } },
  });
  const texts: string[] = [];
  createEventSourceMapping({
    ...plain(world),
    settings: { ...defaultSettings, startingPosition: { type: 'LATEST' } },
    invoke: async (event) => {
      texts.push(...event.Records.map(({ kinesis }) => atob(kinesis.data)));
      return succeeded;
    },
  });
  world.stream.put('shard-0', 'b');
  await world.clock.advance(1_000);
  expect(texts).toEqual(['b']);
});

test('what may be held at a time does not limit what is read in all', async () => {
  const { clock, calls } = await createWorld({
    before: (stream) => {
      stream.open('shard-0');
      for (let index = 0; index < 70; index += 1) stream.put('shard-0', 'x'.repeat(1_000_000), 'key');
    },
  });
  await clock.advance(1_000);
  expect(calls.reduce((count, { texts }) => count + texts.length, 0)).toBe(70);
});

test('a disabled mapping starts nothing, and goes on where it was when enabled', async () => {
  const { clock, stream, mapping, calls } = await createWorld({ before: shardOf('a') });
  mapping.setEnabled(false);
  stream.put('shard-0', 'b');
  await clock.advance(10_000);
  expect(textsOf(calls)).toEqual(['a']);
  mapping.setEnabled(true);
  await clock.advance(0);
  expect(textsOf(calls)).toEqual(['a', 'b']);
});

test('the size of each batch may be drawn', async () => {
  const sizes = [1, 3, 2];
  const { calls } = await createWorld({
    before: shardOf('abcdef'),
    overrides: { batchSize: () => sizes.shift() ?? 1 },
  });
  expect(textsOf(calls).slice(0, 3)).toEqual(['a', 'b c d', 'e f']);
});

test('the iterator age is that of the oldest record that is not done', async () => {
  const { clock, stream, mapping } = await createWorld({ before: shardOf('a'), answer: () => undefined });
  await clock.advance(5_000);
  stream.put('shard-0', 'b');
  await clock.advance(1_000);
  expect(mapping.iteratorAgeMs()).toBe(6_000);
});

test('the iterator age is 0 when all is done', async () => {
  const { clock, mapping } = await createWorld({ before: shardOf('a') });
  await clock.advance(60_000);
  expect(mapping.iteratorAgeMs()).toBe(0);
});

test('retries wait longer each time, up to a limit', async () => {
  const { clock, calls } = await createWorld({ before: shardOf('a'), answer: () => failed });
  await clock.advance(60_000);
  const waits = calls.slice(1).map(({ atMs }, index) => atMs - (calls[index]?.atMs ?? 0));
  expect(waits.slice(0, 9)).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
});

test('a batch is given up only after the on-failure destination has taken it', async () => {
  let attempts = 0;
  const { clock, calls } = await createWorld({
    before: shardOf('ab'),
    settings: { batchSize: 1, retryAttemptsMax: 0 },
    answer: ({ texts }) => (texts.includes('a') ? failed : succeeded),
    overrides: {
      onFailure: async () => {
        attempts += 1;
        if (attempts < 3) throw new Error('The queue is away.');
      },
    },
  });
  expect(textsOf(calls)).toEqual(['a']);
  await clock.advance(10_000);
  expect([attempts, textsOf(calls)]).toEqual([3, ['a', 'b']]);
});

test('a stream that is not there is tried again at the next poll, and shown', async () => {
  let isThere = false;
  const world = await createWorld({ before: shardOf('a') });
  const texts: number[] = [];
  const mapping = createEventSourceMapping({
    ...plain(world),
    reader: {
      ...world.stream.reader,
      listShards: (streamName) => {
        if (!isThere) throw new Error('Stream raw not found.');
        return world.stream.reader.listShards(streamName);
      },
    },
    settings: defaultSettings,
    invoke: async (event) => {
      texts.push(event.Records.length);
      return succeeded;
    },
  });
  expect(mapping.lastProcessingResult()).toBe('PROBLEM: Stream raw not found.');
  isThere = true;
  await world.clock.advance(1_000);
  expect([texts, mapping.lastProcessingResult()]).toEqual([[1], 'OK']);
});

test('an invoke that rejects is a bug and stops the mapping', async () => {
  const { mapping } = await createWorld({
    before: shardOf('a'),
    overrides: { invoke: () => Promise.reject(new Error('The law was broken.')) },
  });
  await expect(mapping.closed).rejects.toThrow('The law was broken.');
});

test('the checkpoint is announced when it moves, and not otherwise', async () => {
  let count = 0;
  const { clock, stream } = await createWorld({ overrides: { onCheckpoint: () => (count += 1) } });
  await clock.advance(10_000);
  const before = count;
  await clock.advance(10_000);
  expect(count).toBe(before);
  stream.put('shard-0', 'a');
  await clock.advance(1_000);
  expect(count).toBe(before + 1);
});

test('a checkpoint that moves past filtered records is announced', async () => {
  let count = 0;
  const { clock, stream } = await createWorld({
    settings: { filters: ['{"data":{"a":[1]}}'] },
    overrides: { onCheckpoint: () => (count += 1) },
  });
  const before = count;
  stream.put('shard-0', '{"a":2}');
  await clock.advance(1_000);
  expect(count).toBe(before + 1);
});

test('the end of a shard is announced', async () => {
  let onCheckpoint = () => {};
  const { clock, stream, mapping } = await createWorld({
    before: shardOf('a'),
    overrides: { onCheckpoint: () => onCheckpoint() },
  });
  const announced: unknown[] = [];
  onCheckpoint = () => announced.push(mapping.checkpoint().shards['shard-0']?.ended);
  stream.close('shard-0');
  await clock.advance(1_000);
  expect(announced).toEqual([true]);
});

test('the checkpoint forgets shards that the stream does not list any more', async () => {
  const { clock, mapping } = await createWorld({
    overrides: { checkpoint: { shards: { 'shard-9': { from: { type: 'TRIM_HORIZON' }, ended: true } } } },
  });
  await clock.advance(0);
  expect(Object.keys(mapping.checkpoint().shards)).toEqual(['shard-0']);
});

test('a mapping follows our own Kinesis through a split and a merge', async () => {
  const clock = createVirtualClock(Date.UTC(2026, 0, 1));
  const kinesis = createKinesis({ now: clock.now });
  kinesis.createStream({ streamName: 'raw' });
  const put = (text: string) =>
    kinesis.putRecord({ streamName: 'raw', partitionKey: text, data: new TextEncoder().encode(text) });
  const delivered: string[] = [];
  createEventSourceMapping({
    reader: kinesis,
    clock,
    streamName: 'raw',
    source,
    settings: defaultSettings,
    onArrival: kinesis.onChange,
    invoke: async (event) => {
      delivered.push(...event.Records.map(({ kinesis: { data } }) => atob(data)));
      return succeeded;
    },
  });
  for (const text of ['a', 'b', 'c', 'd']) put(text);
  await clock.advance(1_000);
  kinesis.updateShardCount({ streamName: 'raw', targetShardCount: 2 });
  for (const text of ['e', 'f', 'g', 'h']) put(text);
  await clock.advance(1_000);
  kinesis.updateShardCount({ streamName: 'raw', targetShardCount: 1 });
  for (const text of ['i', 'j']) put(text);
  await clock.advance(1_000);
  expect(delivered.toSorted()).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']);
  expect(delivered.slice(-2)).toEqual(['i', 'j']);
});

type TestWorld = Awaited<ReturnType<typeof createWorld>>;

function shardOf(texts: string): (stream: TestStream) => void {
  return (stream) => {
    stream.open('shard-0');
    for (const text of texts) stream.put('shard-0', text);
  };
}

function plain(world: TestWorld) {
  return { reader: world.stream.reader, clock: world.clock, streamName: 'raw', source };
}

/** What a second mapping delivers that begins with the checkpoint of the first, after it went through JSON. */
async function restart(world: TestWorld): Promise<readonly string[]> {
  const delivered: string[] = [];
  createEventSourceMapping({
    ...plain(world),
    settings: defaultSettings,
    checkpoint: JSON.parse(JSON.stringify(world.mapping.checkpoint())),
    invoke: async (event) => {
      delivered.push(event.Records.map(({ kinesis }) => atob(kinesis.data)).join(' '));
      return succeeded;
    },
  });
  await settle();
  return delivered;
}
