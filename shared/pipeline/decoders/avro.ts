import { MillraceError } from '#shared/schemas/error.ts';
import type { Json } from '../aggregator.ts';
import { type BytesContext, type BytesDecoder, type DecodedPart, decompressedBytesMax } from '../decoder.ts';
import { checkOneOf, givenList, givenOptions } from '../refuse.ts';
import { avroFingerprint } from './avro-fingerprint.ts';
import { type AvroOptions, compileAvro, type ReadDatum } from './avro-schema.ts';
import { BytesCursor, Misread } from './bytes-cursor.ts';
import { unsnappy } from './snappy.ts';

/**
 * Avro: object container files, which bring their schema, and single objects, which name it by its fingerprint. With `encoding: 'datum'` a
 * raw record is one bare datum of the one schema.
 *
 *     avro()                                          // container files
 *     avro({ schemas: [clickV1, clickV2] })           // and single objects of either
 *     avro({ schemas: [click], encoding: 'datum' })
 *
 * Values are those of the schema with which they were written; the stream's schema says which of them are records. See `compileAvro` for
 * what they become.
 */
export function avro(
  options: AvroOptions & { readonly schemas?: readonly object[]; readonly encoding?: 'datum' } = {},
): BytesDecoder {
  const {
    encoding,
    longs = 'number',
    schemas: written = [],
  } = givenOptions('avro', options, ['schemas', 'encoding', 'longs'], '{ schemas: [click] }');
  const schemas = givenList('avro', 'schemas', written, 'a list of them, such as [click]') as readonly Json[];
  checkOneOf('avro:', 'longs', longs, ['number', 'bigint']);
  if (encoding !== undefined) checkOneOf('avro:', 'encoding', encoding, ['datum']);
  const known = schemas.map((schema, index): [string, ReadDatum] => {
    try {
      // A schema that can be read has a canonical form.
      const read = compileAvro(schema, { longs });
      return [avroFingerprint(schema), read];
    } catch (cause) {
      const message = `avro: schema ${index + 1} of ${schemas.length} cannot be used: ${(cause as Error).message}.`;
      throw new MillraceError('PIPELINE_INVALID', message, { cause });
    }
  });
  if (encoding === 'datum' && known.length !== 1)
    throw new MillraceError('PIPELINE_INVALID', `avro: a bare datum needs one schema, and ${known.length} are given.`);
  const byFingerprint = new Map(known);
  return {
    format: 'avro',
    config: { schemas, longs, ...(encoding === undefined ? {} : { encoding }) },
    recognisesBytes: (start) =>
      encoding === 'datum' || beginsWith(start, containerMagic) || beginsWith(start, objectMagic),
    decodeBytes: (bytes, context) => {
      if (encoding === 'datum') return [decodeDatum(bytes, 0, known[0]?.[1] as ReadDatum, context)];
      if (beginsWith(bytes, containerMagic)) return decodeContainer(bytes, context, longs);
      if (beginsWith(bytes, objectMagic)) return [decodeObject(bytes, byFingerprint, context)];
      throw new Error(
        "the bytes are neither an object container file of Avro (Obj\\x01) nor a single object (0xc3 0x01); for bare data say avro({ encoding: 'datum' })",
      );
    },
  };
}

const containerMagic = [0x4f, 0x62, 0x6a, 0x01];
const objectMagic = [0xc3, 0x01];

function beginsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}

function decodeDatum(bytes: Uint8Array, at: number, read: ReadDatum, { tools }: BytesContext): DecodedPart {
  const cursor = new BytesCursor(bytes, tools, at);
  const value = read(cursor);
  if (cursor.left > 0) cursor.fail(`${cursor.left} bytes follow the datum; is it of another schema?`);
  return { value, payload: bytes };
}

const objectHeaderBytes = 10;

function decodeObject(bytes: Uint8Array, schemas: ReadonlyMap<string, ReadDatum>, context: BytesContext): DecodedPart {
  let fingerprint = '';
  for (const byte of bytes.subarray(objectMagic.length, objectHeaderBytes))
    fingerprint += byte.toString(16).padStart(2, '0');
  const read = schemas.get(fingerprint);
  if (read === undefined)
    throw new Error(
      `the single object is of a schema with the fingerprint ${fingerprint}, which none of the given ${schemas.size} has`,
    );
  return decodeDatum(bytes, objectHeaderBytes, read, context);
}

const syncBytes = 16;

interface Header {
  readonly read: ReadDatum;
  readonly codec: string;
  readonly sync: Uint8Array;
  readonly bytes: Uint8Array;
}

/** A block that is wrong is rejected whole, and what follows it is read: blocks are framed by their size and the file's mark. */
function* decodeContainer(
  bytes: Uint8Array,
  context: BytesContext,
  longs: 'number' | 'bigint',
): Generator<DecodedPart> {
  const cursor = new BytesCursor(bytes, context.tools, containerMagic.length);
  const header = readHeader(cursor, longs);
  let room = context.roomBytes;
  for (let block = 1; cursor.left > 0; block += 1) {
    const start = cursor.at;
    let count: number;
    let data: Uint8Array;
    try {
      count = cursor.count('the count of a block');
      data = cursor.take(cursor.count('the size of a block'), 'a block');
      const mark = cursor.take(syncBytes, 'the mark behind a block');
      if (!beginsWith(mark, [...header.sync]))
        cursor.fail("a block does not end with the file's mark", cursor.at - syncBytes);
    } catch (error) {
      // Nobody knows where the next block begins.
      yield {
        wrong: `block ${block}: ${(error as Error).message}`,
        payload: joined(header.bytes, bytes.subarray(start)),
      };
      return;
    }
    const payload = joined(header.bytes, bytes.subarray(start, cursor.at));
    try {
      const unpacked = unpack(data, header.codec, Math.min(room, decompressedBytesMax), context);
      if (header.codec !== 'null') room -= unpacked.length;
      const values = readBlock(unpacked, count, header.read, context);
      for (const value of values) yield { value, payload };
    } catch (error) {
      yield { wrong: `block ${block} of ${count} records: ${(error as Error).message}`, payload };
    }
  }
}

function readHeader(cursor: BytesCursor, longs: 'number' | 'bigint'): Header {
  const meta = compileAvro({ type: 'map', values: 'bytes' })(cursor) as Readonly<Record<string, Uint8Array>>;
  const sync = cursor.take(syncBytes, "the file's mark");
  const bytes = cursor.bytes.subarray(0, cursor.at);
  const textOf = (name: string): string | undefined => {
    const value = Object.hasOwn(meta, name) ? (meta[name] as Uint8Array) : undefined;
    return value && new BytesCursor(value, cursor.tools).text(value.length, name);
  };
  const schema = textOf('avro.schema');
  if (schema === undefined) throw new Error('the container file has no avro.schema');
  try {
    const read = compileAvro(JSON.parse(schema) as Json, { longs });
    return { read, codec: textOf('avro.codec') ?? 'null', sync, bytes };
  } catch (error) {
    throw new Error(`the schema of the container file cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

function unpack(data: Uint8Array, codec: string, bytesMax: number, { tools }: BytesContext): Uint8Array {
  switch (codec) {
    case 'null':
      return data;
    case 'deflate':
      return tools.decompress(data, { kind: 'deflate', bytesMax });
    case 'zstandard':
      return tools.decompress(data, { kind: 'zstd', bytesMax });
    case 'snappy':
      // Four bytes of a checksum follow, which the mark behind the block makes up for.
      return unsnappy(data.subarray(0, -4), bytesMax);
    default:
      throw new Error(`the codec ${codec} is not one of null, deflate, snappy, zstandard`);
  }
}

/** All values of a block or none, so that a letter holds just what was not counted. */
function readBlock(data: Uint8Array, count: number, read: ReadDatum, { tools }: BytesContext): readonly unknown[] {
  // Records that take no bytes hold nothing, and there could be any number of them.
  if (count < 0 || count > data.length) throw new Error(`${data.length} bytes cannot hold them`);
  const cursor = new BytesCursor(data, tools);
  const values: unknown[] = [];
  for (let index = 1; index <= count; index += 1) {
    cursor.begin();
    try {
      values.push(read(cursor));
    } catch (error) {
      throw error instanceof Misread ? new Error(`record ${index}, ${error.message}`, { cause: error }) : error;
    }
  }
  if (cursor.left > 0) cursor.fail(`${cursor.left} bytes follow the last record`);
  return values;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}
