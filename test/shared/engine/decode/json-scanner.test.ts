import { Buffer } from 'node:buffer';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { RecordReader } from '#shared/engine/decode/record-reader.ts';
import { recordsPerRawMax } from '#shared/pipeline/decoder.ts';
import { csv, integer, json, nullable, number, oneOf, optional, record, string } from '#shared/pipeline/index.ts';
import { shapeOf, shapeSymbol, shapesOf } from '#shared/pipeline/shape.ts';
import { decodeTools } from '#shared/runtime/decode-tools.ts';
import { type Found, readAll, sourceOf } from '../../../fuzz/decoders.ts';

const flow = record({ ts: integer(), ip: string(), bytes: number() });
const usual = '{"ts":1763715600000,"ip":"10.0.0.1","bytes":120}';

/** A reader, and how often it has asked the schema. */
function readerOf(schema: StandardSchemaV1) {
  let asked = 0;
  const counted = {
    ...schema,
    [shapeSymbol]: shapeOf(schema),
    '~standard': {
      ...schema['~standard'],
      validate: (value: unknown) => {
        asked += 1;
        return schema['~standard'].validate(value);
      },
    },
  } as StandardSchemaV1;
  const reader = new RecordReader(
    sourceOf([json(), csv({ columns: { ip: 'string', ts: 'number' } })], counted),
    decodeTools,
  );
  return {
    read: (text: string | Uint8Array): readonly Found[] => readAll(reader, Buffer.from(text as string)),
    /** Since it was asked last. */
    asked: (): number => {
      const count = asked;
      asked = 0;
      return count;
    },
  };
}

function genericOf(schema: StandardSchemaV1, text: string): readonly Found[] {
  return readAll(
    new RecordReader(sourceOf(json(), { '~standard': schema['~standard'] }), decodeTools),
    Buffer.from(text),
  );
}

test.each([
  ['text', '{"a":1}\n'],
  ['bytes that are no text', '{"a":1}\n\xff\n'],
])('behind as many records as there may be the rest, %s, is rejected as one', (_, rest) => {
  const schema = record({ a: integer() });
  const whole = Buffer.from('{"a":1}\n'.repeat(recordsPerRawMax));
  for (const one of [schema, { '~standard': schema['~standard'] }]) {
    const reader = new RecordReader(sourceOf(json(), one), decodeTools);
    const rejected: Found[] = [];
    let decoded = 0;
    reader.begin({});
    reader.readBytes(Buffer.concat([whole, Buffer.from(rest.repeat(3), 'latin1')]), (taken) => {
      if (taken?.kind === 'decoded') decoded += 1;
      else rejected.push({ index: reader.index, payload: reader.payload });
    });
    expect(decoded).toBe(recordsPerRawMax);
    expect(rejected.map(({ index, payload }) => [index, Buffer.from(payload as string).length])).toEqual([
      [recordsPerRawMax, 3 * rest.length],
    ]);
  }
});

test('objects that hold themselves are read', () => {
  const comment = z.object({
    text: z.string(),
    get first() {
      return comment.optional();
    },
    get answers(): z.ZodOptional<z.ZodArray<typeof comment>> {
      return z.array(comment).optional();
    },
  });
  const line = '{"text":"a","first":{"text":"b","first":{"text":"c"}},"answers":[{"text":"d"}]}';
  const text = `${line}\n${line.replace('"c"', '3')}\n${line.replace('"a"', '"z"')}`;
  expect(readerOf(comment).read(text)).toEqual(genericOf(comment, text));
  expect(genericOf(comment, text)).toMatchObject([{ value: JSON.parse(line) }, { index: 1 }, { index: 2 }]);
  // Of many kinds, each of which may hold all others.
  const kinds: Record<string, z.ZodType> = {};
  for (let kind = 0; kind < 12; kind += 1)
    kinds[kind] = z.object({
      get all() {
        return z
          .object({ ...kinds })
          .partial()
          .optional();
      },
    });
  expect(readerOf(kinds[0] as z.ZodType).read('{}\n{"all":{"3":{}}}')).toHaveLength(2);
});

describe('the schema is asked', () => {
  test('for the first line, and for none that is written like it', () => {
    const { read, asked } = readerOf(flow);
    read(usual);
    expect(asked()).toBe(1);
    expect(
      read('{"ts":1,"ip":"","bytes":-0.5}\r\n{"ts":2,"ip":"a b","bytes":1e3}\n{"ts":3,"ip":"c","bytes":0}'),
    ).toMatchObject([
      { value: { ts: 1, ip: '', bytes: -0.5 } },
      { value: { ts: 2, ip: 'a b', bytes: 1_000 } },
      { value: { ts: 3, ip: 'c', bytes: 0 } },
    ]);
    // For the exponent.
    expect(asked()).toBe(1);
  });

  test('once for each of several ways in which records are written', () => {
    const { read, asked } = readerOf(record({ ts: integer(), ip: optional(string()), inner: nullable(flow) }));
    const ways = [
      '{"ts":1,"ip":"a","inner":null}',
      '{"inner": {"bytes": 1, "ip": "b", "ts": 2, "more": [1, {"x": "\\u00e9"}]}, "ts": 3}',
      '{ "ts" : 1 , "inner" : null }',
    ];
    const expected = [
      { ts: 1, ip: 'a', inner: null },
      { ts: 3, inner: { ts: 2, ip: 'b', bytes: 1 } },
      { ts: 1, inner: null },
    ];
    for (let round = 0; round < 3; round += 1)
      expect(read(ways.join('\n')).map(({ value }) => JSON.stringify(value))).toEqual(
        expected.map((one) => JSON.stringify(one)),
      );
    expect(asked()).toBe(3);
  });

  test('of Zod as well, and its fields where they say more', () => {
    const schema = z.object({
      ip: z.string().min(2),
      at: z.iso.datetime(),
      kind: z.enum(['a', 'b']),
      n: z.number().int(),
    });
    const { read, asked } = readerOf(schema);
    const line = (ip: string, kind: string) => `{"ip":"${ip}","at":"2026-11-21T10:00:00Z","kind":"${kind}","n":5}`;
    read(line('10', 'a'));
    expect(asked()).toBe(1);
    expect(read(line('11', 'b'))).toMatchObject([{ value: { ip: '11', kind: 'b', n: 5 } }]);
    expect(asked()).toBe(0);
    expect(read(`${line('1', 'a')}\n${line('10', 'c')}`)).toEqual(
      genericOf(schema, `${line('1', 'a')}\n${line('10', 'c')}`),
    );
    expect(asked()).toBe(2);
  });

  test('for every line of a schema without a shape', () => {
    for (const schema of [
      z.object({ ts: z.number() }).refine(() => true),
      z.object({ ts: z.number() }).transform((value) => value),
      z.looseObject({ ts: z.number() }),
      z.union([z.object({ ts: z.number() }), z.object({ ip: z.string() })]),
      z.object({ ts: z.number(), constructor: z.string().optional() }),
    ])
      expect(shapeOf(schema)).toBeUndefined();
  });
});

describe('a union of objects', () => {
  const access = z.object({ host: z.string(), bytes: z.number().int() });
  const either = z.union([access, z.object({ ip: z.string(), bytes: z.number() })]);
  const read = (schema: StandardSchemaV1, lines: readonly string[]) => {
    const reader = new RecordReader(sourceOf(json(), schema), decodeTools);
    const text = Buffer.from(lines.join('\n'));
    return { found: [readAll(reader, text), readAll(reader, text)], learned: reader.texts.length };
  };

  test('is read as the first that its fields allow', () => {
    const lines = [
      '{"ip":"a","bytes":1.5}',
      '{"host":"b","bytes":2}',
      '{"ip":"c","bytes":3}',
      '{"host":"d","bytes":4}',
    ];
    const { found, learned } = read(either, lines);
    expect(learned).toBe(2);
    for (const one of found) expect(one).toEqual(genericOf(either, lines.join('\n')));
  });

  test('is left to the schema where two of them could be meant', () => {
    const lines = ['{"ip":"a","host":"b","bytes":1.5}', '{"ip":"a","host":"b","bytes":1}', '{"ip":"a","bytes":1}'];
    for (const one of read(either, lines).found) expect(one).toEqual(genericOf(either, lines.join('\n')));
  });

  test.each([
    ['a refinement', either.refine(() => true)],
    [
      'a field that says which',
      z.discriminatedUnion('t', [access.extend({ t: z.literal(1) }), access.extend({ t: z.literal(2) })]),
    ],
    ['an object that refuses others', z.union([access.strict(), access])],
    ['an array among them', z.union([access, z.array(z.string())])],
  ])('has no shapes with %s', (_, schema) => {
    expect(shapesOf(schema)).toEqual([]);
  });
});

describe('a line that is unusual comes to what the schema says of it', () => {
  test.each([
    ['a key twice', '{"ts":1,"ip":"a","bytes":2,"ts":3}'],
    ['a key twice, one of them not asked for', '{"x":1,"ts":1,"ip":"a","bytes":2,"x":3}'],
    ['a key that is escaped', '{"\\u0074s":1,"ip":"a","bytes":2}'],
    ['an escape in a text', '{"ts":1,"ip":"\\u0061","bytes":2}'],
    ['a text that is no ASCII', '{"ts":1,"ip":"é","bytes":2}'],
    ['a control character in a text', '{"ts":1,"ip":"\u0001","bytes":2}'],
    ['a number with too many digits', '{"ts":1,"ip":"a","bytes":9007199254740993}'],
    ['a fraction with too many digits', '{"ts":1,"ip":"a","bytes":0.12345678901234567}'],
    ['a fraction where a whole number is due', '{"ts":1.5,"ip":"a","bytes":2}'],
    ['a number that begins with zero', '{"ts":1,"ip":"a","bytes":02}'],
    ['null', '{"ts":null,"ip":"a","bytes":2}'],
    ['a field that is missing', '{"ts":1,"ip":"a"}'],
    ['another order', '{"ip":"a","ts":1,"bytes":2}'],
    ['something behind it', '{"ts":1,"ip":"a","bytes":2} x'],
    ['its end missing', '{"ts":1,"ip":"a","bytes":2'],
    ['an array around it', '[{"ts":1,"ip":"a","bytes":2}]'],
    ['blanks before it', '  {"ts":1,"ip":"a","bytes":2}'],
    ['what is not asked for nested deep', `{"ts":1,"ip":"a","bytes":2,"x":${'['.repeat(50)}${']'.repeat(50)}}`],
    ['another prototype', '{"ts":1,"ip":"a","bytes":2,"__proto__":{"bytes":3}}'],
    ['nothing', '{}'],
  ])('%s', (_, line) => {
    const text = [usual, line, usual, line, line].join('\n');
    const { read } = readerOf(flow);
    expect(read(text)).toEqual(genericOf(flow, text));
    expect(read(line)).toEqual(genericOf(flow, line));
  });

  test('after any number of ways to write', () => {
    const { read } = readerOf(flow);
    const lines = Array.from({ length: 300 }, (_, at) => `{"x${at}":${at},"ts":${at},"ip":"a","bytes":2}`);
    expect(read(lines.join('\n'))).toEqual(genericOf(flow, lines.join('\n')));
    expect(read(usual)).toEqual(genericOf(flow, usual));
  });
});

test('texts of a column that do not come again are right all the same', () => {
  const { read } = readerOf(flow);
  const lines = Array.from({ length: 300_000 }, (_, at) => `{"ts":${at},"ip":"${at % 2 === 0 ? at : 'x'}","bytes":2}`);
  const wrong = read(lines.join('\n')).filter(
    ({ index, value }) => (value as { ip: string }).ip !== (index % 2 === 0 ? String(index) : 'x'),
  );
  expect(wrong).toEqual([]);
});

test.each([10, 11, 12, 13, 14, 15])(
  'a number of %d digits, which are read side by side, is the one that JSON has',
  (length) => {
    const schema = record({ n: number() });
    const { read, asked } = readerOf(schema);
    const digits = '987654321098765'.slice(0, length);
    const lines = [digits, digits.replaceAll(/./g, '0').replace('0', '1'), '9'.repeat(length), `-${digits}`];
    for (let place = 0; place < length; place += 1)
      for (let byte = 0x20; byte < 0x7f; byte += 1)
        lines.push(`${digits.slice(0, place)}${String.fromCharCode(byte)}${digits.slice(place + 1)}`);
    read(`{"n":${digits}}`);
    for (const line of lines) {
      const text = `{"n":${line}}`;
      const found = read(text).map(({ value, rejected }) => [value, rejected]);
      expect(found).toEqual(genericOf(schema, text).map(({ value, rejected }) => [value, rejected]));
    }
    asked();
    expect(read(`{"n":${digits}}\n{"n":${'1'.repeat(length)}}`)).toHaveLength(2);
    expect(asked()).toBe(0);
  },
);

test('a line that is rejected behind the scanner shows its bytes', () => {
  const reader = new RecordReader(
    { ...sourceOf(json(), flow), timestamp: (value) => ((value as { ts: number }).ts === 2 ? Number.NaN : 0) },
    decodeTools,
  );
  const text = `${usual}\n{"ts":2,"ip":"a","bytes":1}\r\n{"ts":2,"ip":"b","bytes":1}`;
  expect(readAll(reader, Buffer.from(text)).map(({ rejected, payload }) => rejected && payload)).toEqual([
    undefined,
    '{"ts":2,"ip":"a","bytes":1}',
    '{"ts":2,"ip":"b","bytes":1}',
  ]);
});

test('a field of a few texts is one of them', () => {
  const { read } = readerOf(record({ kind: oneOf('a', 'b') }));
  expect(read('{"kind":"a"}\n{"kind":"b"}\n{"kind":"c"}')).toMatchObject([
    { value: { kind: 'a' } },
    { value: { kind: 'b' } },
    { rejected: 'kind: expected one of "a", "b", found "c"' },
  ]);
});

test('what one reader of a source has learned serves the next one', () => {
  const source = sourceOf(json(), flow);
  const [first, second] = [new RecordReader(source, decodeTools), new RecordReader(source, decodeTools)];
  readAll(first, Buffer.from(usual));
  expect(second.texts).toHaveLength(1);
  // They may take turns.
  const line = (ip: string): Buffer => Buffer.from(`{"ts":1,"ip":"${ip}","bytes":2}\n`);
  for (const ip of ['a', 'b', 'a'])
    for (const reader of [first, second]) expect(readAll(reader, line(ip))).toMatchObject([{ value: { ip } }]);
});

test.each([
  ['texts', flow],
  ['texts with a rule', z.object({ ts: z.number(), ip: z.ipv4(), bytes: z.number() })],
])('who follows the keys of many %s is told their numbers before their lines are read', (_, schema) => {
  const reader = new RecordReader(sourceOf(json(), schema, [['ip'], ['ts']]), decodeTools);
  const lines = Array.from({ length: 500 }, (_, index) => {
    // Now and then one that is written otherwise, or is none at all.
    if (index % 97 === 50) return index % 2 === 0 ? `{"ip": "10.0.1.${index % 7}","bytes":1,"ts":2}` : 'nothing';
    return `{"ts":${1_763_715_600_000 + index},"ip":"10.0.0.${(index * 37) % 101}","bytes":${index}}`;
  });
  const bytes = Buffer.from(`${lines.join('\n')}\n`);
  readAll(reader, bytes);
  const [cache] = reader.texts;
  const looked: number[] = [];
  const read: number[] = [];
  Object.assign(cache ?? {}, { keepsAll: true, wideFrom: 0 });
  if (cache !== undefined)
    cache.follower = { lookAt: (numbers, count) => void looked.push(...numbers.subarray(0, count)) };
  reader.begin({});
  reader.readBytes(bytes, (taken) => {
    const isUsual = taken?.kind === 'decoded' && (taken.value as { ip: string }).ip.startsWith('10.0.0.');
    if (!isUsual) return;
    const number = cache?.lastIndex as number;
    read.push(number);
    expect(looked[read.length - 1]).toBe(number);
  });
  expect(looked).toEqual(read);
  expect(read.length).toBeGreaterThan(480);
});
