import type { StandardSchemaV1 } from '@standard-schema/spec';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import * as mini from 'zod/mini';
import { type CompiledSource, compile } from '#shared/engine/compile/compile.ts';
import { RecordReader, type VisitRecord } from '#shared/engine/decode/record-reader.ts';
import type { Decoder } from '#shared/pipeline/decoder.ts';
import { combinedLog, count, csv, json, milliseconds, stream, tumbling } from '#shared/pipeline/index.ts';
import { pipelineOf, sink } from '../../readings.ts';

function sourceOf<S extends StandardSchemaV1>(
  schema: S,
  timestamp: (record: StandardSchemaV1.InferOutput<S>) => Date | number,
  decode?: readonly [Decoder, ...Decoder[]],
): CompiledSource {
  const output = stream('lines', { schema, timestamp, outOfOrderness: milliseconds(0), ...(decode && { decode }) })
    .keyBy(() => ({ key: 'k' }))
    .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
    .aggregate('step', { n: count() })
    .to(sink);
  const [source] = compile(pipelineOf([output])).sources.values();
  return source as CompiledSource;
}

/** What one value comes to. */
function decodeValue(source: CompiledSource, value: unknown): ReturnType<RecordReader['readValue']> {
  return new RecordReader(source).readValue(value);
}

/** What one line comes to. */
function decodeLine(source: CompiledSource, line: string): Parameters<VisitRecord>[0] {
  const found: Parameters<VisitRecord>[0][] = [];
  new RecordReader(source).readLine(line, (taken) => found.push(taken));
  return found[0];
}

const schema = z.object({ at: z.number(), nested: z.object({ deep: z.array(z.string()) }).optional() });
const byNumber = sourceOf(schema, (record) => record.at);

/** The event time of a record whose timestamp is this. */
function timeOf(timestamp: Date | number): unknown {
  const taken = decodeValue(
    sourceOf(z.object({}), () => timestamp),
    {},
  );
  return taken.kind === 'decoded' ? taken.timeMs : taken.message;
}

describe('the event time', () => {
  test.each([
    ['a Date', new Date(5), 5],
    ['milliseconds', 5, 5],
    ['a fraction, downwards', 5.9, 5],
    ['a fraction before 1970, downwards', -5.1, -6],
    ['the first millisecond of the year 1', -62_135_596_800_000, -62_135_596_800_000],
    ['the last millisecond of the year 9999', 253_402_300_799_999, 253_402_300_799_999],
  ])('is read from %s', (_, timestamp, expected) => {
    expect(timeOf(timestamp)).toBe(expected);
  });

  test.each([
    [
      'the year 50000, which is microseconds',
      1_431_856_800_000_000,
      /^the event time is 1431856800000000 ms .* microseconds/,
    ],
    ['a millisecond before the year 1', -62_135_596_800_001, /outside the years 1 to 9999/],
    ['a millisecond behind the year 9999', 253_402_300_800_000, /outside the years 1 to 9999/],
    ['infinity', Number.POSITIVE_INFINITY, /outside the years 1 to 9999/],
    ['NaN', Number.NaN, /^timestamp gives NaN, which is not a time; give milliseconds since 1970/],
    ['an invalid Date', new Date('soon'), /gives an object, which is not a time/],
    ['nothing', undefined as never, /gives undefined, which is not a time/],
    ['null, which is not 1970', null as never, /is not a time/],
    ['a text, though it is a number', '5' as never, /gives the string "5", which is not a time/],
    ['an empty text, which is not 1970', '' as never, /is not a time/],
    ['true', true as never, /is not a time/],
  ])('is not %s', (_, timestamp, message) => {
    expect(String(timeOf(timestamp))).toMatch(message);
  });

  test('that cannot be read rejects the record', () => {
    const source = sourceOf(schema, () => {
      throw new Error('no clock');
    });
    expect(decodeValue(source, { at: 1 })).toEqual({
      kind: 'rejected',
      reason: 'threw',
      message: 'timestamp threw: no clock',
    });
  });
});

describe('the schema', () => {
  test('says what is wrong, and where', () => {
    expect(decodeLine(byNumber, '{"at":1,"nested":{"deep":["a",2]}}')).toMatchObject({
      kind: 'rejected',
      reason: 'invalid',
      message: expect.stringMatching(/^nested\.deep\.1: /),
    });
  });

  test('says at most five things', () => {
    const many = sourceOf(z.object(Object.fromEntries([...'abcdefgh'].map((name) => [name, z.string()]))), () => 0);
    const taken = decodeValue(many, {});
    expect(taken.kind === 'rejected' && taken.message.split('; ')).toHaveLength(5);
  });

  test('gives what it transforms to', () => {
    const source = sourceOf(z.object({ at: z.string().transform(Number) }), (record) => record.at);
    expect(decodeLine(source, '{"at":"7"}')).toEqual({ kind: 'decoded', value: { at: 7 }, timeMs: 7 });
  });

  test('that throws rejects the record', () => {
    const throwing: StandardSchemaV1<unknown, unknown> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: () => {
          throw new Error('broken');
        },
      },
    };
    expect(
      decodeValue(
        sourceOf(throwing, () => 0),
        1,
      ),
    ).toMatchObject({ reason: 'threw', message: 'the schema threw: broken' });
  });

  const broken = (): never => {
    throw new Error('broken');
  };

  // Zod tries each of these again asynchronously; a rejection that nobody handles would fail the run.
  test.each<readonly [string, StandardSchemaV1, string]>([
    ['a transform', z.string().transform((text) => new URL(text)), 'Invalid URL'],
    ['a refinement', z.string().refine(broken), 'broken'],
    [
      'a refinement deep inside',
      z.preprocess((text) => ({ a: [text] }), z.object({ a: z.array(z.string().refine(broken)) })),
      'broken',
    ],
    ['a preprocessing step', z.preprocess(broken, z.string()), 'broken'],
    ['a transform of Zod Mini', mini.pipe(mini.string(), mini.transform(broken)), 'broken'],
    [
      'a refinement, though no Error,',
      z.string().refine(() => {
        throw undefined;
      }),
      'undefined',
    ],
    [
      'a transform before an asynchronous check',
      z
        .string()
        .transform(broken)
        .refine(async () => true),
      'broken',
    ],
  ])('of Zod rejects the record on which %s throws', (_, throwing, message) => {
    const source = sourceOf(throwing, () => 0);
    expect(decodeValue(source, 'no address')).toEqual({
      kind: 'rejected',
      reason: 'threw',
      message: `the schema threw: ${message}`,
    });
  });

  test('of Zod that throws on one record gives the next', () => {
    const source = sourceOf(
      z.string().transform((text) => new URL(text).host),
      () => 0,
    );
    expect([decodeValue(source, 'no address').kind, decodeValue(source, 'http://a/')]).toEqual([
      'rejected',
      { kind: 'decoded', value: 'a', timeMs: 0 },
    ]);
  });

  test.each<readonly [string, StandardSchemaV1]>([
    ['a refinement', z.string().refine(async () => true)],
    ['a transform', z.string().transform(async (text) => text)],
    ['a promise', z.promise(z.string())],
    ['a refinement of Zod Mini', mini.string().check(mini.refine(async () => true))],
  ])('of Zod with %s that waits stops the host', (_, asynchronous) => {
    expect(() =>
      decodeValue(
        sourceOf(asynchronous, () => 0),
        'text',
      ),
    ).toThrow(/^SCHEMA_ASYNC: the schema of stream lines/);
  });

  test('that validates asynchronously stops the host, naming the stream', () => {
    const asynchronous: StandardSchemaV1<unknown, unknown> = {
      '~standard': { version: 1, vendor: 'test', validate: async (value) => ({ value }) },
    };
    expect(() =>
      decodeValue(
        sourceOf(asynchronous, () => 0),
        1,
      ),
    ).toThrow(/^SCHEMA_ASYNC: the schema of stream lines/);
  });
});

describe('a line', () => {
  const several = sourceOf(z.unknown(), () => 0, [
    json(),
    combinedLog(),
    csv({ columns: { ip: 'string', ts: 'number' } }),
  ]);

  test.each([
    ['JSON', '{"a":1}', { a: 1 }],
    ['JSON behind blanks', '  {"a":1}', { a: 1 }],
    ['CSV', '1.2.3.4,5', { ip: '1.2.3.4', ts: 5 }],
  ])('of several formats is read as %s by the first that knows it', (_, line, value) => {
    expect(decodeLine(several, line)).toMatchObject({ kind: 'decoded', value });
  });

  test('of an access log is read as one', () => {
    const line = '1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "-"';
    expect(decodeLine(several, line)).toMatchObject({ kind: 'decoded', value: { host: '1.2.3.4', status: 200 } });
  });

  test('that a format knows and cannot read is not tried with the next', () => {
    expect(decodeLine(several, '{"a":')).toMatchObject({
      reason: 'undecodable',
      message: expect.stringMatching(/not JSON/),
    });
  });

  test('of none of the formats says which there are', () => {
    const strict = sourceOf(z.unknown(), () => 0, [json(), combinedLog()]);
    expect(decodeLine(strict, 'hello')).toEqual({
      kind: 'rejected',
      reason: 'undecodable',
      message: 'the line is of none of the formats json, combined',
    });
  });

  test('of the only format is read by it, whether it knows it or not', () => {
    expect(decodeLine(byNumber, '5')).toMatchObject({ reason: 'invalid' });
  });

  test('that is a header holds no record', () => {
    const table = sourceOf(z.unknown(), () => 0, [csv({ columns: { ip: 'string', ts: 'number' } })]);
    expect(decodeLine(table, 'ip,ts')).toBeUndefined();
  });
});
