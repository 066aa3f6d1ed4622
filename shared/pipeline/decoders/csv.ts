import { MillraceError } from '#shared/schemas/error.ts';
import type { BegunDecoder, LineDecoder } from '../decoder.ts';
import { checkOneOf, given, givenOptions } from '../refuse.ts';
import { isoTimeAt } from './line-text.ts';

/** `timestamp` is a time as RFC 3339 has it, and becomes milliseconds since 1970. With `?` an empty field is left out of the record. */
export type CsvColumnType = CsvType | `${CsvType}?`;
type CsvType = 'string' | 'number' | 'boolean' | 'timestamp';

/**
 * Comma-separated values (RFC 4180), with the columns in this order. A record that names the columns is a header.
 *
 *     csv({ columns: { ip: 'string', bytes: 'number', ts: 'number' } })
 *
 * A field may be quoted, with `""` for a quote, and may then span lines. Spaces are part of a text and are ignored around a number.
 */
export function csv(options: {
  readonly columns: Readonly<Record<string, CsvColumnType>>;
  /** One character. Default `,`. */
  readonly separator?: string;
  /**
   * Whether the first line of each raw record or file must name the columns: their order is then the header's, and what it has beside them
   * is ignored. Default false.
   */
  readonly header?: boolean;
}): LineDecoder {
  const {
    columns,
    separator = ',',
    header = false,
  } = givenOptions('csv', options, ['columns', 'separator', 'header'], "{ columns: { ip: 'string' } }");
  const wanted = Object.entries(
    given('csv', 'columns', columns, "them with their types, such as { ip: 'string' }"),
  ).map(([name, type], index) => ({ name, type, number: index + 1 }));
  checkOptions(wanted, separator);
  checkOneOf('csv:', 'header', header, [true, false]);
  const layout = layoutOf(wanted, separator);
  const separatorCode = separator.charCodeAt(0);
  return {
    format: 'csv',
    // A list, since the order of the columns matters.
    config: { columns: wanted.map(({ name, type }) => [name, type]), separator, ...(header ? { header } : {}) },
    recognises: (line) =>
      !/^\s*[{[]/.test(line) &&
      (wanted.length === 1 || hasSeparator(line, separator) || openAt(line, separatorCode, false) !== undefined),
    spanning: { sign: '"', openAt: (line, isOpen) => openAt(line, separatorCode, isOpen) },
    decodeLine: (line) => decodeLine(layout, line),
    ...(header ? { begin: () => beginWithHeader(layout) } : {}),
  };
}

/** Behind the header, the header's order holds. */
function beginWithHeader(wanted: Layout): BegunDecoder {
  let begun: { readonly header: string; readonly layout: Layout } | undefined;
  return {
    decodeLine: (line) => {
      if (begun !== undefined) return decodeLine(begun.layout, line);
      begun = { header: line, layout: layoutOfHeader(wanted, line) };
      return undefined;
    },
    standAlone: (line) => (begun === undefined || begun.header === line ? line : `${begun.header}\n${line}`),
  };
}

function layoutOfHeader({ columns, separator, header }: Layout, line: string): Layout {
  const names = fieldsOf(line, separator).map((name) => name.trim());
  for (const { name } of columns) {
    const count = names.filter((one) => one === name).length;
    if (count !== 1)
      throw new Error(
        `the first line must name the columns: column ${name} is in it ${count === 0 ? 'not at all' : `${count} times`}; expected a header with ${header}`,
      );
  }
  const found = names.map((name, index) => ({
    name,
    type: columns.find((column) => column.name === name)?.type,
    number: index + 1,
  }));
  return layoutOf(found, separator);
}

interface Column {
  readonly name: string;
  /** Without one it is ignored. */
  readonly type: CsvColumnType | undefined;
  /** Counted from 1. */
  readonly number: number;
}

function layoutOf(columns: readonly Column[], separator: string): Layout {
  return { columns, separator, header: columns.map(({ name }) => name).join(separator) };
}

interface Layout {
  readonly columns: readonly Column[];
  readonly separator: string;
  readonly header: string;
}

const types: readonly string[] = ['string', 'number', 'boolean', 'timestamp'] satisfies CsvType[];

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
    if (!types.includes(String(type).replace(/\?$/, ''))) {
      throw new MillraceError(
        'PIPELINE_INVALID',
        `csv: column ${name} is of type ${type}; use ${types.join(', ')}, with ? for a field that may be empty.`,
      );
    }
  }
}

/**
 * Where the quoted field begins that the next line goes on with (RFC 4180, 2.6). A quote opens a field only at its beginning, and what stands
 * behind a closing one is wrong, so nothing is open behind it: a record that is wrong takes no more lines than it must.
 */
function openAt(line: string, separator: number, isOpen: boolean): number | undefined {
  let opened = isOpen ? -1 : openingQuote(line, 0, separator);
  while (opened !== undefined) {
    const closing = closingQuote(line, opened + 1);
    if (closing === -1) return opened;
    if (line.charCodeAt(closing + 1) !== separator) return undefined;
    opened = openingQuote(line, closing + 2, separator);
  }
  return undefined;
}

function openingQuote(line: string, start: number, separator: number): number | undefined {
  for (let at = line.indexOf('"', start); at !== -1; at = line.indexOf('"', at + 1))
    if (at === start || line.charCodeAt(at - 1) === separator) return at;
  return undefined;
}

/** The first quote from `start` on that is not one of two. */
function closingQuote(line: string, start: number): number {
  let at = line.indexOf('"', start);
  while (at !== -1 && line.charCodeAt(at + 1) === quote) at = line.indexOf('"', at + 2);
  return at;
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
    const { type } = column;
    const isQuoted = line.charCodeAt(at) === quote;
    const end = isQuoted ? endOfQuoted(layout, line, at, column) : endOfPlain(line, at, separator);
    const field = isQuoted ? line.slice(at + 1, end - 1).replaceAll('""', '"') : line.slice(at, end);
    if (!isQuoted && field.includes('"')) {
      throw new Error(
        `${where(column, at + field.indexOf('"'))} has a quote inside a field that does not begin with one; quote the field and double the quote`,
      );
    }
    if (field === column.name) names += 1;
    if (type !== undefined && !(field === '' && type.endsWith('?'))) {
      const value = convert(field, type);
      if (value === undefined) misfit ??= new Error(`${where(column, at)} is ${show(field)}, not a ${type}`);
      else record[column.name] = value;
    }
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
  const end = closingQuote(line, at + 1) + 1;
  if (end > 0 && (end === line.length || line.startsWith(separator, end))) return end;
  if (end > 0)
    throw new Error(
      `${where(column, end)}: expected ${JSON.stringify(separator)} or the end of the line behind the closing quote, found ${show(line.slice(end, end + 1))}`,
    );
  throw new Error(`${where(column, at)} has an opening quote and no closing one`);
}

function convert(field: string, type: CsvColumnType): string | number | boolean | undefined {
  switch (type) {
    case 'string':
    case 'string?':
      return field;
    case 'number':
    case 'number?':
      return numberOf(field);
    case 'boolean':
    case 'boolean?':
      return field === 'true' ? true : field === 'false' ? false : undefined;
    case 'timestamp':
    case 'timestamp?':
      return timeOf(field);
  }
}

function timeOf(field: string): number | undefined {
  try {
    const { timeMs, end } = isoTimeAt(field, 0);
    return end === field.length ? timeMs : undefined;
  } catch {
    return undefined;
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

/** The texts of a header's fields. */
function fieldsOf(line: string, separator: string): readonly string[] {
  const fields: string[] = [];
  for (let at = 0; at <= line.length; ) {
    const column = { name: '', type: undefined, number: fields.length + 1 };
    const isQuoted = line.charCodeAt(at) === quote;
    const end = isQuoted ? endOfQuoted(layoutOf([], separator), line, at, column) : endOfPlain(line, at, separator);
    fields.push(isQuoted ? line.slice(at + 1, end - 1).replaceAll('""', '"') : line.slice(at, end));
    at = end + 1;
  }
  return fields;
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
  return `${column.name === '' ? 'a column' : `column ${column.name}`} (field ${column.number}, character ${at + 1})`;
}

const shownCharactersMax = 40;

function show(field: string): string {
  return JSON.stringify(field.length > shownCharactersMax ? `${field.slice(0, shownCharactersMax)}…` : field);
}
