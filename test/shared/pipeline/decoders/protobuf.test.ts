import { Buffer } from 'node:buffer';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema, TimestampSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, test } from 'vitest';
import type { BytesDecoder, DecodedPart } from '#shared/pipeline/decoder.ts';
import { protobuf } from '#shared/pipeline/decoders/protobuf.ts';
import { decodeTools } from '#shared/runtime/decode-tools.ts';
import { descriptors, framed, messageBytes } from '#test/fuzz/binary-formats.ts';

const single = protobuf({ descriptors, message: 'shop.Click' });
const delimited = protobuf({ descriptors, message: 'shop.Click', framing: 'delimited' });

function partsOf(decoder: BytesDecoder, bytes: Uint8Array | readonly number[]): readonly DecodedPart[] {
  return [...decoder.decodeBytes(Uint8Array.from(bytes), { tools: decodeTools, roomBytes: 1 << 20 })];
}

function messageIn(bytes: Uint8Array | readonly number[]): unknown {
  const [part] = partsOf(single, bytes);
  return part !== undefined && 'value' in part ? part.value : part;
}

const empty = {
  ip: '',
  atMs: 0,
  count: 0,
  signed: 0,
  ratio: 0,
  small: 0,
  flag: false,
  raw: new Uint8Array(),
  kind: 'VIEW',
  fixed: 0,
  wide: 0,
  numbers: [],
  tags: [],
  labels: {},
};

describe('a message', () => {
  test('that is empty has zero values, and no fields with presence', () => {
    expect(messageIn([])).toEqual(empty);
  });

  test('may have its packed lists unpacked, and in parts', () => {
    expect(messageIn([0x60, 1, 0x62, 2, 2, 3, 0x60, 4])).toEqual({ ...empty, numbers: [1, 2, 3, 4] });
  });

  test('keeps the last of a field that comes twice, and of a oneof', () => {
    const ip = (text: string): readonly number[] => [0x0a, text.length, ...Buffer.from(text)];
    expect(messageIn([...ip('a'), ...ip('b')])).toEqual({ ...empty, ip: 'b' });
    expect(messageIn([0x82, 1, 1, 0x61, 0x88, 1, 5])).toEqual({ ...empty, phone: 5 });
  });

  test('merges the parts of a message inside', () => {
    expect(messageIn([0x72, 2, 0x18, 7, 0x72, 2, 0x38, 1])).toEqual({
      ...empty,
      parent: { ...empty, count: 7, flag: true },
    });
  });

  test('passes over what it does not know, groups too', () => {
    expect(messageIn([0xa0, 6, 1, 0xa1, 6, 1, 2, 3, 4, 5, 6, 7, 8, 0xa2, 6, 1, 0, 0xa5, 6, 1, 2, 3, 4])).toEqual(empty);
    // A tag of five bytes.
    expect(messageIn([0x98, 0x80, 0x80, 0x80, 0, 7])).toEqual({ ...empty, count: 7 });
    expect(messageIn([0xa3, 6, 0x08, 1, 0xab, 6, 0xac, 6, 0xa4, 6, 0x18, 7])).toEqual({ ...empty, count: 7 });
  });

  test('has maps with keys and values left out', () => {
    expect(messageIn([0x7a, 0, 0x7a, 3, 0x0a, 1, 0x61])).toEqual({ ...empty, labels: { '': 0, a: 0 } });
  });

  test.each<readonly [readonly number[], string]>([
    [[0x0a, 2, 0xff, 0xfe], 'field ip, byte 2: a text is no UTF-8 text'],
    [[0x0a, 5, 0x61], 'field ip, byte 2: a text has a length of 5 bytes, and 1 are left'],
    [[0x08, 1], 'field ip, byte 0: the field is of the wire type 0, and not 2; is it of another message?'],
    [[0x72, 3, 0x18], 'field parent, byte 2: a message has a length of 3 bytes, and 1 are left'],
    [[0x72, 1, 0x18, 7], 'field parent.count, byte 3: the bytes end here, in the middle of a value'],
    [
      [0x10, ...Array(7).fill(0x80), 0x10],
      'field atMs, byte 1: 9007199254740992 is beyond what a number holds exactly (2^53)',
    ],
    [[0x10, ...Array(10).fill(0xff)], 'field atMs, byte 1: a number takes more than 64 bits'],
    [[0x00, 1], 'byte 0: 0 is no number of a field'],
    [[0x98, 0x80, 0x80, 0x80, 0x80, 0, 7], 'byte 0: the tag of a field takes 6 bytes; at most 5 are allowed'],
    [[0xa4, 6], 'byte 0: the field 100 is of the wire type 4, which does not begin one'],
    [Array.from({ length: 200 }, (_, at) => (at % 2 === 0 ? 0x72 : 198 - at - 1)).slice(0, 100), 'length'],
  ])('in bytes %j is rejected with field and byte', (bytes, message) => {
    expect(() => messageIn(bytes)).toThrow(message);
  });

  test('nested too deep is rejected', () => {
    let bytes: readonly number[] = [];
    for (let depth = 0; depth < 70; depth += 1)
      bytes =
        bytes.length < 128
          ? [0x72, bytes.length, ...bytes]
          : [0x72, (bytes.length & 0x7f) | 0x80, bytes.length >> 7, ...bytes];
    expect(() => messageIn(bytes)).toThrow('the record is nested deeper than 64');
  });
});

describe('messages behind their lengths', () => {
  const message = (ip: string): Buffer => framed(messageBytes({ ip }));

  test('are told apart, and one that is wrong is rejected alone', () => {
    const wrong = framed(Uint8Array.of(0x0a, 1, 0xff));
    const parts = partsOf(delimited, Buffer.concat([message('a'), wrong, message('b')]));
    expect(parts).toMatchObject([
      { value: { ip: 'a' } },
      { wrong: 'message 2 at byte 4, field ip, byte 2: a text is no UTF-8 text', payload: Uint8Array.from(wrong) },
      { value: { ip: 'b' } },
    ]);
  });

  test('that end too early are one rejection, with all that is left', () => {
    const parts = partsOf(delimited, Buffer.concat([message('a'), message('bcd').subarray(0, 3)]));
    expect(parts).toMatchObject([
      { value: { ip: 'a' } },
      { wrong: 'message 2, byte 5: a message has a length of 5 bytes, and 2 are left', payload: { length: 3 } },
    ]);
  });
});

test('a timestamp is milliseconds, and a generated schema serves as well as descriptors', () => {
  const decoder = protobuf({ schema: TimestampSchema });
  expect(partsOf(decoder, [0x08, 2, 0x10, 0x80, 0x89, 0x7a])).toMatchObject([{ value: 2_002 }]);
});

test('the plan knows the message and all that its file imports', () => {
  const schema = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors)).getMessage('shop.Click');
  expect(schema && protobuf({ schema }).config).toEqual(single.config);
  expect(single.config).not.toEqual(delimited.config);
});

test.each([
  [{ descriptors: 'AAAA', message: 'shop.Click' }, 'the descriptors are no FileDescriptorSet'],
  [{ descriptors: '??', message: 'shop.Click' }, 'the descriptors hold "?", which is no base64'],
  [{ descriptors, message: 'shop.Clock' }, 'there is no message shop.Clock; there are shop.Click'],
  [{ schema: TimestampSchema, descriptors, message: 'shop.Click' }, 'has a schema, which names the message alone'],
  [{ schema: TimestampSchema, message: 'shop.Click' }, 'has a schema, which names the message alone'],
  [{ schema: 'shop.Click' }, 'has "shop.Click" for its schema; give that of a message'],
  [{ schema: undefined }, 'lacks its message; give a generated schema'],
])('what does not name one message is refused', (options, message) => {
  expect(() => protobuf(options as Parameters<typeof protobuf>[0])).toThrow(message);
});
