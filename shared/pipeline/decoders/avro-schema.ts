import { dayMs, toIso } from '#shared/schemas/time.ts';
import type { Json } from '../aggregator.ts';
import { type BytesCursor, Misread } from './bytes-cursor.ts';

/** Reads one datum of a schema. */
export type ReadDatum = (cursor: BytesCursor) => unknown;

export interface AvroOptions {
  /** What a `long` becomes: a number, where one beyond 2^53 is rejected (default), or always a bigint. */
  readonly longs?: 'number' | 'bigint';
}

/**
 * Makes a reader of a schema, once. Records become objects, maps too; a union is its value; bytes and fixed are `Uint8Array`s. Of the
 * logical types a `decimal` is an exact text such as `"12.30"`, a `date` is `"2026-11-21"`, a `duration` is an object, and times are
 * milliseconds. Throws an Error that says what is wrong with the schema. https://avro.apache.org/docs/1.12.0/specification/
 */
export function compileAvro(schema: Json, options: AvroOptions = {}): ReadDatum {
  return new SchemaCompiler(options.longs ?? 'number').compile(schema, '', 0);
}

type Schema = { readonly [name: string]: Json };
const schemaDepthMax = 64;

class SchemaCompiler {
  readonly #longs: 'number' | 'bigint';
  readonly #named = new Map<string, { read: ReadDatum | undefined }>();

  constructor(longs: 'number' | 'bigint') {
    this.#longs = longs;
  }

  compile(schema: Json, namespace: string, depth: number): ReadDatum {
    if (depth > schemaDepthMax) throw new Error(`the schema is nested deeper than ${schemaDepthMax}`);
    if (Array.isArray(schema)) return this.#union(schema, namespace, depth);
    if (typeof schema === 'string') return this.#primitive(schema) ?? this.#reference(schema, namespace);
    if (typeof schema !== 'object' || schema === null)
      throw new Error(`${JSON.stringify(schema)} is no schema of Avro`);
    const it = schema as Schema;
    const { type } = it;
    if (typeof type !== 'string') return this.compile(type ?? null, namespace, depth + 1);
    switch (type) {
      case 'record':
      case 'error':
        return this.#record(it, namespace, depth);
      case 'enum':
        return this.#define(it, namespace, () => enumOf(it));
      case 'fixed':
        return this.#define(it, namespace, () => fixedOf(it));
      case 'array': {
        const item = this.compile(it['items'] ?? null, namespace, depth + 1);
        return (cursor) => {
          const items: unknown[] = [];
          readBlocks(cursor, () => items.push(item(cursor)));
          return items;
        };
      }
      case 'map': {
        const value = this.compile(it['values'] ?? null, namespace, depth + 1);
        return (cursor) => {
          const entries: [string, unknown][] = [];
          readBlocks(cursor, () => {
            const key = readText(cursor);
            entries.push([key, named(key, () => value(cursor))]);
          });
          // Whatever a key is named, it is the map's own.
          return Object.fromEntries(entries);
        };
      }
      default:
        return this.#logical(it, type) ?? this.compile(type, namespace, depth + 1);
    }
  }

  #primitive(type: string): ReadDatum | undefined {
    switch (type) {
      case 'null':
        return () => null;
      case 'boolean':
        return readBoolean;
      case 'int':
        return readInt;
      case 'long':
        return this.#longs === 'bigint' ? (cursor) => BigInt(cursor.long()) : readSafeLong;
      case 'float':
        return (cursor) => cursor.float();
      case 'double':
        return (cursor) => cursor.double();
      case 'bytes':
        return readBytes;
      case 'string':
        return readText;
      default:
        return undefined;
    }
  }

  /** A logical type of a primitive; one that is unknown is its primitive, as the specification has it. */
  #logical(schema: Schema, type: string): ReadDatum | undefined {
    const logical = `${type} ${schema['logicalType']}`;
    switch (logical) {
      case 'bytes decimal':
        return decimalOf(schema, readBytes);
      case 'int date':
        return readDate;
      case 'long time-micros':
      case 'long timestamp-micros':
      case 'long local-timestamp-micros':
        return (cursor) => readSafeLong(cursor) / 1_000;
      case 'long timestamp-nanos':
      case 'long local-timestamp-nanos':
        return (cursor) => Number(BigInt(cursor.long()) / 1_000n) / 1_000;
      case 'long timestamp-millis':
      case 'long local-timestamp-millis':
        return readSafeLong;
      default:
        return undefined;
    }
  }

  #reference(name: string, namespace: string): ReadDatum {
    const found = this.#named.get(fullNameOf(name, namespace)) ?? this.#named.get(name);
    if (found === undefined)
      throw new Error(`the schema names the type ${JSON.stringify(name)}, which is not defined before`);
    // A type may hold itself.
    return (cursor) => (found as { readonly read: ReadDatum }).read(cursor);
  }

  #define(schema: Schema, namespace: string, make: (fullName: string) => ReadDatum): ReadDatum {
    const fullName = fullNameOf(textOf(schema, 'name'), namespaceOf(schema, namespace));
    if (this.#named.has(fullName)) throw new Error(`the schema defines the type ${fullName} twice`);
    const entry: { read: ReadDatum | undefined } = { read: undefined };
    this.#named.set(fullName, entry);
    const read = make(fullName);
    entry.read = read;
    return read;
  }

  #record(schema: Schema, namespace: string, depth: number): ReadDatum {
    return this.#define(schema, namespace, (fullName) => {
      const inner = fullName.slice(0, Math.max(0, fullName.lastIndexOf('.')));
      const { fields } = schema;
      if (!Array.isArray(fields)) throw new Error(`the record ${fullName} has no list of fields`);
      const readers = fields.map((field: Schema) => {
        const name = textOf(field, 'name');
        if (name === '__proto__') throw new Error(`a field cannot be named ${name}`);
        return { name, read: this.compile(field['type'] ?? null, inner, depth + 1) };
      });
      return (cursor) => {
        cursor.enter();
        const record: Record<string, unknown> = {};
        for (let at = 0; at < readers.length; at += 1) {
          const { name, read } = readers[at] as (typeof readers)[number];
          try {
            record[name] = read(cursor);
          } catch (error) {
            throw error instanceof Misread ? error.within(name) : error;
          }
        }
        cursor.leave();
        return record;
      };
    });
  }

  #union(schemas: readonly Json[], namespace: string, depth: number): ReadDatum {
    const branches = schemas.map((schema) => this.compile(schema, namespace, depth + 1));
    return (cursor) => {
      const start = cursor.at;
      const branch = cursor.count('the branch of a union');
      const read = branches[branch];
      return read === undefined
        ? cursor.fail(`a union of ${branches.length} has no branch ${branch}`, start)
        : read(cursor);
    };
  }
}

function textOf(schema: Schema, name: string): string {
  const value = schema?.[name];
  if (typeof value !== 'string' || value === '') throw new Error(`${JSON.stringify(schema)} has no ${name}`);
  return value;
}

function namespaceOf(schema: Schema, outer: string): string {
  return typeof schema['namespace'] === 'string' ? schema['namespace'] : outer;
}

export function fullNameOf(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`;
}

function named<T>(field: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof Misread ? error.within(field) : error;
  }
}

/** Blocks of items: a count, which is followed by a size when it is negative; 0 is the end. */
function readBlocks(cursor: BytesCursor, readItem: () => void): void {
  cursor.enter();
  for (;;) {
    const start = cursor.at;
    let count = cursor.count('the count of a block');
    if (count === 0) break;
    if (count < 0) {
      count = -count;
      if (cursor.count('the size of a block') < 0) cursor.fail('a block has a negative size', start);
    }
    for (let item = 0; item < count; item += 1) {
      // An item may take no bytes, so it is counted too.
      cursor.enter();
      readItem();
      cursor.leave();
    }
  }
  cursor.leave();
}

function readBoolean(cursor: BytesCursor): boolean {
  const byte = cursor.byte();
  if (byte > 1) cursor.fail(`a boolean is ${byte}, neither 0 nor 1`, cursor.at - 1);
  return byte === 1;
}

const intMax = 2 ** 31;

function readInt(cursor: BytesCursor): number {
  const start = cursor.at;
  const value = cursor.long();
  if (typeof value !== 'number' || value < -intMax || value >= intMax)
    cursor.fail(`an int is ${value}, which takes more than 32 bits`, start);
  return value;
}

function readSafeLong(cursor: BytesCursor): number {
  const start = cursor.at;
  const value = cursor.long();
  if (typeof value !== 'number')
    cursor.fail(
      `${value} is beyond what a number holds exactly (2^53); read longs as bigint: avro({ longs: 'bigint' })`,
      start,
    );
  return value;
}

function readBytes(cursor: BytesCursor): Uint8Array {
  return cursor.copy(cursor.count('the length of bytes'), 'a value of bytes');
}

function readText(cursor: BytesCursor): string {
  return cursor.text(cursor.count('the length of a text'), 'a text');
}

/** The days of the years 1 to 9999. */
const daysMin = -719_162;
const daysMax = 2_932_896;

function readDate(cursor: BytesCursor): string {
  const start = cursor.at;
  const days = readInt(cursor);
  if (days < daysMin || days > daysMax) cursor.fail(`day ${days} since 1970 is outside the years 1 to 9999`, start);
  return toIso(days * dayMs).slice(0, 10);
}

function enumOf(schema: Schema): ReadDatum {
  const { symbols } = schema;
  if (!Array.isArray(symbols)) throw new Error(`the enum ${schema['name']} has no list of symbols`);
  return (cursor) => {
    const start = cursor.at;
    const index = cursor.count('the index of a symbol');
    const symbol = symbols[index];
    if (typeof symbol !== 'string') cursor.fail(`the enum ${schema['name']} has no symbol ${index}`, start);
    return symbol;
  };
}

function fixedOf(schema: Schema): ReadDatum {
  const { name, size } = schema;
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw new Error(`the fixed ${name} has the size ${size}`);
  const read = (cursor: BytesCursor): Uint8Array => cursor.copy(size, `the fixed ${name}`);
  if (schema['logicalType'] === 'decimal') return decimalOf(schema, read);
  if (schema['logicalType'] === 'duration' && size === 12) return (cursor) => durationOf(read(cursor));
  return read;
}

function durationOf(bytes: Uint8Array): unknown {
  const view = new DataView(bytes.buffer);
  return { months: view.getUint32(0, true), days: view.getUint32(4, true), milliseconds: view.getUint32(8, true) };
}

function decimalOf(schema: Schema, read: (cursor: BytesCursor) => Uint8Array): ReadDatum {
  const scale = schema['scale'] ?? 0;
  if (typeof scale !== 'number' || !Number.isInteger(scale) || scale < 0 || scale > 1_000)
    throw new Error(`a decimal has the scale ${scale}`);
  return (cursor) => decimalText(read(cursor), scale);
}

/** The text of an unscaled number in two's complement, the highest byte first. */
function decimalText(bytes: Uint8Array, scale: number): string {
  let hex = '';
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0');
  const unsigned = hex === '' ? 0n : BigInt(`0x${hex}`);
  const unscaled = (bytes[0] ?? 0) >= 0x80 ? unsigned - (1n << BigInt(8 * bytes.length)) : unsigned;
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  return `${unscaled < 0n ? '-' : ''}${whole}${scale === 0 ? '' : `.${digits.slice(-scale)}`}`;
}
