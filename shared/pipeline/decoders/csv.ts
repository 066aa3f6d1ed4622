import { MillraceError } from '#shared/schemas/error.ts';
import type { LineDecoder } from '../decoder.ts';

export type CsvColumnType = 'string' | 'number' | 'boolean';

/**
 * Comma-separated values (RFC 4180), one record a line, with the columns in this order. A line that names the columns is a header.
 *
 *     csv({ columns: { ip: 'string', bytes: 'number', ts: 'number' } })
 *
 * A field may be quoted, with `""` for a quote, but may not span lines. Spaces are part of a text and are ignored around a number.
 */
export function csv(options: {
  readonly columns: Readonly<Record<string, CsvColumnType>>;
  /** One character. Default `,`. */
  readonly separator?: string;
}): LineDecoder {
  const { separator = ',' } = options;
  const columns = Object.entries(options.columns).map(([name, type], index) => ({ name, type, number: index + 1 }));
  checkOptions(columns, separator);
  const layout: Layout = {
    columns,
    separator,
    header: columns.map(({ name }) => name).join(separator),
  };
  return {
    format: 'csv',
    // A list, since the order of the columns matters.
    config: { columns: columns.map(({ name, type }) => [name, type]), separator },
    recognises: (line) => !/^\s*[{[]/.test(line) && (columns.length === 1 || hasSeparator(line, separator)),
    decodeLine: (line) => decodeLine(layout, line),
  };
}

interface Column {
  readonly name: string;
  readonly type: CsvColumnType;
  /** Counted from 1. */
  readonly number: number;
}

interface Layout {
  readonly columns: readonly Column[];
  readonly separator: string;
  readonly header: string;
}

const types: ReadonlySet<string> = new Set(['string', 'number', 'boolean'] satisfies CsvColumnType[]);

function checkOptions(columns: readonly Column[], separator: string): void {
  if (separator.length !== 1 || '"\r\n'.includes(separator)) {
    throw new MillraceError(
      'PIPELINE_INVALID',
      `csv: the separator is ${JSON.stringify(separator)}; it must be one character.`,
    );
  }
  if (columns.length === 0)
    throw new MillraceError('PIPELINE_INVALID', 'csv: there are no columns; name at least one.');
  for (const { name, type } of columns) {
    // Assigning to this name would set the record's prototype, not a column.
    if (name === '__proto__') throw new MillraceError('PIPELINE_INVALID', `csv: a column cannot be named ${name}.`);
    if (!types.has(type)) {
      throw new MillraceError(
        'PIPELINE_INVALID',
        `csv: column ${name} is of type ${type}; use ${[...types].join(', ')}.`,
      );
    }
  }
}

/** Outside quotes: an access log has commas, but inside. */
function hasSeparator(line: string, separator: string): boolean {
  if (!line.includes('"')) return line.includes(separator);
  let isQuoted = false;
  for (const character of line) {
    if (character === '"') isQuoted = !isQuoted;
    else if (character === separator && !isQuoted) return true;
  }
  return false;
}

function decodeLine(layout: Layout, line: string): unknown {
  const { columns, separator } = layout;
  const record: Record<string, string | number | boolean> = {};
  // A header is text even where its column is a number, so a field that does not fit is no error before all are known.
  let names = 0;
  let misfit: Error | undefined;
  let at = 0;
  for (const column of columns) {
    if (at > line.length) throw fieldCountError(layout, column.number - 1);
    const isQuoted = line.charCodeAt(at) === quote;
    const end = isQuoted ? endOfQuoted(layout, line, at, column) : endOfPlain(line, at, separator);
    const field = isQuoted ? line.slice(at + 1, end - 1).replaceAll('""', '"') : line.slice(at, end);
    if (!isQuoted && field.includes('"')) {
      throw new Error(
        `${where(column, at + field.indexOf('"'))} has a quote inside a field that does not begin with one; quote the field and double the quote`,
      );
    }
    if (field === column.name) names += 1;
    const value = convert(field, column.type);
    if (value === undefined) misfit ??= new Error(`${where(column, at)} is ${show(field)}, not a ${column.type}`);
    else record[column.name] = value;
    at = end + 1;
  }
  if (at <= line.length) throw fieldCountError(layout, columns.length + countFields(line, at, separator));
  if (names === columns.length) return undefined;
  if (misfit !== undefined) throw misfit;
  return record;
}

const quote = 0x22;

function endOfPlain(line: string, at: number, separator: string): number {
  const end = line.indexOf(separator, at);
  return end === -1 ? line.length : end;
}

/** The end of a quoted field, behind its closing quote. */
function endOfQuoted({ separator }: Layout, line: string, at: number, column: Column): number {
  for (let found = line.indexOf('"', at + 1); found !== -1; found = line.indexOf('"', found + 2)) {
    if (line.charCodeAt(found + 1) === quote) continue;
    const end = found + 1;
    if (end === line.length || line.startsWith(separator, end)) return end;
    throw new Error(
      `${where(column, end)}: expected ${JSON.stringify(separator)} or the end of the line behind the closing quote, found ${show(line.slice(end, end + 1))}`,
    );
  }
  throw new Error(`${where(column, at)} has an opening quote and no closing one; a field cannot span lines`);
}

function convert(field: string, type: CsvColumnType): string | number | boolean | undefined {
  switch (type) {
    case 'string':
      return field;
    case 'number':
      return numberOf(field);
    case 'boolean':
      return field === 'true' ? true : field === 'false' ? false : undefined;
  }
}

const decimal = /^[ \t]*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[ \t]*$/;
const wholeDigitsMax = 15;

/** A finite decimal number, or undefined. Most fields are a few digits, which are read without a pattern. */
function numberOf(field: string): number | undefined {
  let value = 0;
  if (field.length > 0 && field.length <= wholeDigitsMax) {
    let at = 0;
    for (; at < field.length; at += 1) {
      const digit = field.charCodeAt(at) - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (at === field.length) return value;
  }
  if (!decimal.test(field)) return undefined;
  value = Number(field);
  return Number.isFinite(value) ? value : undefined;
}

/** The fields from `at` on, for a message: quotes are not looked at. */
function countFields(line: string, at: number, separator: string): number {
  return line.slice(at).split(separator).length;
}

function fieldCountError({ columns, header }: Layout, count: number): Error {
  return new Error(`the line has ${count} ${count === 1 ? 'field' : 'fields'}; expected ${columns.length}: ${header}`);
}

/** Characters count from 1. */
function where(column: Column, at: number): string {
  return `column ${column.name} (field ${column.number}, character ${at + 1})`;
}

const shownCharactersMax = 40;

function show(field: string): string {
  return JSON.stringify(field.length > shownCharactersMax ? `${field.slice(0, shownCharactersMax)}…` : field);
}
