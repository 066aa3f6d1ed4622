import { Buffer } from 'node:buffer';
import { deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { decompressedBytesMax } from '#shared/pipeline/decoder.ts';
import { type AnyOutput, milliseconds, tumbling } from '#shared/pipeline/index.ts';
import { decodeBlock } from '#shared/runtime/block-codec.ts';
import { decodeTools } from '#shared/runtime/decode-tools.ts';
import { createPreprocess } from '#shared/runtime/preprocess.ts';
import { columns, pipelineOf, readings, sink } from '../readings.ts';
import { aggregate } from './aggregated.ts';
import { World } from './world.ts';

const output: AnyOutput = readings()
  .keyBy((reading) => ({ key: reading.key }))
  .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
  .aggregate('step', columns)
  .to(sink);
const pipeline = pipelineOf([output], { slots: 1 });

/** What a raw record comes to: the blocks that are put, and the dead letters. */
async function process(bytes: Uint8Array) {
  const { state, deadLetters, clock, telemetry } = new World(pipeline, ['a']);
  const routes: unknown[] = [];
  const exchange = {
    put: async (entries: readonly { readonly bytes: Uint8Array }[]) => {
      for (const entry of entries) routes.push(...decodeBlock(entry.bytes, 'here').routes);
      return [];
    },
  };
  const directory = { list: async () => [{ shardId: 'a', parents: [] }] };
  const options = { pipeline, source: 'readings', exchange, directory, state, deadLetters, clock, telemetry };
  const record = { sequence: '7', partitionKey: 'p', bytes, arrivalMs: 0 };
  await createPreprocess(options).process({ shardId: 'a', records: [record] });
  const letters = deadLetters.letters.map(({ sub, reason, message, payload }) => ({
    sub,
    reason,
    message,
    payload: Buffer.from(payload ?? '', 'base64'),
  }));
  return { routes, letters, counts: await state.readOrigin('readings', 'a') };
}

const lines = Buffer.from('{"at":1,"key":"a","amount":1}\nno reading\n\n{"at":2,"key":"b","amount":2}\n');

describe('a raw record that is compressed', () => {
  test.each([
    ['gzip', gzipSync(lines)],
    ['gzip in two members', Buffer.concat([gzipSync(lines.subarray(0, 20)), gzipSync(lines.subarray(20))])],
    [
      'gzip with padding between and behind its members',
      Buffer.concat([lines.subarray(0, 20), lines.subarray(20)].flatMap((part) => [gzipSync(part), Buffer.alloc(7)])),
    ],
    ['zstd', zstdCompressSync(lines)],
    [
      'zstd in two frames',
      Buffer.concat([zstdCompressSync(lines.subarray(0, 20)), zstdCompressSync(lines.subarray(20))]),
    ],
    [
      'zstd behind a frame to be skipped, as pzstd writes it',
      Buffer.concat([Buffer.from('502a4d180400000063000000', 'hex'), zstdCompressSync(lines)]),
    ],
  ])('with %s gives the same outputs at the same positions, and the same letters', async (_, bytes) => {
    expect(await process(bytes)).toEqual(await process(lines));
  });

  test('inside of an aggregate gives the same as beside it', async () => {
    const parts = [lines, lines].map((bytes) => ({ partitionKey: 'p', bytes }));
    const packed = [gzipSync(lines), zstdCompressSync(lines)].map((bytes) => ({ partitionKey: 'p', bytes }));
    const plain = await process(aggregate(parts));
    expect(plain.counts).toMatchObject({ sent: 6, rejected: 2 });
    expect(await process(aggregate(packed))).toEqual(plain);
  });

  const bomb = zstdCompressSync(Buffer.alloc(decompressedBytesMax + 1));

  test('and holds too much is rejected whole, as it came', async () => {
    const { letters, counts } = await process(bomb);
    expect(letters).toEqual([
      {
        sub: 0,
        reason: 'too-large',
        message: `the record holds more than ${decompressedBytesMax} bytes when it is decompressed (zstd); put less into one`,
        payload: bomb,
      },
    ]);
    expect(counts).toMatchObject({ sent: 1, rejected: 1 });
  });

  test('and holds too much behind padding is rejected too', async () => {
    const half = gzipSync(Buffer.alloc(decompressedBytesMax / 2 + 1));
    const { letters } = await process(Buffer.concat([half, Buffer.alloc(7), half]));
    expect(letters).toMatchObject([{ sub: 0, reason: 'too-large' }]);
  });

  test('holds too much with what else the aggregate holds, and is no trouble for the others', async () => {
    const half = Buffer.alloc(decompressedBytesMax / 2 + 1, 10);
    const parts = [zstdCompressSync(half), gzipSync(half), lines].map((bytes) => ({ partitionKey: 'p', bytes }));
    const { letters, counts } = await process(aggregate(parts));
    expect(letters.map(({ sub, reason }) => `${sub} ${reason}`)).toEqual(['0 too-large', '2 undecodable']);
    expect(counts).toMatchObject({ sent: 4, rejected: 2 });
  });

  test.each([
    [
      'cut short',
      gzipSync(lines).subarray(0, 30),
      'begins as gzip does, and cannot be decompressed: unexpected end of file',
    ],
    [
      'followed by something else behind padding',
      Buffer.concat([gzipSync(lines), Buffer.alloc(7), lines]),
      'begins as gzip does, and cannot be decompressed: incorrect header check',
    ],
    [
      'followed by something else',
      Buffer.concat([zstdCompressSync(lines), lines]),
      'what follows a frame of zstd is no other one',
    ],
    [
      'cut short in its second frame',
      Buffer.concat([zstdCompressSync(lines), zstdCompressSync(lines).subarray(0, 9)]),
      'the last frame of zstd is not whole',
    ],
  ])('and %s is rejected whole', async (_, bytes, message) => {
    const { letters } = await process(bytes);
    expect(letters).toMatchObject([{ sub: 0, reason: 'undecodable', message: expect.stringContaining(message) }]);
    expect(letters[0]?.payload).toEqual(bytes);
  });
});

test('a line that is no text is rejected alone, and says which byte', async () => {
  const bytes = Buffer.concat([lines, Buffer.from('{"key":"é\xc3"}\r\n', 'latin1'), lines]);
  const { letters, counts } = await process(bytes);
  expect(letters.map(({ sub, message }) => `${sub} ${message}`)).toEqual([
    '1 the line is not JSON: Unexpected token \'o\', "no reading" is not valid JSON',
    '3 the line is not UTF-8 text: byte 9 is 0xe9',
    '5 the line is not JSON: Unexpected token \'o\', "no reading" is not valid JSON',
  ]);
  expect(letters[1]?.payload).toEqual(Buffer.from('{"key":"é\xc3"}', 'latin1'));
  expect(counts).toMatchObject({ sent: 7, rejected: 3 });
});

test('a mark of the order of bytes is no part of the first line, and is text in others', async () => {
  const mark = Buffer.from('\ufeff');
  const { letters, counts } = await process(Buffer.concat([mark, lines, mark, lines]));
  expect(letters.map(({ sub }) => sub)).toEqual([1, 3, 4]);
  expect(counts).toMatchObject({ sent: 6 });
});

test('deflate without a frame is decompressed for decoders, up to a bound', () => {
  const bytes = deflateRawSync(lines);
  expect(decodeTools.decompress(bytes, { kind: 'deflate', bytesMax: lines.length })).toEqual(lines);
  expect(() => decodeTools.decompress(bytes, { kind: 'deflate', bytesMax: lines.length - 1 })).toThrow();
});
