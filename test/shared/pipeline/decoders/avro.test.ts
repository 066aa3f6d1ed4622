import { Buffer } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import type { BytesDecoder, DecodedPart } from '#shared/pipeline/decoder.ts';
import { avro } from '#shared/pipeline/decoders/avro.ts';
import { avroFingerprint } from '#shared/pipeline/decoders/avro-fingerprint.ts';
import { unsnappy } from '#shared/pipeline/decoders/snappy.ts';
import { decodeTools } from '#shared/runtime/decode-tools.ts';
import { clickOf, containerOf, plain } from '#test/fuzz/binary-formats.ts';
import { drawOf } from '#test/fuzz/targets.ts';

function partsOf(decoder: BytesDecoder, bytes: Uint8Array): readonly DecodedPart[] {
  return [...decoder.decodeBytes(bytes, { tools: decodeTools, roomBytes: 1 << 20 })];
}

function datum(schema: object | string, bytes: readonly number[], options: { longs?: 'bigint' } = {}): unknown {
  const wrapped = { type: 'record', name: 'R', fields: [{ name: 'x', type: schema }] };
  const [part] = partsOf(avro({ schemas: [wrapped], encoding: 'datum', ...options }), Uint8Array.from(bytes));
  return part !== undefined && 'value' in part ? (part.value as { x: unknown }).x : part;
}

const clicks = Array.from({ length: 5 }, (_, seed) => clickOf(drawOf(seed)));

describe('an object container file', () => {
  test.each(['null', 'deflate', 'zstandard'] as const)('with the codec %s gives what avsc wrote', (codec) => {
    const parts = partsOf(avro(), containerOf([clicks.slice(0, 2), clicks.slice(2)], codec));
    expect(parts.map((part) => 'value' in part && part.value)).toEqual(clicks.map(plain));
  });

  test('with a block that is wrong rejects that block whole, and its letter can be sent again', () => {
    const bytes = containerOf([clicks.slice(0, 1), clicks.slice(1, 3), clicks.slice(3)]);
    const at = bytes.indexOf(Buffer.from('0123456789abcdef'), bytes.indexOf(Buffer.from('0123456789abcdef')) + 16) + 16;
    // The length of the first text of the second block, behind its count and its size.
    const broken = Buffer.from(bytes);
    broken[at + 3] = 0xff;
    broken[at + 4] = 0xff;
    const parts = partsOf(avro(), broken);
    expect(parts.map((part) => ('wrong' in part ? part.wrong : 'read'))).toEqual([
      'read',
      expect.stringMatching(/^block 2 of 2 records: record 1, field .*byte \d+: /),
      'read',
      'read',
    ]);
    const again = partsOf(avro(), parts[1]?.payload as Uint8Array);
    expect(again).toEqual([{ wrong: expect.stringMatching(/^block 1 of 2 records: /), payload: parts[1]?.payload }]);
    expect(partsOf(avro(), parts[2]?.payload as Uint8Array)).toHaveLength(2);
  });

  test('that is cut short gives what is whole, and rejects the rest', () => {
    const bytes = containerOf([clicks.slice(0, 1), clicks.slice(1)]);
    const parts = partsOf(avro(), bytes.subarray(0, -20));
    expect(parts.map((part) => ('wrong' in part ? part.wrong : 'read'))).toEqual([
      'read',
      expect.stringMatching(/^block 2: byte \d+: a block has a length of \d+ bytes, and \d+ are left$/),
    ]);
  });

  test('whose header is wrong says so', () => {
    const header = containerOf([]);
    expect(() =>
      partsOf(avro(), Buffer.from(header.toString('latin1').replace('"string"', '"strong"'), 'latin1')),
    ).toThrow(
      'the schema of the container file cannot be used: the schema names the type "strong", which is not defined before',
    );
    expect(
      partsOf(
        avro(),
        Buffer.concat([
          Buffer.from(header.toString('latin1').replace('\bnull', '\blzma'), 'latin1'),
          Buffer.of(2, 2, 0),
          Buffer.from('0123456789abcdef'),
        ]),
      ),
    ).toEqual([
      expect.objectContaining({
        wrong: 'block 1 of 1 records: the codec lzma is not one of null, deflate, snappy, zstandard',
      }),
    ]);
  });
});

describe('a single object', () => {
  test('of an unknown schema says which', () => {
    expect(() => partsOf(avro({ schemas: ['int' as never] }), Buffer.from('c3010102030405060708', 'hex'))).toThrow(
      'is of a schema with the fingerprint 0102030405060708, which none of the given 1 has',
    );
  });

  // "Test data" of the specification's fingerprints, as Apache's Java library prints them.
  test.each([
    ['int', '8f5c393f1ad57572'],
    ['null', '8a8f25cce724dd63'],
    ['string', 'c70345637248018f'],
  ])('of the schema %j has its fingerprint', (schema, expected) => {
    expect(avroFingerprint(schema)).toBe(expected);
    expect(avroFingerprint({ type: schema, doc: 'the same in canonical form' })).toBe(expected);
  });
});

describe('a datum', () => {
  test.each<readonly [object | string, readonly number[], unknown]>([
    ['long', [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f], Number.MAX_SAFE_INTEGER],
    ['long', [0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f], Number.MIN_SAFE_INTEGER],
    [{ type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 }, [4, 0x04, 0xd2], '12.34'],
    [{ type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 }, [2, 0xff], '-0.01'],
    [{ type: 'fixed', name: 'F', size: 2, logicalType: 'decimal', precision: 4 }, [0x80, 0x00], '-32768'],
    [{ type: 'int', logicalType: 'date' }, [0x02], '1970-01-02'],
    [{ type: 'long', logicalType: 'timestamp-micros' }, [0xd0, 0x0f], 1],
    [{ type: 'long', logicalType: 'timestamp-millis' }, [0x02], 1],
    [{ type: 'string', logicalType: 'uuid' }, [2, 0x61], 'a'],
    [{ type: 'map', values: 'int' }, [2, 18, ...Buffer.from('__proto__'), 2, 0], JSON.parse('{"__proto__":1}')],
    [{ type: 'array', items: 'int' }, [1, 2, 2, 0], [1]],
    [{ type: 'array', items: 'int' }, [3, 4, 2, 4, 0], [1, 2]],
  ])('of %j in bytes %j is %j', (schema, bytes, expected) => {
    expect(datum(schema, bytes)).toEqual(expected);
  });

  test.each<readonly [object | string, readonly number[], string]>([
    [
      'long',
      [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20],
      "field x, byte 0: 9007199254740992 is beyond what a number holds exactly (2^53); read longs as bigint: avro({ longs: 'bigint' })",
    ],
    ['long', Array(11).fill(0xff), 'field x, byte 0: a number takes more than 64 bits'],
    ['int', [0x80, 0x80, 0x80, 0x80, 0x10], 'field x, byte 0: an int is 2147483648, which takes more than 32 bits'],
    ['boolean', [2], 'field x, byte 0: a boolean is 2, neither 0 nor 1'],
    ['string', [4, 0xff, 0xfe], 'field x, byte 1: a text is no UTF-8 text'],
    ['string', [20, 0x61], 'field x, byte 1: a text has a length of 10 bytes, and 1 are left'],
    ['bytes', [1], 'field x, byte 1: a value of bytes has a length of -1 bytes, and 0 are left'],
    [['null', 'int'], [4], 'field x, byte 0: a union of 2 has no branch 2'],
    [{ type: 'enum', name: 'E', symbols: ['A'] }, [1], 'field x, byte 0: the enum E has no symbol -1'],
    [
      { type: 'array', items: 'null' },
      [0xfe, 0xff, 0xff, 0xff, 0xff, 0x3f],
      'the record holds more than 1000000 fields and elements',
    ],
    [
      { type: 'record', name: 'Deep', fields: [{ name: 'in', type: 'Deep' }] },
      [],
      'the record is nested deeper than 64',
    ],
    ['null', [0], 'byte 0: 1 bytes follow the datum; is it of another schema?'],
  ])('of %j in bytes %j is rejected with field and byte', (schema, bytes, message) => {
    expect(() => datum(schema, bytes)).toThrow(message);
  });

  test('of longs is exact as bigints', () => {
    expect(datum('long', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], { longs: 'bigint' })).toBe(
      -(2n ** 63n),
    );
  });
});

test.each<readonly [object, string]>([
  [{ type: 'record', name: 'R' }, 'the record R has no list of fields'],
  [{ type: 'array' }, 'null is no schema of Avro'],
  [{ type: 'record', name: 'R', fields: [{ name: '__proto__', type: 'int' }] }, 'a field cannot be named __proto__'],
])('a schema that cannot be used is refused: %j', (schema, message) => {
  expect(() => avro({ schemas: [schema] })).toThrow(
    `PIPELINE_INVALID: avro: schema 1 of 1 cannot be used: ${message}.`,
  );
});

// By hand: a literal of 3, and a copy of 9 from 3 before.
test('Snappy is undone, with copies that reach into what they make', () => {
  expect(Buffer.from(unsnappy(Buffer.from('0c08616263220300', 'hex'), 100)).toString()).toBe('abcabcabcabc');
  expect(() => unsnappy(Buffer.from('0c08616263220300', 'hex'), 11)).toThrow('it holds 12 bytes, more than 11');
  expect(() => unsnappy(Buffer.from('0c08616263220400', 'hex'), 100)).toThrow('a copy of Snappy reaches too far');
  expect(() => unsnappy(Buffer.from('0c0861', 'hex'), 100)).toThrow('a literal of Snappy is too long');
});
