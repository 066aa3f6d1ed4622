import { Buffer } from 'node:buffer';
import { deflateRawSync, zstdCompressSync } from 'node:zlib';
import { create, createFileRegistry, type DescMessage, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import avsc from 'avsc';
import { avro, protobuf } from '#shared/pipeline/index.ts';
import type { FuzzFormat, Sample } from './decoders.ts';
import { numberOf, textOf } from './line-formats.ts';
import type { Draw } from './targets.ts';

/** Written by avsc, which shares no line with the decoder. */
const clickSchema = {
  type: 'record',
  name: 'shop.Click',
  fields: [
    { name: 'ip', type: 'string' },
    { name: 'at', type: 'long' },
    { name: 'count', type: 'int' },
    { name: 'ratio', type: 'double' },
    { name: 'small', type: 'float' },
    { name: 'flag', type: ['null', 'boolean'], default: null },
    { name: 'raw', type: 'bytes' },
    { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['VIEW', 'BUY'] } },
    { name: 'mark', type: { type: 'fixed', name: 'Mark', size: 3 } },
    { name: 'tags', type: { type: 'array', items: 'string' } },
    { name: 'labels', type: { type: 'map', values: 'long' } },
    { name: 'parent', type: ['null', 'Click'], default: null },
  ],
};
/** By itself avsc rounds what is beyond 2^52. */
const exactLong = avsc.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: number | bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint' || Number.isSafeInteger(value),
  compare: (a: bigint, b: bigint) => Number(a - b),
});
// Unions stand as they are, and not behind the name of their branch.
const click = avsc.Type.forSchema(clickSchema as avsc.Schema, { wrapUnions: 'never', registry: { long: exactLong } });

export function clickOf(draw: Draw, depth = 0): Readonly<Record<string, unknown>> {
  const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, () => draw.below(256)));
  return {
    ip: textOf(draw),
    at: draw.pick([0, -1, 63, 64, 1_763_715_600_000, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]),
    count: draw.pick([0, -(2 ** 31), 2 ** 31 - 1, draw.below(1_000)]),
    ratio: numberOf(draw),
    small: Math.fround(draw.share()),
    flag: draw.pick([null, true, false]),
    raw: bytes(draw.below(5)),
    kind: draw.pick(['VIEW', 'BUY']),
    mark: bytes(3),
    tags: Array.from({ length: draw.below(3) }, () => textOf(draw)),
    labels: Object.fromEntries(Array.from({ length: draw.below(3) }, () => [textOf(draw), draw.below(1e6)])),
    parent: depth < 2 && draw.chance(0.3) ? clickOf(draw, depth + 1) : null,
  };
}

/** As the decoder has it: bytes are plain ones, and longs numbers. */
export function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]));
}

/** A zigzag varint. */
function longOf(value: number): Buffer {
  return avsc.Type.forSchema('long').toBuffer(value);
}

/** An object container file; avsc writes such ones only as a stream. */
export function containerOf(
  blocks: readonly (readonly unknown[])[],
  codec: 'null' | 'deflate' | 'zstandard' = 'null',
): Buffer {
  const pack = { null: (data: Buffer) => data, deflate: deflateRawSync, zstandard: zstdCompressSync }[codec];
  const sync = Buffer.from('0123456789abcdef');
  const meta = avsc.Type.forSchema({ type: 'map', values: 'bytes' }).toBuffer({
    'avro.schema': Buffer.from(JSON.stringify(clickSchema)),
    'avro.codec': Buffer.from(codec),
  });
  const parts = blocks.map((values) => {
    const data = pack(Buffer.concat(values.map((value) => click.toBuffer(value))));
    return Buffer.concat([longOf(values.length), longOf(data.length), data, sync]);
  });
  return Buffer.concat([Buffer.from('Obj\x01'), meta, sync, ...parts]);
}

/** Of the schema's canonical form, as single objects carry it. */
const clickFingerprint = Buffer.from('b68bbec5b8dc15f2', 'hex');

/** As `protoc --include_imports -o` writes it: proto3, with what there is of kinds of fields. */
const label = { optional: 1, repeated: 3 } as const;
const descriptorSet = create(FileDescriptorSetSchema, {
  file: [
    {
      name: 'shop.proto',
      package: 'shop',
      syntax: 'proto3',
      messageType: [
        {
          name: 'Click',
          field: [
            { name: 'ip', number: 1, type: 9, label: label.optional, jsonName: 'ip' },
            { name: 'at_ms', number: 2, type: 3, label: label.optional, jsonName: 'atMs' },
            { name: 'count', number: 3, type: 5, label: label.optional, jsonName: 'count' },
            { name: 'signed', number: 4, type: 17, label: label.optional, jsonName: 'signed' },
            { name: 'ratio', number: 5, type: 1, label: label.optional, jsonName: 'ratio' },
            { name: 'small', number: 6, type: 2, label: label.optional, jsonName: 'small' },
            { name: 'flag', number: 7, type: 8, label: label.optional, jsonName: 'flag' },
            { name: 'raw', number: 8, type: 12, label: label.optional, jsonName: 'raw' },
            { name: 'kind', number: 9, type: 14, label: label.optional, jsonName: 'kind', typeName: '.shop.Kind' },
            { name: 'fixed', number: 10, type: 15, label: label.optional, jsonName: 'fixed' },
            { name: 'wide', number: 11, type: 6, label: label.optional, jsonName: 'wide' },
            { name: 'numbers', number: 12, type: 13, label: label.repeated, jsonName: 'numbers' },
            { name: 'tags', number: 13, type: 9, label: label.repeated, jsonName: 'tags' },
            {
              name: 'parent',
              number: 14,
              type: 11,
              label: label.optional,
              jsonName: 'parent',
              typeName: '.shop.Click',
            },
            {
              name: 'labels',
              number: 15,
              type: 11,
              label: label.repeated,
              jsonName: 'labels',
              typeName: '.shop.Click.LabelsEntry',
            },
            { name: 'email', number: 16, type: 9, label: label.optional, jsonName: 'email', oneofIndex: 0 },
            { name: 'phone', number: 17, type: 3, label: label.optional, jsonName: 'phone', oneofIndex: 0 },
            {
              name: 'note',
              number: 18,
              type: 9,
              label: label.optional,
              jsonName: 'note',
              oneofIndex: 1,
              proto3Optional: true,
            },
          ],
          oneofDecl: [{ name: 'contact' }, { name: '_note' }],
          nestedType: [
            {
              name: 'LabelsEntry',
              options: { mapEntry: true },
              field: [
                { name: 'key', number: 1, type: 9, label: label.optional, jsonName: 'key' },
                { name: 'value', number: 2, type: 18, label: label.optional, jsonName: 'value' },
              ],
            },
          ],
        },
      ],
      enumType: [
        {
          name: 'Kind',
          value: [
            { name: 'VIEW', number: 0 },
            { name: 'BUY', number: 1 },
          ],
        },
      ],
    },
  ],
});
export const descriptors = toBinary(FileDescriptorSetSchema, descriptorSet);
const messageSchema = createFileRegistry(descriptorSet).getMessage('shop.Click') as DescMessage;

/** A message in the shape of the library, and as the decoder should have it. */
export function messageOf(
  draw: Draw,
  depth = 0,
): { readonly sent: Record<string, unknown>; readonly expected: unknown } {
  const labels = Object.fromEntries(Array.from({ length: draw.below(3) }, () => [textOf(draw), draw.below(1e6) - 5e5]));
  const scalars = {
    ip: textOf(draw),
    count: draw.pick([0, -1, -(2 ** 31), 2 ** 31 - 1, draw.below(1_000)]),
    signed: draw.pick([0, -1, -(2 ** 31), 2 ** 31 - 1]),
    ratio: numberOf(draw),
    small: Math.fround(draw.share()),
    flag: draw.chance(0.5),
    raw: Uint8Array.from({ length: draw.below(4) }, () => draw.below(256)),
    fixed: draw.pick([0, -5, 2 ** 31 - 1]),
    numbers: Array.from({ length: draw.below(4) }, () => draw.below(2 ** 32)),
    tags: Array.from({ length: draw.below(3) }, () => textOf(draw)),
  };
  const at = draw.pick([0, -1, 1_763_715_600_000, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]);
  const wide = draw.pick([0, 7, Number.MAX_SAFE_INTEGER]);
  const kind = draw.pick([0, 1, 9]);
  const parent = depth < 2 && draw.chance(0.3) ? messageOf(draw, depth + 1) : undefined;
  const contact = draw.pick([undefined, { email: textOf(draw) }, { phone: draw.below(1e6) }]);
  const note = draw.chance(0.5) ? textOf(draw) : undefined;
  const oneof =
    contact === undefined
      ? {}
      : 'email' in contact
        ? { contact: { case: 'email', value: contact.email } }
        : { contact: { case: 'phone', value: BigInt(contact.phone) } };
  return {
    sent: {
      ...scalars,
      atMs: BigInt(at),
      wide: BigInt(wide),
      kind,
      labels: Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, BigInt(value)])),
      ...(parent === undefined ? {} : { parent: create(messageSchema, parent.sent) }),
      ...oneof,
      ...(note === undefined ? {} : { note }),
    },
    expected: {
      ...scalars,
      atMs: at,
      wide,
      kind: (['VIEW', 'BUY'] as const)[kind] ?? kind,
      labels,
      ...(parent === undefined ? {} : { parent: parent.expected }),
      ...(contact ?? {}),
      ...(note === undefined ? {} : { note }),
    },
  };
}

export function messageBytes(sent: Record<string, unknown>): Uint8Array {
  return toBinary(messageSchema, create(messageSchema, sent));
}

/** A message of the library as the decoder should have it. */
function plainMessage(message: Message): unknown {
  const it = message as unknown as {
    readonly atMs: bigint;
    readonly wide: bigint;
    readonly kind: number;
    readonly labels: Readonly<Record<string, bigint>>;
    readonly parent?: Message;
    readonly contact: { readonly case?: string; readonly value?: string | bigint };
    readonly note?: string;
  };
  const { $typeName, $unknown, contact, parent, note, ...rest } = { $unknown: [], ...it, $typeName: '' };
  const held = typeof contact.value === 'bigint' ? Number(contact.value) : contact.value;
  return {
    ...rest,
    atMs: Number(it.atMs),
    wide: Number(it.wide),
    kind: ['VIEW', 'BUY'][it.kind] ?? it.kind,
    labels: Object.fromEntries(Object.entries(it.labels).map(([name, value]) => [name, Number(value)])),
    ...(parent === undefined ? {} : { parent: plainMessage(parent) }),
    ...(contact.case === undefined ? {} : { [contact.case]: held }),
    ...(note === undefined ? {} : { note }),
  };
}

/** Behind its length as a varint. */
export function framed(message: Uint8Array): Buffer {
  const length: number[] = [];
  let rest = message.length;
  for (; rest >= 0x80; rest >>>= 7) length.push((rest & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([...length, rest]), message]);
}

function clicks(draw: Draw, most: number): readonly Readonly<Record<string, unknown>>[] {
  return Array.from({ length: 1 + draw.below(most) }, () => clickOf(draw));
}

export const binaryFormats: readonly FuzzFormat[] = [
  {
    name: 'avro-container',
    decoder: avro(),
    make: (draw): Sample => {
      const blocks = Array.from({ length: 1 + draw.below(2) }, () => clicks(draw, 2));
      const bytes = containerOf(blocks, draw.pick(['null', 'deflate', 'zstandard']));
      return { bytes, values: blocks.flat().map(plain) };
    },
  },
  {
    name: 'avro-object',
    decoder: avro({ schemas: [clickSchema] }),
    make: (draw) => {
      const value = clickOf(draw);
      return {
        bytes: Buffer.concat([Buffer.of(0xc3, 0x01), clickFingerprint, click.toBuffer(value)]),
        values: [plain(value)],
      };
    },
  },
  {
    name: 'avro-datum',
    decoder: avro({ schemas: [clickSchema], encoding: 'datum' }),
    judge: (bytes) => plain(click.fromBuffer(Buffer.from(bytes))),
    make: (draw) => {
      const value = clickOf(draw);
      return { bytes: click.toBuffer(value), values: [plain(value)] };
    },
  },
  {
    name: 'protobuf',
    decoder: protobuf({ descriptors, message: 'shop.Click' }),
    judge: (bytes) => plainMessage(fromBinary(messageSchema, Uint8Array.from(bytes))),
    make: (draw) => {
      const { sent, expected } = messageOf(draw);
      return { bytes: messageBytes(sent), values: [expected] };
    },
  },
  {
    name: 'protobuf-delimited',
    decoder: protobuf({
      descriptors: Buffer.from(descriptors).toString('base64'),
      message: 'shop.Click',
      framing: 'delimited',
    }),
    make: (draw) => {
      const made = Array.from({ length: 1 + draw.below(3) }, () => messageOf(draw));
      return {
        bytes: Buffer.concat(made.map(({ sent }) => framed(messageBytes(sent)))),
        values: made.map(({ expected }) => expected),
      };
    },
  },
];
