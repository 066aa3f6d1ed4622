import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AnyOutput, milliseconds, tumbling } from '#shared/pipeline/index.ts';
import type { Exchange, ExchangeEntry } from '#shared/ports/exchange.ts';
import { decodeBlock } from '#shared/runtime/block-codec.ts';
import { userRecordsMax } from '#shared/runtime/deaggregate.ts';
import { attemptsMax, createPreprocess, type RawRecord } from '#shared/runtime/preprocess.ts';
import type { Block } from '#shared/schemas/block.ts';
import { deadLetterPayloadBytesMax } from '#shared/schemas/dead-letter.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { watermarkPartitionKey } from '#shared/schemas/punctuation.ts';
import { columns, pipelineOf, readings, sink } from '../readings.ts';
import { aggregate, sealed } from './aggregated.ts';
import { punctuation, rawRecord, World } from './world.ts';

const output: AnyOutput = readings()
  .filter((reading) => {
    if (reading.key === 'killer') throw Object.assign(new Error('killed'), { isFatal: true });
    return reading.amount !== 13;
  })
  .keyBy((reading) => ({ key: reading.key }))
  .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
  .aggregate('step', columns)
  .to(sink);
const pipeline = pipelineOf([output], { slots: 2 });

function line(at: number, change: { readonly key?: string; readonly amount?: number } = {}): string {
  return JSON.stringify({ at, key: 'k', amount: 1, ...change });
}

/** A preprocess stage over its own world, with what it put. */
function setUp(change: { readonly exchange?: Exchange; readonly shards?: readonly string[] } = {}) {
  const world = new World(pipeline, ['a']);
  const put: Block[] = [];
  const exchange: Exchange = {
    put: async (entries) => {
      const refused = (await change.exchange?.put(entries)) ?? [];
      for (const [index, { bytes }] of entries.entries())
        if (!refused.includes(index)) put.push(decodeBlock(bytes, 'here'));
      return refused;
    },
  };
  const directory = { list: async () => (change.shards ?? ['a']).map((shardId) => ({ shardId, parents: [] })) };
  const { state, deadLetters, clock, telemetry } = world;
  const limits = { outputsPerChunkMax: 1, blockBytesMax: 2_000 };
  const options = { pipeline, source: 'readings', exchange, directory, state, deadLetters, clock, telemetry, limits };
  const send = (...records: readonly RawRecord[]) => createPreprocess(options).process({ shardId: 'a', records });
  return { ...world, put, send, counts: () => state.readOrigin('readings', 'a') };
}

describe('what becomes of records', () => {
  test('is counted by origin', async () => {
    const { send, counts } = setUp();
    await send(rawRecord(1, [line(1), line(2, { amount: 13 }), 'no reading'].join('\n')), rawRecord(2, line(3)));
    expect(await counts()).toEqual({ sequence: '2', sent: 4, filtered: 1, rejected: 1 });
  });

  test('is counted once when the batch comes again', async () => {
    const { send, counts } = setUp();
    for (let times = 0; times < 3; times += 1) await send(rawRecord(1, 'no reading'), rawRecord(2, line(1)));
    expect(await counts()).toEqual({ sequence: '2', sent: 2, filtered: 0, rejected: 1 });
  });

  test('is counted once when the batch comes again with more behind it', async () => {
    const { send, counts } = setUp();
    await send(rawRecord(1, line(1)), rawRecord(2, line(2)));
    await send(rawRecord(2, line(2)), rawRecord(3, line(3)));
    expect(await counts()).toMatchObject({ sequence: '3', sent: 3 });
  });

  test('is one letter for each rejected line, with its bytes', async () => {
    const { send, deadLetters } = setUp();
    await send(rawRecord(7, [line(1), 'no reading', '{"other":1}'].join('\n')));
    expect(
      deadLetters.letters.map(({ id, reason, payload }) => [
        id,
        reason,
        Buffer.from(payload ?? '', 'base64').toString(),
      ]),
    ).toEqual([
      ['readings/a/7/1/undecodable', 'undecodable', 'no reading'],
      ['readings/a/7/2/invalid', 'invalid', '{"other":1}'],
    ]);
  });

  test('is one letter for bytes that are no text', async () => {
    const { send, deadLetters } = setUp();
    await send({ ...rawRecord(1, ''), bytes: Uint8Array.of(0xff, 0xfe) });
    expect(deadLetters.letters).toMatchObject([
      { reason: 'undecodable', message: 'the line is not UTF-8 text: byte 1 is 0xff' },
    ]);
  });

  test('is a letter that is cut when the line is long', async () => {
    const { send, deadLetters } = setUp();
    await send(rawRecord(1, 'x'.repeat(deadLetterPayloadBytesMax + 10)));
    expect(Buffer.from(deadLetters.letters[0]?.payload ?? '', 'base64')).toHaveLength(deadLetterPayloadBytesMax);
  });

  test('is a letter when an output does not fit into a block', async () => {
    const { send, deadLetters, put } = setUp();
    await send(rawRecord(1, line(1, { key: 'x'.repeat(500) })));
    expect([deadLetters.letters.map(({ reason }) => reason), put.flatMap(({ routes }) => routes)]).toEqual([
      ['too-large'],
      [],
    ]);
  });
});

describe('an aggregate of the Kinesis Producer Library', () => {
  const aggregated = (sequence: number, ...texts: readonly (string | Uint8Array)[]): RawRecord => ({
    ...rawRecord(sequence, '', 'a'),
    bytes: aggregate(texts.map((text, index) => ({ partitionKey: `key-${index}`, bytes: Buffer.from(text) }))),
  });

  test('counts each of its records', async () => {
    const { send, counts } = setUp();
    await send(aggregated(1, line(1), line(2, { amount: 13 }), 'no reading', line(3)), rawRecord(2, line(4)));
    expect(await counts()).toEqual({ sequence: '2', sent: 5, filtered: 1, rejected: 1 });
  });

  test('rejects the records that cannot be used, each with its place and its key, and no others', async () => {
    const { send, deadLetters, put } = setUp();
    await send(aggregated(7, line(1), Uint8Array.of(0xff), `${line(2)}\n{"other":1}`, 'no reading', line(3)));
    expect(deadLetters.letters.map(({ id, partitionKey }) => [id, partitionKey])).toEqual([
      ['readings/a/7/1/undecodable', 'key-1'],
      ['readings/a/7/3/invalid', 'key-2'],
      ['readings/a/7/4/undecodable', 'key-3'],
    ]);
    const times = put.flatMap(({ routes }) => routes.flatMap(({ timeMs }) => timeMs));
    expect([...new Set(times)]).toEqual([1, 2, 3]);
  });

  test('gives the very blocks that one record with all the lines gives', async () => {
    const reading = fc.oneof(
      { weight: 5, arbitrary: fc.nat(20).map((at) => line(at, { key: `k${at % 3}` })) },
      { weight: 1, arbitrary: fc.constantFrom(line(1, { amount: 13 }), 'no reading') },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(reading, { minLength: 1, maxLength: 3 }), { minLength: 1 }), async (parts) => {
        const [packed, joined] = [setUp(), setUp()];
        await packed.send(aggregated(1, ...parts.map((lines) => lines.join('\n'))));
        await joined.send(rawRecord(1, parts.flat().join('\n')));
        expect(packed.put).toEqual(joined.put);
        expect(await packed.counts()).toEqual(await joined.counts());
        expect(packed.deadLetters.letters.map(({ id }) => id)).toEqual(joined.deadLetters.letters.map(({ id }) => id));
      }),
      { numRuns: 200 },
    );
  });

  test('may hold a punctuation', async () => {
    const { send, put, counts } = setUp();
    const records = [
      { partitionKey: 'k', bytes: Buffer.from(line(1)) },
      { partitionKey: watermarkPartitionKey, bytes: Buffer.from('{"watermark":500}') },
    ];
    await send({ ...rawRecord(1, ''), bytes: aggregate(records) });
    expect(put.map(({ origin }) => origin?.watermarkMs)).toContain(500);
    expect(await counts()).toEqual({ sequence: '1', sent: 1, filtered: 0, rejected: 0 });
  });

  test('of too many records is rejected as a whole', async () => {
    const { send, deadLetters, counts } = setUp();
    const message = Buffer.from(`0a0170${'1a0408001a00'.repeat(userRecordsMax + 1)}`, 'hex');
    await send({ ...rawRecord(1, ''), bytes: sealed(message) });
    expect(deadLetters.letters.map(({ id }) => id)).toEqual(['readings/a/1/0/too-large']);
    expect(await counts()).toMatchObject({ sent: 1, rejected: 1 });
  });

  test('that kills the process is rejected unread, a letter for each of its records', async () => {
    const { send, deadLetters, counts, state } = setUp();
    const attempt = { sequence: '1', count: attemptsMax };
    const before = { sequence: '', sent: 0, filtered: 0, rejected: 0, attempt };
    await state.writeOrigin({ source: 'readings', shard: 'a', counts: before, read: undefined });
    // A punctuation's partition key does not hide it.
    await send({ ...aggregated(1, line(1), line(2)), partitionKey: watermarkPartitionKey });
    expect(deadLetters.letters.map(({ id, payload }) => [id, Buffer.from(payload ?? '', 'base64').toString()])).toEqual(
      [
        ['readings/a/1/0/threw', line(1)],
        ['readings/a/1/1/threw', line(2)],
      ],
    );
    expect(await counts()).toMatchObject({ sent: 2, rejected: 2 });
  });
});

describe('a punctuation', () => {
  test('is no record: it moves the watermark of every slot and is counted nowhere', async () => {
    const { send, put, counts } = setUp();
    await send(punctuation(1, 500));
    expect([put.map(({ slot, origin }) => [slot, origin?.watermarkMs]), await counts()]).toEqual([
      [
        [0, 500],
        [1, 500],
      ],
      { sequence: '1', sent: 0, filtered: 0, rejected: 0 },
    ]);
  });

  test.each(['{"watermark":"soon"}', '{"watermark":null}', 'null', '5', 'soon', '{"watermark":1e99}'])(
    'that says %s is rejected',
    async (text) => {
      const { send, deadLetters } = setUp();
      await send({ ...punctuation(1, 0), bytes: Buffer.from(text) });
      expect(deadLetters.letters.map(({ reason }) => reason)).toEqual(['undecodable']);
    },
  );
});

describe('an exchange that fails', () => {
  /** Takes so many calls, and none after. */
  function failingAfter(calls: number): Exchange {
    let left = calls;
    return {
      put: async (entries: readonly ExchangeEntry[]) => {
        left -= 1;
        return left >= 0 ? [] : entries.map((_, index) => index);
      },
    };
  }

  test('before anything was accepted fails the batch, and nothing is counted', async () => {
    const { send, counts } = setUp({ exchange: failingAfter(0) });
    await expect(send(rawRecord(1, line(1)), rawRecord(2, line(2)))).rejects.toMatchObject({
      code: 'EXCHANGE_UNAVAILABLE',
    });
    expect(await counts()).toBeUndefined();
  });

  test('in the middle has the batch sent again from the first record that was not accepted whole', async () => {
    const { send, counts } = setUp({ exchange: failingAfter(1) });
    const records = [1, 2, 3].map((sequence) => rawRecord(sequence, line(sequence)));
    expect([await send(...records), await counts()]).toMatchObject([{ failedFrom: '2' }, { sequence: '1', sent: 1 }]);
  });

  test('in the middle of a record has that record sent again', async () => {
    const { send } = setUp({ exchange: failingAfter(2) });
    expect(await send(rawRecord(1, line(1)), rawRecord(2, [line(2), line(3), line(4)].join('\n')))).toEqual({
      failedFrom: '2',
    });
  });
});

describe('a shard that is not in the list', () => {
  test('fails the batch: taken for a root, it would never retire its parents', async () => {
    const { send, put } = setUp({ shards: ['b'] });
    await expect(send(rawRecord(1, line(1)))).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE', retry: true });
    expect(put).toEqual([]);
  });
});

describe('a lone record', () => {
  test(`that kills the process ${attemptsMax} times is rejected unread`, async () => {
    const { send, deadLetters, state } = setUp();
    const attempt = { sequence: '1', count: attemptsMax };
    const counts = { sequence: '', sent: 0, filtered: 0, rejected: 0, attempt };
    await state.writeOrigin({ source: 'readings', shard: 'a', counts, read: undefined });
    await send(rawRecord(1, line(1)));
    expect(deadLetters.letters).toMatchObject([
      { reason: 'threw', message: expect.stringContaining(`${attemptsMax} times`) },
    ]);
  });

  test('that has come through is not tried to death by what fails behind it', async () => {
    const { send, deadLetters } = setUp({
      exchange: { put: () => Promise.reject(new MillraceError('EXCHANGE_UNAVAILABLE', 'gone')) },
    });
    for (let tries = 0; tries < attemptsMax + 3; tries += 1) await send(rawRecord(1, line(1))).catch(() => undefined);
    expect(deadLetters.letters).toEqual([]);
  });
});

test('a source that the plan does not have is refused at once', () => {
  const { state, deadLetters, clock, telemetry, exchange } = new World(pipeline, ['a']);
  const directory = { list: async () => [] };
  const options = { pipeline, source: 'others', exchange, directory, state, deadLetters, clock, telemetry };
  expect(() => createPreprocess(options)).toThrow(
    /^SETTING_INVALID: pipeline test has no source others; it has readings\./,
  );
});
