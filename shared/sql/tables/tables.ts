import type { Decoder } from '#shared/pipeline/decoder.ts';
import { type SyslogOptions, syslog } from '#shared/pipeline/decoders/syslog.ts';
import { milliseconds } from '#shared/pipeline/duration.ts';
import { readingPaths } from '#shared/pipeline/reads.ts';
import { type Stream, stream } from '#shared/pipeline/stream.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import type { Compiled, Values } from '#shared/sql/expressions/compiled.ts';
import { compileExpression } from '#shared/sql/expressions/expression.ts';
import { type Column, describeType, typeOfName } from '#shared/sql/expressions/types.ts';
import type { ColumnDefinition, CreateTable, Expression, Name } from '#shared/sql/parse/ast.ts';
import { kebab } from '#shared/sql/parse/names.ts';
import { SqlProblem } from '#shared/sql/parse/problem.ts';
import {
  isSame,
  once,
  plainColumn,
  type Relation,
  type RelationColumn,
  scopeOf,
} from '#shared/sql/relations/relation.ts';
import { Options, oneOf } from './options.ts';
import { binaryAdvice, binaryFormats, type TableFormat, tableFormatNames, tableFormats } from './table-formats.ts';
import { type Reading, tableSchema } from './table-schema.ts';

/** A stream of records as a table: what CREATE TABLE says, or what was found in a file. */
export interface TableDefinition {
  /** The stream's name. */
  readonly stream: string;
  readonly columns: readonly Column[];
  readonly computed: readonly { readonly name: string; readonly compiled: Compiled }[];
  /** The column with the event time, and how late records may be. */
  readonly time: { readonly column: string; readonly outOfOrdernessMs: number } | undefined;
  readonly decoders: readonly Decoder[];
  readonly reading: Reading;
  readonly allowedLatenessMs: number;
  readonly idleAfterMs: number | undefined;
  /** Of a column that counts no milliseconds: how many it counts by. */
  readonly timeUnitMs?: number;
}

/** The relation of a table that is read. */
export function tableRelation(name: string, table: TableDefinition): Relation {
  const { columns, computed, time } = table;
  const all: readonly Column[] = [
    ...columns,
    ...computed.map(({ name: column, compiled: { type, nullable } }) => ({ name: column, type, nullable })),
  ];
  const identity = `table ${name.toLowerCase()}`;
  return {
    columns: all.map((column): RelationColumn => {
      // What the schema gives has every column, and nothing that SQL does not know.
      const read = readingPaths((values: Values) => values[column.name], [[column.name]]);
      const plain = { ...column, text: column.name, read };
      return column.name === time?.column ? { ...plain, role: 'time' } : plain;
    }),
    isOpen: false,
    identity,
    baseIdentity: identity,
    allowedLatenessMs: table.allowedLatenessMs,
    stream: once(() => streamOf(table)),
  };
}

function streamOf({
  stream: name,
  columns,
  computed,
  time,
  decoders,
  reading,
  idleAfterMs,
  timeUnitMs = 1,
}: TableDefinition): Stream<Values> {
  const schema = tableSchema(
    columns,
    reading,
    computed.map(({ name: column, compiled }) => ({ name: column, evaluate: compiled.evaluate })),
  );
  const column = time?.column;
  return stream(name, {
    schema,
    // Without a column for it every record has one time: nothing is late, and there are no windows.
    timestamp:
      column === undefined
        ? () => 0
        : readingPaths((values: Values) => timeOf(values[column], column) * timeUnitMs, [[column]]),
    outOfOrderness: milliseconds(time?.outOfOrdernessMs ?? 0),
    ...(idleAfterMs === undefined ? {} : { idleAfter: milliseconds(idleAfterMs) }),
    decode: decoders as readonly [Decoder],
  });
}

function timeOf(value: unknown, column: string): number {
  if (typeof value === 'number') return value;
  throw new Error(`${column} is ${JSON.stringify(value) ?? 'nothing'}, and says when the record happened`);
}

/** What a CREATE TABLE says of a table that is read. */
export function readTable(
  { name, columns, watermark, options: written, at }: CreateTable,
  defaults: { readonly allowedLatenessMs: number },
): TableDefinition {
  const options = new Options(name, written);
  options.takeOneOf(['kinesis'], 'connector');
  const streamName = options.take('stream');
  const formats = readFormats(options.take('format'), name);
  const separator = options.take('csv.field-delimiter', 'csv.separator');
  const given = formats.includes('syslog') ? takeSyslog(options, name) : undefined;
  const allowedLatenessMs = options.takeDuration('allowed-lateness') ?? defaults.allowedLatenessMs;
  const idleAfterMs = options.takeDuration('idle-after', 'scan.watermark.idle-timeout');
  options.finish();
  if (columns.length === 0)
    throw new SqlProblem(
      at,
      `table ${name.text} has no columns. Write CREATE TABLE ${name.text} (ip STRING, bytes BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (…).`,
    );
  const physical = columns.flatMap((column): readonly Column[] =>
    column.op === 'physical'
      ? [{ name: column.name.text, type: typeOfName(column.type), nullable: !column.type.notNull }]
      : [],
  );
  const computed = computedColumns(columns, physical);
  const shape = { columns: physical.map((column) => column.name), separator: separator?.text, syslog: given };
  const decoders = formats.map((format): Decoder => tableFormats[format](shape));
  return {
    stream: kebab(streamName?.text ?? name.text),
    columns: physical,
    computed,
    time:
      watermark &&
      readWatermark(watermark, [
        ...physical,
        ...computed.map(({ name: column, compiled }) => ({ name: column, type: compiled.type, nullable: true })),
      ]),
    decoders,
    reading: { isText: formats.includes('csv'), isGuessed: false },
    allowedLatenessMs,
    idleAfterMs,
  };
}

/** How times of syslog without a year and a zone are understood. */
function takeSyslog(options: Options, table: Name): SyslogOptions {
  const year = options.takeWhole('syslog.year');
  const reference = options.takeTime('syslog.reference');
  const given = { year, reference, utcOffset: options.take('syslog.utc-offset')?.text };
  try {
    syslog(given);
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    throw new SqlProblem(table.at, error.message.replace(/^[A-Z_]+: syslog: /, `table ${table.text}: `));
  }
  return given;
}

function readFormats(value: Name | undefined, table: Name): readonly TableFormat[] {
  const texts = value?.text.split(',') ?? ['json'];
  const binary = texts.map((text) => text.trim().toLowerCase()).find((text) => binaryFormats.includes(text));
  if (binary !== undefined && value !== undefined)
    throw new SqlProblem(value.at, `'format' is '${binary}', which no table of SQL has. ${binaryAdvice}`);
  return texts.map((text) =>
    oneOf({ text: text.trim(), at: value?.at ?? table.at }, tableFormatNames, "'format' of a table that is read"),
  );
}

function computedColumns(
  columns: readonly ColumnDefinition[],
  physical: readonly Column[],
): TableDefinition['computed'] {
  const known = physical.map((column) => plainColumn(column));
  const computed: { name: string; compiled: Compiled }[] = [];
  for (const column of columns) {
    if (column.op !== 'computed') continue;
    const scope = scopeOf(relationOfColumns(known));
    const compiled = compileExpression(column.expression, scope);
    computed.push({ name: column.name.text, compiled });
    known.push(plainColumn({ name: column.name.text, type: compiled.type, nullable: compiled.nullable }));
  }
  return computed;
}

/** Columns without records, to look names up in. */
function relationOfColumns(columns: readonly RelationColumn[]): Relation {
  return {
    columns,
    isOpen: false,
    identity: '',
    baseIdentity: '',
    allowedLatenessMs: 0,
    stream: () => {
      throw new Error('Bug in Millrace: columns alone have no records');
    },
  };
}

/** `WATERMARK FOR ts AS ts - INTERVAL '5' SECOND` */
function readWatermark(
  watermark: NonNullable<CreateTable['watermark']>,
  columns: readonly Column[],
): NonNullable<TableDefinition['time']> {
  const { column, delay } = watermark;
  const found =
    columns.find(({ name }) => name === column.text) ?? columns.find(({ name }) => isSame(name, column.text));
  if (found === undefined)
    throw new SqlProblem(
      column.at,
      `there is no column ${column.text} in the table. There are ${columns.map(({ name }) => name).join(', ')}.`,
    );
  if (found.type.kind !== 'timestamp')
    throw new SqlProblem(
      column.at,
      `the event time is a timestamp, and ${found.name} is of type ${describeType(found.type)}. Add a column: event_time AS ${found.type.kind === 'string' ? `TO_TIMESTAMP(${found.name})` : `TO_TIMESTAMP_LTZ(${found.name}, 3)`}, and WATERMARK FOR event_time AS ….`,
    );
  return { column: found.name, outOfOrdernessMs: delayOf(delay, found.name) };
}

function delayOf(delay: Expression, column: string): number {
  const isColumn = (part: Expression): boolean =>
    part.op === 'column' && part.path.length === 1 && isSame(part.path[0]?.text ?? '', column);
  if (isColumn(delay)) return 0;
  if (
    delay.op === 'binary' &&
    delay.sign === '-' &&
    isColumn(delay.left) &&
    delay.right.op === 'interval' &&
    delay.right.months === 0 &&
    delay.right.ms >= 0
  )
    return delay.right.ms;
  throw new SqlProblem(
    delay.at,
    `a watermark is the event time less how late records may be. Write WATERMARK FOR ${column} AS ${column} - INTERVAL '5' SECOND.`,
  );
}
