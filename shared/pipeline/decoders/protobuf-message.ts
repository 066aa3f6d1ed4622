import { type DescEnum, type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { type BytesCursor, Misread, numberOf, unzigzag } from './bytes-cursor.ts';

export interface ProtobufOptions {
  /** What 64-bit numbers become: a number, where one beyond 2^53 is rejected (default), or always a bigint. */
  readonly longs?: 'number' | 'bigint';
}

/** Reads a message from where the cursor is to its limit. */
export type ReadMessage = (cursor: BytesCursor) => unknown;

/**
 * Makes a reader of a message, once. It becomes an object with the fields in the order of their declaration, by their JSON names: lists and
 * maps are always there, a scalar without presence has its zero value, and what else is absent is left out. An enum's value is its name, or
 * its number when it has none; bytes are a `Uint8Array`. Of the well-known types a `Timestamp` and a `Duration` are milliseconds, and a
 * wrapper is its value. https://protobuf.dev/programming-guides/encoding/
 */
export function compileProtobuf(message: DescMessage, options: ProtobufOptions = {}): ReadMessage {
  const reader = new MessageCompiler(options.longs ?? 'number').readerOf(message);
  return (cursor) => {
    const raw: Raw = [];
    readFields(reader, cursor, raw);
    return reader.finish(raw);
  };
}

/** What was read of a message, by the places of its fields: a message may come in parts, which are merged. */
type Raw = unknown[];

interface MessageReader {
  readonly fields: Map<number, FieldReader>;
  finish: (raw: Raw) => unknown;
}

interface FieldReader {
  readonly name: string;
  readonly place: number;
  readonly wire: number;
  readonly isPackable: boolean;
  /** Places of the other fields of its oneof, of which one holds at a time. */
  readonly rivals: readonly number[];
  readonly add: (cursor: BytesCursor, raw: Raw, place: number) => void;
}

/** How one value is read, and what it is when it is absent. */
interface ValueReader {
  readonly wire: number;
  readonly read: (cursor: BytesCursor, before: unknown) => unknown;
  readonly finish: (value: unknown) => unknown;
  readonly zero: () => unknown;
}

const varintWire = 0;
const fixed64Wire = 1;
const bytesWire = 2;
const groupWire = 3;
const groupEndWire = 4;
const fixed32Wire = 5;

function readFields(reader: MessageReader, cursor: BytesCursor, raw: Raw, group?: number): void {
  cursor.enter();
  for (;;) {
    if (group === undefined && cursor.left === 0) break;
    const start = cursor.at;
    const tag = cursor.size('the tag of a field');
    const number = Math.floor(tag / 8);
    const wire = tag % 8;
    if (cursor.at - start > tagBytesMax)
      cursor.fail(`the tag of a field takes ${cursor.at - start} bytes; at most ${tagBytesMax} are allowed`, start);
    if (number < 1 || number > fieldNumberMax) cursor.fail(`${number} is no number of a field`, start);
    if (wire === groupEndWire && number === group) break;
    const field = reader.fields.get(number);
    if (field === undefined) {
      skip(cursor, number, wire, start);
      continue;
    }
    try {
      readField(field, cursor, raw, wire, start);
    } catch (error) {
      throw error instanceof Misread ? error.within(field.name) : error;
    }
  }
  cursor.leave();
}

const fieldNumberMax = 2 ** 29 - 1;
/** Of 32 bits, also where the highest are written, and zero. */
const tagBytesMax = 5;

function readField(field: FieldReader, cursor: BytesCursor, raw: Raw, wire: number, start: number): void {
  for (const rival of field.rivals) raw[rival] = undefined;
  if (wire === field.wire) field.add(cursor, raw, field.place);
  else if (wire === bytesWire && field.isPackable) {
    const outer = limit(cursor, 'a packed list');
    while (cursor.left > 0) field.add(cursor, raw, field.place);
    cursor.limit = outer;
  } else cursor.fail(`the field is of the wire type ${wire}, and not ${field.wire}; is it of another message?`, start);
}

/** Lets the cursor read no further than a length that stands there; gives the limit before. */
function limit(cursor: BytesCursor, what: string): number {
  const outer = cursor.limit;
  const length = cursor.size(`the length of ${what}`);
  if (length > cursor.left) cursor.fail(`${what} has a length of ${length} bytes, and ${cursor.left} are left`);
  cursor.limit = cursor.at + length;
  return outer;
}

/** A field that the message does not know: its producer's is newer. */
function skip(cursor: BytesCursor, number: number, wire: number, start: number): void {
  switch (wire) {
    case varintWire:
      cursor.varint();
      return;
    case fixed64Wire:
      cursor.fixed64();
      return;
    case fixed32Wire:
      cursor.fixed32();
      return;
    case bytesWire:
      cursor.take(cursor.size('the length of a field'), `the unknown field ${number}`);
      return;
    case groupWire:
      readFields(unknownGroup, cursor, [], number);
      return;
    default:
      cursor.fail(`the field ${number} is of the wire type ${wire}, which does not begin one`, start);
  }
}

const unknownGroup: MessageReader = { fields: new Map(), finish: () => undefined };

class MessageCompiler {
  readonly #longs: 'number' | 'bigint';
  readonly #readers = new Map<string, MessageReader>();

  constructor(longs: 'number' | 'bigint') {
    this.#longs = longs;
  }

  readerOf(message: DescMessage): MessageReader {
    const known = this.#readers.get(message.typeName);
    if (known !== undefined) return known;
    const reader: MessageReader = { fields: new Map(), finish: () => undefined };
    // Before its fields: a message may hold itself.
    this.#readers.set(message.typeName, reader);
    const finishers = message.fields.map((field, place) => {
      const { add, finish, wire, isPackable } = this.#field(field);
      const rivals = message.fields.flatMap((other, index) =>
        field.oneof !== undefined && other.oneof === field.oneof && index !== place ? [index] : [],
      );
      reader.fields.set(field.number, { name: field.jsonName, place, wire, isPackable, rivals, add });
      return { name: field.jsonName, finish };
    });
    const wrap = wellKnown(message.typeName);
    reader.finish = (raw) => {
      const object: Record<string, unknown> = {};
      for (let place = 0; place < finishers.length; place += 1) {
        const { name, finish } = finishers[place] as (typeof finishers)[number];
        const value = finish(raw[place]);
        if (value !== undefined) object[name] = value;
      }
      return wrap === undefined ? object : wrap(object);
    };
    return reader;
  }

  #field(field: DescField): Pick<FieldReader, 'add' | 'wire' | 'isPackable'> & Pick<ValueReader, 'finish'> {
    if (field.jsonName === '__proto__') throw new Error(`a field cannot be named ${field.jsonName}`);
    if (field.fieldKind === 'map') return this.#map(field);
    const value = this.#value(field);
    if (field.fieldKind === 'list')
      return {
        wire: value.wire,
        isPackable: value.wire !== bytesWire && value.wire !== groupWire,
        add: (cursor, raw, place) => {
          raw[place] ??= [];
          (raw[place] as unknown[]).push(value.read(cursor, undefined));
        },
        finish: (items) => ((items ?? []) as readonly unknown[]).map(value.finish),
      };
    const isZeroed = field.presence === implicitPresence && field.oneof === undefined;
    const isRequired = field.presence === requiredPresence;
    return {
      wire: value.wire,
      isPackable: false,
      add: (cursor, raw, place) => {
        raw[place] = value.read(cursor, raw[place]);
      },
      finish: (read) => {
        if (read !== undefined) return value.finish(read);
        if (isRequired) throw new Error(`the field ${field.jsonName} is required, and missing`);
        return isZeroed ? value.zero() : undefined;
      },
    };
  }

  #map(
    field: DescField & { fieldKind: 'map' },
  ): Pick<FieldReader, 'add' | 'wire' | 'isPackable'> & Pick<ValueReader, 'finish'> {
    const key = this.#scalar(field.mapKey);
    const value = this.#value(field);
    const entry: MessageReader = { fields: new Map(), finish: () => undefined };
    for (const [place, { wire, read }] of [key, value].entries())
      entry.fields.set(place + 1, {
        name: place === 0 ? 'key' : 'value',
        place,
        wire,
        isPackable: false,
        rivals: [],
        add: (cursor, raw) => {
          raw[place] = read(cursor, raw[place]);
        },
      });
    return {
      wire: bytesWire,
      isPackable: false,
      add: (cursor, raw, place) => {
        const outer = limit(cursor, 'an entry');
        const pair: Raw = [];
        readFields(entry, cursor, pair);
        cursor.limit = outer;
        raw[place] ??= [];
        (raw[place] as unknown[]).push(pair);
      },
      finish: (entries) =>
        Object.fromEntries(
          ((entries ?? []) as readonly Raw[]).map(([name, held]) => [
            String(name ?? key.zero()),
            held === undefined ? value.zero() : value.finish(held),
          ]),
        ),
    };
  }

  #value(field: DescField): ValueReader {
    if (field.message !== undefined) {
      const isGroup = 'delimitedEncoding' in field && field.delimitedEncoding;
      return this.#message(field.message, isGroup ? field.number : undefined);
    }
    if (field.enum !== undefined) return enumOf(field.enum);
    return this.#scalar(field.scalar as ScalarType);
  }

  #message(message: DescMessage, group: number | undefined): ValueReader {
    const reader = this.readerOf(message);
    return {
      wire: group === undefined ? bytesWire : groupWire,
      read: (cursor, before) => {
        const raw = (before ?? []) as Raw;
        if (group !== undefined) {
          readFields(reader, cursor, raw, group);
          return raw;
        }
        const outer = limit(cursor, 'a message');
        readFields(reader, cursor, raw);
        cursor.limit = outer;
        return raw;
      },
      finish: (raw) => reader.finish(raw as Raw),
      zero: () => reader.finish([]),
    };
  }

  #scalar(type: ScalarType): ValueReader {
    switch (type) {
      case ScalarType.DOUBLE:
        return scalarOf(fixed64Wire, (cursor) => cursor.double(), 0);
      case ScalarType.FLOAT:
        return scalarOf(fixed32Wire, (cursor) => cursor.float(), 0);
      case ScalarType.INT32:
        return scalarOf(varintWire, readInt32, 0);
      case ScalarType.UINT32:
        return scalarOf(varintWire, (cursor) => Number(BigInt.asUintN(32, BigInt(cursor.varint()))), 0);
      case ScalarType.SINT32:
        return scalarOf(
          varintWire,
          (cursor) => Number(unzigzag(Number(BigInt.asUintN(32, BigInt(cursor.varint()))))),
          0,
        );
      case ScalarType.FIXED32:
        return scalarOf(fixed32Wire, (cursor) => cursor.fixed32(), 0);
      case ScalarType.SFIXED32:
        return scalarOf(fixed32Wire, (cursor) => cursor.fixed32() | 0, 0);
      case ScalarType.INT64:
        return this.#long(varintWire, (cursor) => {
          const value = cursor.varint();
          return typeof value === 'number' ? value : numberOf(BigInt.asIntN(64, value));
        });
      case ScalarType.UINT64:
        return this.#long(varintWire, (cursor) => cursor.varint());
      case ScalarType.SINT64:
        return this.#long(varintWire, (cursor) => cursor.long());
      case ScalarType.FIXED64:
        return this.#long(fixed64Wire, (cursor) => numberOf(cursor.fixed64()));
      case ScalarType.SFIXED64:
        return this.#long(fixed64Wire, (cursor) => numberOf(BigInt.asIntN(64, cursor.fixed64())));
      case ScalarType.BOOL:
        return scalarOf(varintWire, (cursor) => Number(cursor.varint()) !== 0, false);
      case ScalarType.STRING:
        return scalarOf(bytesWire, (cursor) => cursor.text(cursor.size('the length of a text'), 'a text'), '');
      case ScalarType.BYTES:
        return {
          ...scalarOf(bytesWire, (cursor) => cursor.copy(cursor.size('the length of bytes'), 'a value of bytes'), ''),
          zero: () => new Uint8Array(),
        };
    }
  }

  #long(wire: number, read: (cursor: BytesCursor) => number | bigint): ValueReader {
    if (this.#longs === 'bigint') return scalarOf(wire, (cursor) => BigInt(read(cursor)), 0n);
    return scalarOf(
      wire,
      (cursor) => {
        const start = cursor.at;
        const value = read(cursor);
        if (typeof value === 'number') return value;
        return cursor.fail(
          `${value} is beyond what a number holds exactly (2^53); read such numbers as bigint: protobuf({ longs: 'bigint' })`,
          start,
        );
      },
      0,
    );
  }
}

/** google.protobuf.FeatureSet.FieldPresence. */
const implicitPresence = 2;
const requiredPresence = 3;

function scalarOf(wire: number, read: (cursor: BytesCursor) => unknown, zero: unknown): ValueReader {
  return { wire, read, finish: (value) => value, zero: () => zero };
}

function readInt32(cursor: BytesCursor): number {
  const value = cursor.varint();
  return typeof value === 'number' && value < 2 ** 31 ? value : Number(BigInt.asIntN(32, BigInt(value)));
}

function enumOf(desc: DescEnum): ValueReader {
  // Of an alias, the name that comes first.
  const names = new Map([...desc.values].reverse().map(({ number, name }) => [number, name]));
  const nameOf = (number: number): string | number => names.get(number) ?? number;
  return scalarOf(varintWire, (cursor) => nameOf(readInt32(cursor)), nameOf(0));
}

function wellKnown(typeName: string): ((message: Readonly<Record<string, unknown>>) => unknown) | undefined {
  if (typeName === 'google.protobuf.Timestamp' || typeName === 'google.protobuf.Duration')
    return ({ seconds, nanos }) => Number(seconds) * 1_000 + Number(nanos) / 1e6;
  if (/^google\.protobuf\.(Double|Float|U?Int(32|64)|Bool|String|Bytes)Value$/.test(typeName))
    return ({ value }) => value;
  return undefined;
}
