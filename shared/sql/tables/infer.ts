import type { LineDecoder } from '#shared/pipeline/decoder.ts';
import { json } from '#shared/pipeline/decoders/json.ts';
import type { SyslogOptions } from '#shared/pipeline/decoders/syslog.ts';
import { days } from '#shared/pipeline/duration.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { parseTimestamp } from '#shared/sql/expressions/time.ts';
import {
  anyType,
  booleanType,
  type Column,
  doubleType,
  integerType,
  type SqlType,
  stringType,
  timestampType,
} from '#shared/sql/expressions/types.ts';
import { tokenize } from '#shared/sql/parse/lexer.ts';
import { kebab } from '#shared/sql/parse/names.ts';
import { withPositions } from '#shared/sql/parse/problem.ts';
import { compiledColumn, isSame, plainColumn } from '#shared/sql/relations/relation.ts';
import { binaryAdvice, type LogFormat, logFormats, recogniseLog, recordOf, tableFormats } from './table-formats.ts';
import type { TableDefinition } from './tables.ts';

export type InferredFormat = 'ndjson' | 'csv' | LogFormat;
export const inferredFormats: readonly InferredFormat[] = ['ndjson', 'csv', ...logFormats];

export interface Inference {
  /** The stream's name. */
  readonly name: string;
  /** The first lines of the file. */
  readonly lines: readonly string[];
  readonly format?: InferredFormat;
  /** The names of columns with the event time, most wanted first. */
  readonly timeColumns: readonly string[];
  readonly outOfOrdernessMs: number | undefined;
  /** How times of syslog are understood that have no year and no zone. */
  readonly syslog?: SyslogOptions | undefined;
}

/** A file is there whole, so no window need close before its end: nothing is late, however old. That is longer than all of the years that a time may have. */
export const allOfFile = days(4_000_000);

/**
 * A table from the first lines of a file: its format, its columns with their types, and which of them is the event time. Throws
 * `INPUT_INVALID` when there is no telling.
 */
export function inferTable(inference: Inference): TableDefinition {
  const lines = inference.lines.filter((line) => line.trim() !== '');
  const format = inference.format ?? formatOf(lines);
  switch (format) {
    case 'ndjson':
      return tableOf(inference, columnsOfRecords(lines.map((line) => parseJson(line))), {
        decoders: [json()],
        reading: { isText: false, isGuessed: true },
      });
    case 'csv':
      return inferCsv(inference);
    case 'combined':
    case 'common':
      return accessLog(inference, format);
    default: {
      const decoder: LineDecoder = tableFormats[format]({ syslog: inference.syslog });
      const reader = decoder.begin?.() ?? decoder;
      const sampled = columnsOfRecords(lines.map((line) => recordOf(reader, line)));
      if (format === 'syslog' && sampled.size === 0 && lines.length > 0) throw yearUnknown();
      return tableOf(inference, sampled, { decoders: [decoder], reading: { isText: false, isGuessed: true } });
    }
  }
}

function yearUnknown(): MillraceError {
  return new MillraceError(
    'INPUT_INVALID',
    'no line of the input says its year (RFC 3164). Name that of the first line of each file, --year 2026, or a time near it, --reference 2026-11-21.',
  );
}

function formatOf(lines: readonly string[]): InferredFormat {
  const [first] = lines;
  if (first === undefined)
    throw new MillraceError(
      'INPUT_INVALID',
      "the input has no lines, so nothing tells its columns. Give them: --schema 'ip STRING, bytes BIGINT'.",
    );
  const begin = lines.slice(0, recognisedMax);
  const isJson = (line: string): boolean => json().recognises(line);
  if (isJson(first) || begin.filter(isJson).length * 2 >= begin.length) return 'ndjson';
  const log = recogniseLog(begin);
  if (log !== undefined) return log;
  if (!controls.test(first)) return 'csv';
  throw new MillraceError(
    'INPUT_INVALID',
    `the input is not text, so it has no lines to read columns off. ${binaryAdvice}`,
  );
}

/** What no text holds. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const controls = /[\u0000-\u0008\u000e-\u001a]/;

/** Some of the first lines may be of no format: a broken one, or the end of a longer file. */
const recognisedMax = 10;

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // It is rejected when it is read.
    return undefined;
  }
}

type Sampled = ReadonlyMap<string, readonly unknown[]>;

/** The values that each name has in the records. */
function columnsOfRecords(records: readonly unknown[]): Sampled {
  const columns = new Map<string, unknown[]>();
  for (const record of records) {
    if (typeof record !== 'object' || record === null || Array.isArray(record)) continue;
    for (const [name, value] of Object.entries(record)) {
      const values = columns.get(name) ?? [];
      columns.set(name, values);
      values.push(value);
    }
  }
  return columns;
}

function typeOfValues(values: readonly unknown[]): SqlType {
  const found = values.filter((value) => value !== null && value !== undefined);
  const all = (test: (value: unknown) => boolean): boolean => found.length > 0 && found.every(test);
  if (all((value) => typeof value === 'boolean')) return booleanType;
  if (all((value) => typeof value === 'number')) return all(Number.isInteger) ? integerType : doubleType;
  if (all((value) => typeof value === 'string')) return all(isTimestampText) ? timestampType : stringType;
  if (all((value) => typeof value === 'object' && !Array.isArray(value))) {
    const fields = [...columnsOfRecords(found)].map(
      ([name, inner]): Column => ({ name, type: typeOfValues(inner), nullable: true }),
    );
    return { kind: 'row', fields };
  }
  return anyType;
}

/** The query makes windows by these, so what is no time among them is a record to reject. */
function typeOfTimes(values: readonly unknown[]): SqlType {
  const isTimes = values.some((value) => typeof value === 'string' && parseTimestamp(value) !== undefined);
  return isTimes ? timestampType : typeOfValues(values);
}

/** A day alone is a date to people, and a text to us. */
function isTimestampText(value: unknown): boolean {
  return typeof value === 'string' && value.length > 10 && parseTimestamp(value) !== undefined;
}

/** Names that event times have, most likely first. */
const timeNames = [
  'ts',
  'timestamp',
  'time',
  'event_time',
  'eventTime',
  'rowtime',
  'at',
  'datetime',
  'dateTime',
  'created_at',
  'createdAt',
  'timeMs',
  'start',
  'date',
];

function tableOf(
  { name, timeColumns, outOfOrdernessMs }: Inference,
  sampled: Sampled,
  { decoders, reading }: Pick<TableDefinition, 'decoders' | 'reading'>,
): TableDefinition {
  const columns = [...sampled].map(
    ([column, values]): Column => ({
      name: column,
      type: timeColumns.some((wanted) => isSame(wanted, column)) ? typeOfTimes(values) : typeOfValues(values),
      nullable: true,
    }),
  );
  if (columns.length === 0)
    throw new MillraceError(
      'INPUT_INVALID',
      'no line of the input is a record with columns. Write CREATE TABLE, or name another file.',
    );
  const time = timeColumnOf(columns, sampled, timeColumns);
  const unit = time?.type.kind === 'timestamp' ? 1 : unitOf(sampled.get(time?.name ?? '') ?? []);
  return {
    stream: kebab(name),
    columns,
    computed: [],
    time: time && { column: time.name, outOfOrdernessMs: outOfOrdernessMs ?? allOfFile },
    decoders,
    reading,
    allowedLatenessMs: 0,
    idleAfterMs: undefined,
    ...(unit === 1 ? {} : { timeUnitMs: unit }),
  };
}

/** The column that is most likely the event time: one that is named so and holds times, else one that is named so, else the only time. */
function timeColumnOf(columns: readonly Column[], sampled: Sampled, wanted: readonly string[]): Column | undefined {
  const named = [...wanted, ...timeNames].flatMap((name) =>
    columns.filter((column) => isSame(column.name, name) && isTime(column)),
  );
  const times = columns.filter(({ type }) => type.kind === 'timestamp');
  return (
    named.find(({ name, type }) => type.kind === 'timestamp' || isEpoch(sampled.get(name) ?? [])) ??
    named[0] ??
    (times.length === 1 ? times[0] : undefined)
  );
}

function isTime({ type: { kind } }: Column): boolean {
  return kind === 'timestamp' || kind === 'integer' || kind === 'double';
}

/** Seconds since 1970, or smaller units, have been many for long. */
function isEpoch(values: readonly unknown[]): boolean {
  return values.every((value) => typeof value !== 'number' || value > epochMin);
}

const epochMin = 1e8;

/** Whether numbers since 1970 are of seconds, milliseconds, microseconds or nanoseconds: only one of them lies in this century. */
function unitOf(values: readonly unknown[]): number {
  const first = values.find((value) => typeof value === 'number' && value > 0);
  if (typeof first !== 'number') return 1;
  if (first < 1e11 && first > epochMin) return 1_000;
  return first > 1e17 ? 1e-6 : first > 1e14 ? 1e-3 : 1;
}

function inferCsv(inference: Inference): TableDefinition {
  const lines = recordsIn(inference.lines).filter((record) => record.trim() !== '');
  const [header = ''] = lines;
  const { names, separator } = readHeader(header);
  if (
    new Set(names.map((column) => column.toLowerCase())).size < names.length ||
    names.some((column) => !/^[\p{L}_][\p{L}\p{N}_ .-]*$/u.test(column))
  )
    throw new MillraceError(
      'INPUT_INVALID',
      `the first line of the input does not name the columns: ${JSON.stringify(header.slice(0, 80))}. Give them: --schema 'ip STRING, bytes BIGINT, ts BIGINT'.`,
    );
  const rows = lines.slice(1).map((line) => splitCsv(line, separator));
  const sampled = new Map(names.map((column, place) => [column, rows.map((row) => valueOfField(row[place]))]));
  const decoders = [tableFormats.csv({ columns: names, separator, header: true })];
  return tableOf(inference, sampled, { decoders, reading: { isText: true, isGuessed: true } });
}

/** The lines of a file of CSV, those of a record together; the last one may go on behind them, and is left out. */
function recordsIn(lines: readonly string[]): readonly string[] {
  const { separator } = readHeader(lines.find((line) => line.trim() !== '') ?? '');
  const { spanning } = tableFormats.csv({ columns: ['any'], separator });
  const records: string[] = [];
  let open: string | undefined;
  for (const line of lines) {
    const isOpen = spanning?.openAt(line, open !== undefined) !== undefined;
    const record: string = open === undefined ? line : `${open}\n${line}`;
    if (!isOpen) records.push(record);
    open = isOpen ? record : undefined;
  }
  return records;
}

/** The columns that the first line of a file of CSV names, and what stands between them. */
export function readHeader(line: string): { readonly names: readonly string[]; readonly separator: string } {
  const separator =
    [',', ';', '\t', '|'].map((sign) => ({ sign, count: line.split(sign).length })).sort((a, b) => b.count - a.count)[0]
      ?.sign ?? ',';
  return { names: splitCsv(line, separator), separator };
}

/** The fields of a line, well enough to guess types from. */
function splitCsv(line: string, separator: string): readonly string[] {
  const fields: string[] = [];
  let field = '';
  let isQuoted = false;
  for (const character of line) {
    if (character === '"') isQuoted = !isQuoted;
    else if (character === separator && !isQuoted) {
      fields.push(field);
      field = '';
    } else field += character;
  }
  return [...fields, field].map((text) => text.trim());
}

function valueOfField(text: string | undefined): unknown {
  if (text === undefined || text === '') return null;
  if (text === 'true' || text === 'false') return text === 'true';
  return /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) && Number.isFinite(Number(text)) ? Number(text) : text;
}

/** What a web server's log has, and two columns with the names that people use: `ip` and `ts`. */
function accessLog({ name, lines, outOfOrdernessMs }: Inference, format: 'combined' | 'common'): TableDefinition {
  const decoder = tableFormats[format]();
  const sampled = columnsOfRecords(lines.map((line) => recordOf(decoder, line)));
  const texts = ['host', 'ident', 'user', 'request', 'method', 'path', 'protocol'];
  if (format === 'combined') texts.push('referrer', 'agent');
  const columns: readonly Column[] = [
    ...texts.map((column) => ({ name: column, type: stringType, nullable: false })),
    ...['timeMs', 'status', 'bytes'].map((column) => ({ name: column, type: integerType, nullable: false })),
    // Not every log has it.
    ...['forwardedFor']
      .filter((column) => sampled.has(column))
      .map((column) => ({ name: column, type: stringType, nullable: true })),
  ];
  const computed = (column: string, of: string, type: SqlType): TableDefinition['computed'][number] => ({
    name: column,
    compiled: { ...compiledColumn(plainColumn({ name: of, type, nullable: false })) },
  });
  return {
    stream: kebab(name),
    columns,
    computed: [computed('ip', 'host', stringType), computed('ts', 'timeMs', timestampType)],
    time: { column: 'ts', outOfOrdernessMs: outOfOrdernessMs ?? allOfFile },
    decoders: [decoder],
    reading: { isText: false, isGuessed: false },
    allowedLatenessMs: 0,
    idleAfterMs: undefined,
  };
}

const windowWords = /^(TUMBLE|HOP|SESSION|CUMULATE)(_START|_END|_ROWTIME)?$/;

/** The names of the columns that windows are made by, as a text has them. `SQL_INVALID` where there are no words to read. */
export function timeColumnsOf(text: string): readonly string[] {
  const tokens = withPositions(text, () => tokenize(text));
  return tokens.flatMap((token, at) => {
    if (tokens[at + 1]?.word !== '(' || (token.word !== 'DESCRIPTOR' && !windowWords.test(token.word))) return [];
    const isQualified = tokens[at + 3]?.word === '.';
    const name = tokens[at + (isQualified ? 4 : 2)];
    return name === undefined || (name.kind !== 'word' && name.kind !== 'quoted') ? [] : [name.text];
  });
}
