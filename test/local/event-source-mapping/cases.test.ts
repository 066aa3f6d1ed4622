import { expect, test } from 'vitest';
import type { InvocationOutcome } from '#local/lambda/outcome.ts';
import type { Call, TestStream, World, WorldOptions } from './world.ts';
import { createWorld, failed, failedFrom, succeeded, textsOf } from './world.ts';

const guide = 'https://docs.aws.amazon.com/lambda/latest/dg';
const pages = {
  batching: `${guide}/invocation-eventsourcemapping.html`,
  failureDestination: `${guide}/kinesis-on-failure-destination.html`,
  filtering: `${guide}/with-kinesis-filtering.html`,
  filterSyntax: `${guide}/invocation-eventfiltering.html`,
  kinesis: `${guide}/with-kinesis.html`,
  parameters: `${guide}/services-kinesis-parameters.html`,
  partialBatches: `${guide}/services-kinesis-batchfailurereporting.html`,
  resharding: 'https://docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html',
  tumblingWindows: `${guide}/services-kinesis-windows.html`,
};

interface Case {
  /** What AWS does, as a claim. */
  readonly behaviour: string;
  /** Where AWS says so. */
  readonly page: keyof typeof pages;
  /** Set where the page leaves something open, which is decided here. */
  readonly chosen?: string;
  readonly check: () => Promise<void>;
}

const cases: readonly Case[] = [
  // Batches.
  {
    behaviour: 'a batch has at most BatchSize records of one shard, in order',
    page: 'parameters',
    check: async () => {
      const { calls } = await run({ records: 'abcde', settings: { batchSize: 2 } });
      expect(textsOf(calls)).toEqual(['a b', 'c d', 'e']);
    },
  },
  {
    behaviour: 'without a batching window what is there is sent at once',
    page: 'batching',
    check: async () => {
      const { calls } = await run({ records: 'a', forMs: 0 });
      expect(textsOf(calls)).toEqual(['a']);
    },
  },
  {
    behaviour: 'a batching window gathers records until it ends',
    page: 'batching',
    check: async () => {
      const world = await run({ records: 'ab', settings: { batchingWindowMs: 5_000 }, forMs: 4_999 });
      expect(textsOf(world.calls)).toEqual([]);
      await world.clock.advance(1);
      expect(textsOf(world.calls)).toEqual(['a b']);
    },
  },
  {
    behaviour: 'a full batch does not wait for the batching window',
    page: 'batching',
    check: async () => {
      const { calls } = await run({ records: 'abc', settings: { batchingWindowMs: 5_000, batchSize: 2 }, forMs: 0 });
      expect(textsOf(calls)).toEqual(['a b']);
    },
  },
  {
    behaviour: 'the next batching window begins when the invocation ends',
    page: 'batching',
    check: async () => {
      const world = await run({
        records: 'a',
        settings: { batchingWindowMs: 5_000 },
        answer: (_, index) => (index === 0 ? undefined : succeeded),
        forMs: 5_000,
      });
      await world.clock.advance(2_000);
      world.stream.put('shard-0', 'b');
      world.calls[0]?.end(succeeded);
      await world.clock.advance(4_999);
      expect(textsOf(world.calls)).toEqual(['a']);
      await world.clock.advance(1);
      expect(textsOf(world.calls)).toEqual(['a', 'b']);
    },
  },
  {
    behaviour: 'batching windows follow one another while nothing comes',
    page: 'batching',
    chosen: 'The page says when a window begins, and not what becomes of an empty one.',
    check: async () => {
      const world = await run({ settings: { batchingWindowMs: 5_000 }, forMs: 7_000 });
      world.stream.put('shard-0', 'a');
      await world.clock.advance(2_999);
      expect(textsOf(world.calls)).toEqual([]);
      await world.clock.advance(1);
      expect(textsOf(world.calls)).toEqual(['a']);
    },
  },
  {
    behaviour: 'the last batch of a closed shard does not wait for the batching window',
    page: 'batching',
    chosen: 'Nothing can come that would be worth waiting for.',
    check: async () => {
      const { calls } = await run({
        before: (stream) => {
          stream.open('shard-0');
          stream.put('shard-0', 'a');
          stream.close('shard-0');
        },
        settings: { batchingWindowMs: 5_000 },
        forMs: 0,
      });
      expect(textsOf(calls)).toEqual(['a']);
    },
  },
  {
    behaviour: 'a batch of 6 MB does not wait for the batching window, and those after it do again',
    page: 'batching',
    check: async () => {
      const world = await run({
        before: (stream) => {
          stream.open('shard-0');
          for (let index = 0; index < 5; index += 1) stream.put('shard-0', 'x'.repeat(1_000_000), 'key');
        },
        settings: { batchingWindowMs: 5_000 },
        forMs: 0,
      });
      expect(world.calls.map(({ texts }) => texts.length)).toEqual([4]);
      await world.clock.advance(4_999);
      expect(world.calls).toHaveLength(1);
    },
  },
  {
    behaviour: 'an event stays within 6 MB',
    page: 'batching',
    check: async () => {
      const megabyte = 'x'.repeat(1_000_000);
      const { calls } = await run({
        before: (stream) => {
          stream.open('shard-0');
          for (let index = 0; index < 5; index += 1) stream.put('shard-0', megabyte, 'key');
        },
      });
      expect(calls.map(({ texts }) => texts.length)).toEqual([4, 1]);
      expect(JSON.stringify(calls[0]?.event).length).toBeLessThanOrEqual(6 * 1_048_576);
    },
  },
  {
    behaviour: 'a shard has one batch in flight',
    page: 'kinesis',
    check: async () => {
      const { calls } = await run({ records: 'abcd', settings: { batchSize: 1 }, answer: () => undefined });
      expect(textsOf(calls)).toEqual(['a']);
    },
  },
  {
    behaviour: 'ParallelizationFactor keeps the order of each key',
    page: 'kinesis',
    check: async () => {
      const keys = ['k', 'l', 'm', 'n', 'o', 'p'];
      const { calls } = await run({
        before: (stream) => {
          stream.open('shard-0');
          for (const round of ['1', '2', '3']) for (const key of keys) stream.put('shard-0', key + round, key);
        },
        settings: { parallelizationFactor: 4, batchSize: 2 },
      });
      for (const key of keys) {
        const delivered = calls.flatMap(({ texts }) => texts).filter((text) => text.startsWith(key));
        expect(delivered).toEqual([`${key}1`, `${key}2`, `${key}3`]);
      }
    },
  },
  {
    behaviour: 'ParallelizationFactor is how many batches of a shard are in flight',
    page: 'kinesis',
    check: async () => {
      const { calls } = await run({
        records: 'abcdefghijklmnop',
        settings: { parallelizationFactor: 3, batchSize: 1 },
        answer: () => undefined,
      });
      expect(calls).toHaveLength(3);
    },
  },
  {
    behaviour: 'the event has the documented shape',
    page: 'kinesis',
    check: async () => {
      const { calls } = await run({ records: 'a' });
      const sequenceNumber = calls[0]?.event.Records[0]?.kinesis.sequenceNumber ?? '';
      expect(calls[0]?.event).toEqual({
        Records: [
          {
            kinesis: {
              kinesisSchemaVersion: '1.0',
              partitionKey: 'a',
              sequenceNumber,
              data: 'YQ==',
              approximateArrivalTimestamp: 1_767_225_600,
            },
            eventSource: 'aws:kinesis',
            eventVersion: '1.0',
            eventID: `shard-0:${sequenceNumber}`,
            eventName: 'aws:kinesis:record',
            invokeIdentityArn: 'arn:aws:iam::000000000000:role/aggregate',
            awsRegion: 'eu-west-1',
            eventSourceARN: 'arn:aws:kinesis:eu-west-1:000000000000:stream/raw',
          },
        ],
      });
    },
  },

  // Starting positions.
  {
    behaviour: 'TRIM_HORIZON begins with the oldest record',
    page: 'parameters',
    check: async () => {
      const { calls } = await run({ records: 'ab', settings: { startingPosition: { type: 'TRIM_HORIZON' } } });
      expect(textsOf(calls)).toEqual(['a b']);
    },
  },
  {
    behaviour: 'LATEST begins with the first record after the mapping was made',
    page: 'parameters',
    check: async () => {
      const world = await run({ records: 'ab', settings: { startingPosition: { type: 'LATEST' } }, forMs: 0 });
      world.stream.put('shard-0', 'c');
      await world.clock.advance(10_000);
      expect(textsOf(world.calls)).toEqual(['c']);
    },
  },
  {
    behaviour: 'after LATEST the shards that come later are read whole',
    page: 'parameters',
    check: async () => {
      const world = await run({ records: 'a', settings: { startingPosition: { type: 'LATEST' } }, forMs: 0 });
      world.stream.close('shard-0');
      world.stream.open('shard-1', ['shard-0']);
      world.stream.put('shard-1', 'b');
      await world.clock.advance(10_000);
      expect(textsOf(world.calls)).toEqual(['b']);
    },
  },
  {
    behaviour: 'AT_TIMESTAMP begins with the first record of that time or later',
    page: 'parameters',
    check: async () => {
      const startMs = Date.UTC(2026, 0, 1);
      const { calls } = await run({
        before: async (stream, clock) => {
          stream.open('shard-0');
          for (const text of ['a', 'b', 'c']) {
            stream.put('shard-0', text);
            await clock.advance(1_000);
          }
        },
        settings: { startingPosition: { type: 'AT_TIMESTAMP', timestampMs: startMs + 1_000 } },
      });
      expect(textsOf(calls)).toEqual(['b c']);
    },
  },

  // Responses.
  {
    behaviour: 'a function error makes the whole batch be tried again',
    page: 'failureDestination',
    check: async () => {
      const { calls } = await run({ records: 'ab', answer: (_, index) => (index === 0 ? failed : succeeded) });
      expect(textsOf(calls)).toEqual(['a b', 'a b']);
    },
  },
  {
    behaviour: 'a timeout makes the whole batch be tried again',
    page: 'failureDestination',
    check: async () => {
      const { calls } = await run({
        records: 'ab',
        answer: (_, index) => (index === 0 ? { kind: 'timed-out' } : succeeded),
      });
      expect(textsOf(calls)).toEqual(['a b', 'a b']);
    },
  },
  {
    behaviour: 'nothing newer of the shard is sent while a batch fails',
    page: 'failureDestination',
    check: async () => {
      const { calls } = await run({ records: 'abcd', settings: { batchSize: 2 }, answer: () => failed });
      expect(new Set(textsOf(calls))).toEqual(new Set(['a b']));
    },
  },
  {
    behaviour: 'with several failures the lowest sequence number is the checkpoint',
    page: 'partialBatches',
    check: async () => {
      const { calls } = await run({ records: 'abcd', settings: reports, answer: failOnce([3, 1]) });
      expect(textsOf(calls)).toEqual(['a b c d', 'b c d']);
    },
  },
  {
    behaviour: 'an empty list of failures is a success',
    page: 'partialBatches',
    check: () => expectSuccess({ batchItemFailures: [] }),
  },
  {
    behaviour: 'a null list is a success',
    page: 'partialBatches',
    check: () => expectSuccess({ batchItemFailures: null }),
  },
  { behaviour: 'an empty response is a success', page: 'partialBatches', check: () => expectSuccess({}) },
  { behaviour: 'a null response is a success', page: 'partialBatches', check: () => expectSuccess(null) },
  {
    behaviour: 'an empty itemIdentifier fails the whole batch',
    page: 'partialBatches',
    check: () => expectWholeFailure({ batchItemFailures: [{ itemIdentifier: '' }] }),
  },
  {
    behaviour: 'a null itemIdentifier fails the whole batch',
    page: 'partialBatches',
    check: () => expectWholeFailure({ batchItemFailures: [{ itemIdentifier: null }] }),
  },
  {
    behaviour: 'a bad key name in place of itemIdentifier fails the whole batch',
    page: 'partialBatches',
    check: () => expectWholeFailure({ batchItemFailures: [{ sequenceNumber: '1' }] }),
  },
  {
    behaviour: 'an itemIdentifier that is not in the batch fails the whole batch',
    page: 'partialBatches',
    check: () => expectWholeFailure({ batchItemFailures: [{ itemIdentifier: '49590338271490256608559692538361' }] }),
  },
  {
    behaviour: 'one bad itemIdentifier among good ones fails the whole batch',
    page: 'partialBatches',
    chosen: 'The page names only lists of one.',
    check: async () => {
      const { calls } = await run({
        records: 'ab',
        settings: reports,
        answer: (call, index) => (index === 0 ? failedFrom(sequenceOf(call, 1), '') : succeeded),
      });
      expect(textsOf(calls)).toEqual(['a b', 'a b']);
    },
  },
  {
    behaviour: 'a response that is no object fails the whole batch',
    page: 'partialBatches',
    chosen: 'The page is silent; records that may have failed are not skipped.',
    check: () => expectWholeFailure('done'),
  },
  {
    behaviour: 'without ReportBatchItemFailures a report is not read',
    page: 'partialBatches',
    check: async () => {
      const { calls } = await run({ records: 'ab', answer: failOnce([0]) });
      expect(textsOf(calls)).toEqual(['a b']);
    },
  },

  // Bisect.
  {
    behaviour: 'with bisect a failed batch is cut in two halves, which are tried in order',
    page: 'failureDestination',
    check: async () => {
      const { calls } = await run({
        records: 'abcd',
        settings: { bisects: true },
        answer: (_, index) => (index === 0 ? failed : succeeded),
      });
      expect(textsOf(calls)).toEqual(['a b c d', 'a b', 'c d']);
    },
  },
  {
    behaviour: 'bisect isolates a bad record',
    page: 'failureDestination',
    check: async () => {
      const { calls, failures } = await run({
        records: 'abcd',
        settings: { bisects: true, retryAttemptsMax: 0 },
        answer: ({ texts }) => (texts.includes('c') ? failed : succeeded),
      });
      expect(textsOf(calls)).toEqual(['a b c d', 'a b', 'c d', 'c', 'd']);
      expect(failures.map(({ KinesisBatchInfo }) => KinesisBatchInfo.batchSize)).toEqual([1]);
    },
  },
  {
    behaviour: 'splitting a batch does not use up retries',
    page: 'failureDestination',
    check: async () => {
      const { calls } = await run({
        records: 'ab',
        settings: { bisects: true, retryAttemptsMax: 2 },
        answer: ({ texts }) => (texts.includes('a') ? failed : succeeded),
      });
      expect(textsOf(calls)).toEqual(['a b', 'a', 'a', 'a', 'b']);
    },
  },
  {
    behaviour: 'with both settings a failed invocation is cut in halves',
    page: 'partialBatches',
    check: async () => {
      const { calls } = await run({
        records: 'abcd',
        settings: { ...reports, bisects: true },
        answer: (_, index) => (index === 0 ? failed : succeeded),
      });
      expect(textsOf(calls)).toEqual(['a b c d', 'a b', 'c d']);
    },
  },
  {
    behaviour: 'with both settings a partial success is cut at the returned number, without using up retries',
    page: 'partialBatches',
    check: async () => {
      const { calls, failures } = await run({
        records: 'abcd',
        settings: { ...reports, bisects: true, retryAttemptsMax: 0 },
        answer: failOnce([1]),
      });
      expect(textsOf(calls)).toEqual(['a b c d', 'b c d']);
      expect(failures).toEqual([]);
    },
  },
  {
    behaviour: 'with both settings a report of the first record cuts in halves',
    page: 'partialBatches',
    chosen: 'At the first record there is nothing to cut off, and trying the same again would never end.',
    check: async () => {
      const { calls } = await run({ records: 'abcd', settings: { ...reports, bisects: true }, answer: failOnce([0]) });
      expect(textsOf(calls)).toEqual(['a b c d', 'a b', 'c d']);
    },
  },

  // Limits.
  {
    behaviour: 'a batch is tried once and MaximumRetryAttempts times again, and then given up',
    page: 'parameters',
    check: async () => {
      const { calls } = await run({
        records: 'ab',
        settings: { retryAttemptsMax: 2, batchSize: 1 },
        answer: ({ texts }) => (texts.includes('a') ? failed : succeeded),
      });
      expect(textsOf(calls)).toEqual(['a', 'a', 'a', 'b']);
    },
  },
  {
    behaviour: 'retries are without limit unless they are set',
    page: 'parameters',
    check: async () => {
      const { calls } = await run({ records: 'a', answer: () => failed, forMs: 600_000 });
      expect(calls.length).toBeGreaterThan(50);
    },
  },
  {
    behaviour: 'what is left after a partial success counts against the same retries',
    page: 'partialBatches',
    chosen: 'The page says that a report retries "based on your retry strategy".',
    check: async () => {
      const { calls } = await run({
        records: 'abc',
        settings: { ...reports, retryAttemptsMax: 1 },
        answer: (call) => failedFrom(sequenceOf(call, call.texts.length - 1)),
      });
      expect(textsOf(calls)).toEqual(['a b c', 'c']);
    },
  },
  {
    behaviour: 'records older than MaximumRecordAgeInSeconds are not sent',
    page: 'parameters',
    check: async () => {
      const { calls, failures } = await run({
        before: async (stream, clock) => {
          stream.open('shard-0');
          stream.put('shard-0', 'a');
          await clock.advance(60_001);
          stream.put('shard-0', 'b');
        },
        settings: { recordAgeMsMax: 60_000 },
      });
      expect(textsOf(calls)).toEqual(['b']);
      expect(failures).toMatchObject([
        {
          requestContext: { condition: 'RecordAgeExceeded', approximateInvokeCount: 0 },
          KinesisBatchInfo: { batchSize: 1 },
        },
      ]);
    },
  },
  {
    behaviour: 'a record that is just MaximumRecordAgeInSeconds old is sent',
    page: 'parameters',
    check: async () => {
      const { calls } = await run({
        before: async (stream, clock) => {
          stream.open('shard-0');
          stream.put('shard-0', 'a');
          await clock.advance(60_000);
        },
        settings: { recordAgeMsMax: 60_000 },
      });
      expect(textsOf(calls)).toEqual(['a']);
    },
  },
  {
    behaviour: 'a failing batch is given up when its records are too old',
    page: 'failureDestination',
    check: async () => {
      const { failures } = await run({
        records: 'a',
        settings: { recordAgeMsMax: 60_000 },
        answer: () => failed,
        forMs: 120_000,
      });
      expect(failures).toMatchObject([{ requestContext: { condition: 'RecordAgeExceeded' } }]);
    },
  },
  {
    behaviour: 'a failing batch is tried again until its records expire in the stream',
    page: 'failureDestination',
    chosen: 'The page does not say what condition the message names then.',
    check: async () => {
      const world = await run({ records: 'ab', answer: ({ texts }) => (texts.includes('a') ? failed : succeeded) });
      world.stream.trim('shard-0', 1);
      await world.clock.advance(30_000);
      expect(world.calls.at(-1)?.texts).toEqual(['b']);
      expect(world.failures).toMatchObject([
        { requestContext: { condition: 'RecordAgeExceeded' }, KinesisBatchInfo: { batchSize: 1 } },
      ]);
    },
  },
  {
    behaviour: 'a throttled batch is tried again without using up retries',
    page: 'failureDestination',
    check: async () => {
      const { calls, failures } = await run({
        records: 'a',
        settings: { retryAttemptsMax: 0 },
        answer: (_, index) => (index < 5 ? { kind: 'throttled' } : succeeded),
      });
      expect(calls).toHaveLength(6);
      expect(failures).toEqual([]);
    },
  },
  {
    behaviour: 'the on-failure message has the documented shape, with positions and no payload',
    page: 'failureDestination',
    check: async () => {
      const { calls, failures } = await run({ records: 'ab', settings: { retryAttemptsMax: 0 }, answer: () => failed });
      const [first, last] = calls[0]?.event.Records ?? [];
      expect(failures).toEqual([
        {
          requestContext: {
            requestId: 'request-1',
            functionArn: 'arn:aws:lambda:eu-west-1:000000000000:function:aggregate',
            condition: 'RetryAttemptsExhausted',
            approximateInvokeCount: 1,
          },
          responseContext: { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' },
          version: '1.0',
          timestamp: '2026-01-01T00:00:00.000Z',
          KinesisBatchInfo: {
            shardId: 'shard-0',
            startSequenceNumber: first?.kinesis.sequenceNumber,
            endSequenceNumber: last?.kinesis.sequenceNumber,
            approximateArrivalOfFirstRecord: '2026-01-01T00:00:00.000Z',
            approximateArrivalOfLastRecord: '2026-01-01T00:00:00.000Z',
            batchSize: 2,
            streamArn: 'arn:aws:kinesis:eu-west-1:000000000000:stream/raw',
          },
        },
      ]);
    },
  },
  {
    behaviour: 'the message of records that were never sent has no response context',
    page: 'failureDestination',
    chosen: 'The page shows only the message of a batch that was sent.',
    check: async () => {
      const { failures } = await run({
        before: async (stream, clock) => {
          stream.open('shard-0');
          stream.put('shard-0', 'a');
          await clock.advance(60_001);
        },
        settings: { recordAgeMsMax: 60_000 },
      });
      expect(failures.map((message) => 'responseContext' in message)).toEqual([false]);
    },
  },
  {
    behaviour: 'a report of failures that is given up is no function error',
    page: 'failureDestination',
    chosen: 'The page shows only the message of a function that threw.',
    check: async () => {
      const { failures } = await run({
        records: 'a',
        settings: { ...reports, retryAttemptsMax: 0 },
        answer: (call) => failedFrom(sequenceOf(call, 0)),
      });
      expect(failures.map(({ responseContext }) => responseContext)).toEqual([
        { statusCode: 200, executedVersion: '$LATEST' },
      ]);
    },
  },

  // Filters.
  {
    behaviour: 'a record that no filter matches is passed over',
    page: 'filtering',
    check: async () => {
      const { calls } = await run({
        before: (stream) => {
          stream.open('shard-0');
          for (const type of ['buy', 'sell', 'buy']) stream.put('shard-0', JSON.stringify({ order: { type } }));
        },
        settings: { filters: ['{"data":{"order":{"type":["buy"]}}}'] },
      });
      expect(calls.map(({ texts }) => texts.length)).toEqual([2]);
    },
  },
  {
    behaviour: 'the position moves on past records that no filter matches',
    page: 'filterSyntax',
    check: async () => {
      const { mapping, stream, clock } = await run({ settings: { filters: ['{"data":{"a":[1]}}'] } });
      const sequenceNumber = stream.put('shard-0', '{"a":2}');
      await clock.advance(1_000);
      expect(mapping.checkpoint().shards['shard-0']?.from).toEqual({ type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber });
    },
  },
  {
    behaviour: 'a batch is filled with records that pass',
    page: 'filterSyntax',
    check: async () => {
      const { calls } = await run({
        before: (stream) => {
          stream.open('shard-0');
          for (let index = 0; index < 20; index += 1) stream.put('shard-0', JSON.stringify({ a: index % 2 }));
        },
        settings: { filters: ['{"data":{"a":[1]}}'], batchSize: 5, batchingWindowMs: 1_000 },
        forMs: 0,
      });
      expect(calls.map(({ texts }) => texts.length)).toEqual([5, 5]);
    },
  },

  // Resharding.
  {
    behaviour: 'children start when their parent is finished',
    page: 'resharding',
    check: async () => {
      const world = await run({
        before: (stream) => {
          stream.open('parent');
          stream.put('parent', 'a');
          stream.close('parent');
          stream.open('child', ['parent']);
          stream.put('child', 'b');
        },
        answer: (_, index) => (index === 0 ? undefined : succeeded),
      });
      expect(textsOf(world.calls)).toEqual(['a']);
      world.calls[0]?.end(succeeded);
      await world.clock.advance(0);
      expect(textsOf(world.calls)).toEqual(['a', 'b']);
    },
  },
  {
    behaviour: 'the child of a merge starts when both parents are finished',
    page: 'resharding',
    check: async () => {
      const world = await run({
        before: (stream) => {
          for (const parent of ['left', 'right']) {
            stream.open(parent);
            stream.put(parent, parent);
            stream.close(parent);
          }
          stream.open('child', ['left', 'right']);
          stream.put('child', 'b');
        },
        answer: ({ texts }) => (texts.includes('right') ? undefined : succeeded),
      });
      expect(textsOf(world.calls).toSorted()).toEqual(['left', 'right']);
    },
  },
  {
    behaviour: 'a grandchild waits for its grandparent through an empty shard',
    page: 'resharding',
    check: async () => {
      const world = await run({
        before: (stream) => {
          stream.open('grandparent');
          stream.put('grandparent', 'a');
          stream.close('grandparent');
          stream.open('parent', ['grandparent']);
          stream.close('parent');
          stream.open('child', ['parent']);
          stream.put('child', 'b');
        },
        answer: (_, index) => (index === 0 ? undefined : succeeded),
      });
      expect(textsOf(world.calls)).toEqual(['a']);
    },
  },

  // Tumbling windows.
  {
    behaviour: 'state is passed from one invocation of a window to the next',
    page: 'tumblingWindows',
    check: async () => {
      const { calls } = await run({
        records: 'abc',
        settings: { ...windows, batchSize: 1 },
        answer: countRecords,
        forMs: 0,
      });
      expect(calls.map(({ event }) => event.state)).toEqual([{}, { count: 1 }, { count: 2 }]);
    },
  },
  {
    behaviour: 'a record of a later window closes the window before it is sent',
    page: 'tumblingWindows',
    check: async () => {
      const world = await run({ records: 'a', settings: windows, answer: countRecords, forMs: 60_000 });
      world.stream.put('shard-0', 'b');
      await world.clock.advance(1_000);
      expect(world.calls.map(({ event, texts }) => [texts.join(), event.isFinalInvokeForWindow, event.state])).toEqual([
        ['a', false, {}],
        ['', true, { count: 1 }],
        ['b', false, {}],
      ]);
    },
  },
  {
    behaviour: 'windows are cut by arrival, and the event says which it is',
    page: 'tumblingWindows',
    check: async () => {
      const { calls } = await run({ records: 'a', settings: windows, answer: countRecords, forMs: 0 });
      expect(calls[0]?.event).toMatchObject({
        window: { start: '2026-01-01T00:00:00Z', end: '2026-01-01T00:01:00Z' },
        shardId: 'shard-0',
        eventSourceARN: 'arn:aws:kinesis:eu-west-1:000000000000:stream/raw',
        isWindowTerminatedEarly: false,
      });
    },
  },
  {
    behaviour: 'a batch holds records of one window only',
    page: 'tumblingWindows',
    check: async () => {
      const { calls } = await run({
        before: async (stream, clock) => {
          stream.open('shard-0');
          stream.put('shard-0', 'a');
          await clock.advance(60_000);
          stream.put('shard-0', 'b');
        },
        settings: windows,
        answer: countRecords,
        forMs: 0,
      });
      expect(textsOf(calls)).toEqual(['a', '', 'b']);
    },
  },
  {
    behaviour: 'a window of a quiet shard is closed at the latest 2 minutes after its end',
    page: 'tumblingWindows',
    chosen: 'The page gives no time; 2 minutes is what users measure.',
    check: async () => {
      const world = await run({ records: 'a', settings: windows, answer: countRecords, forMs: 179_999 });
      expect(world.calls).toHaveLength(1);
      await world.clock.advance(1_000);
      expect(world.calls[1]?.event.isFinalInvokeForWindow).toBe(true);
    },
  },
  {
    behaviour: 'a response without a state is a failed invocation',
    page: 'tumblingWindows',
    check: async () => {
      const { calls } = await run({
        records: 'a',
        settings: windows,
        answer: (call, index) => (index === 0 ? succeeded : countRecords(call)),
        forMs: 10_000,
      });
      expect(textsOf(calls)).toEqual(['a', 'a']);
    },
  },
  {
    behaviour: 'a state of more than 1 MB ends the window early, and the next begins empty',
    page: 'tumblingWindows',
    check: async () => {
      const { calls } = await run({
        records: 'ab',
        settings: { ...windows, batchSize: 1 },
        answer: () => ({ kind: 'response', payload: { state: { held: 'x'.repeat(1_048_577) } } }),
        forMs: 0,
      });
      expect(
        calls
          .slice(0, 3)
          .map(({ event }) => [event.isFinalInvokeForWindow, event.isWindowTerminatedEarly, event.Records.length]),
      ).toEqual([
        [false, false, 1],
        [true, true, 0],
        [false, false, 1],
      ]);
      expect(calls[2]?.event.state).toEqual({});
    },
  },
  {
    behaviour: 'the end of a shard closes the window, and the child starts afresh',
    page: 'tumblingWindows',
    check: async () => {
      const { calls } = await run({
        before: (stream) => {
          stream.open('parent');
          stream.put('parent', 'a');
          stream.close('parent');
          stream.open('child', ['parent']);
          stream.put('child', 'b');
        },
        settings: windows,
        answer: countRecords,
        forMs: 0,
      });
      expect(calls.map(({ event, texts }) => [texts.join(), event.isFinalInvokeForWindow, event.state])).toEqual([
        ['a', false, {}],
        ['', true, { count: 1 }],
        ['b', false, {}],
      ]);
    },
  },
  {
    behaviour: 'the shard waits until the closing of a window succeeds',
    page: 'tumblingWindows',
    check: async () => {
      const world = await run({
        records: 'a',
        settings: { ...windows, retryAttemptsMax: 0 },
        answer: (call) => (call.event.isFinalInvokeForWindow ? failed : countRecords(call)),
        forMs: 60_000,
      });
      world.stream.put('shard-0', 'b');
      await world.clock.advance(60_000);
      expect(new Set(textsOf(world.calls))).toEqual(new Set(['a', '']));
      expect(world.calls.length).toBeGreaterThan(3);
    },
  },
  {
    behaviour: 'a window takes part in the retry limits',
    page: 'tumblingWindows',
    check: async () => {
      const { failures } = await run({
        records: 'a',
        settings: { ...windows, retryAttemptsMax: 1 },
        answer: (call) => (call.texts.length > 0 ? failed : countRecords(call)),
        forMs: 10_000,
      });
      expect(failures).toMatchObject([
        { requestContext: { condition: 'RetryAttemptsExhausted', approximateInvokeCount: 2 } },
      ]);
    },
  },
];

const reports = { reportsItemFailures: true };
const windows = { tumblingWindowMs: 60_000 };

for (const { behaviour, page, check } of cases) test(`${behaviour} (${pages[page]})`, check);

async function run(options: {
  readonly records?: string;
  readonly before?: WorldOptions['before'];
  readonly settings?: WorldOptions['settings'];
  readonly answer?: (call: Call, index: number) => InvocationOutcome | undefined;
  readonly forMs?: number;
}): Promise<World> {
  const { records = '', before, settings, answer, forMs = 30_000 } = options;
  const world = await createWorld({
    before:
      before ??
      ((stream: TestStream) => {
        stream.open('shard-0');
        for (const text of records) stream.put('shard-0', text);
      }),
    ...(settings === undefined ? {} : { settings }),
    ...(answer === undefined ? {} : { answer }),
  });
  await world.clock.advance(forMs);
  return world;
}

async function expectSuccess(payload: unknown): Promise<void> {
  const { calls } = await run({ records: 'ab', settings: reports, answer: () => ({ kind: 'response', payload }) });
  expect(textsOf(calls)).toEqual(['a b']);
}

async function expectWholeFailure(payload: unknown): Promise<void> {
  const answer = (_: Call, index: number): InvocationOutcome =>
    index === 0 ? { kind: 'response', payload } : succeeded;
  const { calls } = await run({ records: 'ab', settings: reports, answer });
  expect(textsOf(calls)).toEqual(['a b', 'a b']);
}

/** Names records of the first batch, by their places in it, as failed; then succeeds. */
function failOnce(places: readonly number[]): (call: Call, index: number) => InvocationOutcome {
  return (call, index) => (index === 0 ? failedFrom(...places.map((place) => sequenceOf(call, place))) : succeeded);
}

function sequenceOf(call: Call, place: number): string | undefined {
  return call.event.Records[place]?.kinesis.sequenceNumber;
}

/** Counts records in the window's state. */
function countRecords({ event }: Call): InvocationOutcome {
  const count = Number(event.state?.['count'] ?? 0) + event.Records.length;
  return { kind: 'response', payload: { state: { count } } };
}
