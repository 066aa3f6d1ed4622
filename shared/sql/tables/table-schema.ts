import type { StandardSchemaV1 } from '@standard-schema/spec';
import { type ComputedField, type ObjectShape, shapeSymbol, type ValueShape } from '#shared/pipeline/shape.ts';
import { dayMs } from '#shared/schemas/time.ts';
import { roundTo } from '#shared/sql/expressions/cast.ts';
import type { Values } from '#shared/sql/expressions/compiled.ts';
import { parseTimestamp } from '#shared/sql/expressions/time.ts';
import { type Column, describeType, type SqlType } from '#shared/sql/expressions/types.ts';

/** How values of a format are read. */
export interface Reading {
  /** All values come as texts, and an empty one is NULL, as in CSV. */
  readonly isText: boolean;
  /** The type was guessed from a few values: a number with a fraction among whole ones is one of them. */
  readonly isGuessed: boolean;
}

/**
 * The columns of a table as a schema: a record becomes an object with just these columns, NULL where it has none. `computed` adds columns
 * that depend on others, each on those before it. From JSON its records are read by a scanner.
 */
export function tableSchema(
  columns: readonly Column[],
  reading: Reading,
  computed: readonly ComputedField[] = [],
): StandardSchemaV1<unknown, Values> {
  const readers = columns.map(({ name, type, nullable }) => ({ name, type, nullable, read: readerOf(type, reading) }));
  const shape = { [shapeSymbol]: { ...tableShape(columns, reading), computed } };
  return {
    ...(reading.isText ? {} : shape),
    '~standard': {
      version: 1,
      vendor: 'millrace-sql',
      validate: (record) => {
        if (typeof record !== 'object' || record === null || Array.isArray(record))
          return { issues: [{ message: `expected a record with columns, and found ${show(record)}` }] };
        const values: Record<string, unknown> = {};
        const issues: StandardSchemaV1.Issue[] = [];
        for (const { name, type, nullable, read } of readers) {
          const found = (record as Values)[name];
          if (found === undefined || found === null || (reading.isText && found === '')) {
            if (!nullable) issues.push({ message: 'is missing, and the column is NOT NULL', path: [name] });
            values[name] = null;
            continue;
          }
          const value = read(found);
          if (value === undefined)
            issues.push({ message: `is ${show(found)}, which is no ${describeType(type)}`, path: [name] });
          else values[name] = value;
        }
        if (issues.length > 0) return { issues };
        for (const { name, evaluate } of computed) values[name] = evaluate(values);
        return { value: values };
      },
    },
  };
}

/** What JSON has texts, numbers and truths for is read as such; the rest is read as the schema does it. */
function tableShape(columns: readonly Column[], reading: Reading): ObjectShape {
  return {
    kind: 'object',
    fields: columns.map(({ name, type, nullable }) => ({
      name,
      value: valueShape(type, nullable, reading),
      isOptional: false,
      isNullable: nullable,
      isNullWhenMissing: nullable,
    })),
  };
}

function valueShape(type: SqlType, nullable: boolean, reading: Reading): ValueShape {
  switch (type.kind) {
    case 'string':
    case 'boolean':
      return { kind: type.kind };
    case 'integer':
      return { kind: 'number', isInteger: !reading.isGuessed, isPlainZero: true };
    case 'double':
      return { kind: 'number', isInteger: false, isPlainZero: true };
    case 'row':
      return tableShape(type.fields, reading);
    default: {
      const read = readerOf(type, reading);
      const validate = (found: unknown): StandardSchemaV1.Result<unknown> => {
        const value = found === null ? (nullable ? null : undefined) : read(found);
        return value === undefined ? { issues: [{ message: `is no ${describeType(type)}` }] } : { value };
      };
      return { kind: 'judged', schema: { '~standard': { version: 1, vendor: 'millrace-sql', validate } } };
    }
  }
}

const shownMax = 60;

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > shownMax ? `${text.slice(0, shownMax)}…` : text;
}

/** Undefined for a value that is not of the type. */
type Read = (value: unknown) => unknown;

function readerOf(type: SqlType, reading: Reading): Read {
  switch (type.kind) {
    case 'string':
      return (value) => (typeof value === 'string' ? value : undefined);
    case 'boolean':
      return (value) => (typeof value === 'boolean' ? value : reading.isText ? truths.get(value) : undefined);
    case 'integer':
      return numberReader(reading, reading.isGuessed ? Number.isFinite : Number.isInteger);
    case 'double':
      return numberReader(reading, Number.isFinite);
    case 'decimal': {
      // A decimal may come as a text, so that no digit is lost on the way.
      const read = numberReader({ ...reading, isText: true }, Number.isFinite);
      return (value) => {
        const number = read(value);
        return typeof number === 'number' ? roundTo(number, type.scale) : undefined;
      };
    }
    case 'timestamp':
      return readTime;
    case 'date':
      return (value) => {
        const timeMs = readTime(value);
        return timeMs === undefined ? undefined : Math.floor(timeMs / dayMs) * dayMs;
      };
    case 'row':
      return rowReader(type.fields, reading);
    case 'array': {
      const read = readerOf(type.element, reading);
      return (value) => {
        if (!Array.isArray(value)) return undefined;
        const elements = value.map((element: unknown) => (element === null ? null : read(element)));
        return elements.includes(undefined) ? undefined : elements;
      };
    }
    default:
      return (value) => value;
  }
}

const truths: ReadonlyMap<unknown, boolean> = new Map([
  ['true', true],
  ['false', false],
]);
const numberForm = /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/;

function numberReader({ isText }: Reading, isOfType: (value: number) => boolean): Read {
  return (value) => {
    const number =
      typeof value === 'number'
        ? value
        : isText && typeof value === 'string' && numberForm.test(value)
          ? Number(value)
          : Number.NaN;
    return isOfType(number) ? number + 0 : undefined;
  };
}

/** A number is milliseconds since 1970. */
function readTime(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (value instanceof Date) return Number.isFinite(Number(value)) ? Number(value) : undefined;
  return typeof value === 'string' ? parseTimestamp(value) : undefined;
}

function rowReader(fields: readonly Column[], reading: Reading): Read {
  const readers = fields.map(({ name, type, nullable }) => ({ name, nullable, read: readerOf(type, reading) }));
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    const row: Record<string, unknown> = {};
    for (const { name, nullable, read } of readers) {
      const found = (value as Values)[name] ?? null;
      const field = found === null ? (nullable ? null : undefined) : read(found);
      if (field === undefined) return undefined;
      row[name] = field;
    }
    return row;
  };
}
