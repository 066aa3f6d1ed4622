import type { Duration } from '#shared/pipeline/duration.ts';
import type { AnyOutput } from '#shared/pipeline/pipeline.ts';
import { shown } from '#shared/pipeline/refuse.ts';
import type { SinkSpec } from '#shared/pipeline/sink.ts';
import type { KeyShape, Output, Stream } from '#shared/pipeline/stream.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { kebab } from '#shared/sql/parse/names.ts';
import { withPositions } from '#shared/sql/parse/problem.ts';
import { once, type Relation } from '#shared/sql/relations/relation.ts';
import { streamRelation } from '#shared/sql/tables/stream-table.ts';
import { planText } from './program.ts';

// biome-ignore lint/suspicious/noExplicitAny: a query reads streams of any type, by the names of their columns.
type AnyStream = Stream<any>;

export interface SqlQueryOptions {
  /** How long behind the watermark late records are taken. Default 0. */
  readonly allowedLateness?: Duration;
  /** `on-update` (default): rows of windows are refreshed as they fill; `on-close`: one row, when it is final. */
  readonly emit?: 'on-update' | 'on-close';
}

/** A query that is a branch of a pipeline in TypeScript, or a stream in one. */
export interface SqlQuery<Name extends string, Row> {
  /** Names where the rows go: to one sink or several, of different kinds. */
  to(...sinks: readonly [SinkSpec, ...SinkSpec[]]): Output<Name, KeyShape, Row>;
  /** The rows as a stream again; times are Dates. They must be final: rows of records, of windows, of joins. */
  asStream(): Stream<Row>;
}

/** What stands between the parts of a query: a stream to read, or a value, which becomes a literal. */
export type SqlValue = AnyStream | string | number | boolean | Date | null;

/**
 * A query of SQL over streams of TypeScript: `sql('by-ip')` before a template, in which streams stand where tables do. `Row` says what its rows
 * are; the names and types of columns are checked against the schemas of the streams when the pipeline is made. `SQL_INVALID` shows the place.
 *
 *     const byIp = sql<{ ip: string; bytes: number }>('by-ip')`
 *       SELECT ip, SUM(bytes) AS bytes FROM ${requests} GROUP BY ip, TUMBLE(at, INTERVAL '1' MINUTE)
 *     `.to(dynamodb({ ttl: days(7) }));
 */
export function sql<Row = Readonly<Record<string, unknown>>, const Name extends string = string>(
  name: Name,
  options: SqlQueryOptions = {},
): (parts: TemplateStringsArray, ...values: readonly SqlValue[]) => SqlQuery<Name, Row> {
  return (parts, ...values) => {
    const streams = new Map<string, AnyStream>();
    const texts = values.map((value) => textOf(value, streams));
    const text = parts.map((part, index) => part + (texts[index] ?? '')).join('');
    return queryOf<Name, Row>({ name, text, streams, options });
  };
}

/** The same, with the streams by the names that the text gives them: `sqlQuery('by-ip', { requests }, 'SELECT … FROM requests')`. */
export function sqlQuery<Row = Readonly<Record<string, unknown>>, const Name extends string = string>(
  name: Name,
  streams: Readonly<Record<string, AnyStream>>,
  text: string,
  options: SqlQueryOptions = {},
): SqlQuery<Name, Row> {
  return queryOf<Name, Row>({ name, text, streams: new Map(Object.entries(streams)), options });
}

function textOf(value: SqlValue, streams: Map<string, AnyStream>): string {
  switch (typeof value) {
    case 'string':
      return `'${value.replaceAll("'", "''")}'`;
    case 'number':
      if (!Number.isFinite(value)) throw noValue(value);
      // Behind a minus another one would begin a comment.
      return value < 0 || Object.is(value, -0) ? `(${value})` : String(value);
    case 'boolean':
      return String(value);
    default:
      if (value === null) return 'NULL';
      if (value instanceof Date) {
        if (Number.isNaN(Number(value))) throw noValue(value);
        return `TIMESTAMP '${value.toISOString()}'`;
      }
      if (typeof value !== 'object' || (value as Partial<AnyStream>).node === undefined) throw noValue(value);
      return tableOf(value, streams);
  }
}

function noValue(value: unknown): MillraceError {
  return new MillraceError(
    'SQL_INVALID',
    `the template has ${shown(value)}; between the parts of a query stand streams (before keyBy), texts, finite numbers, truth values, Dates and null.`,
  );
}

/** A stream stands under its own name, one without a name under a number. */
function tableOf(stream: AnyStream, streams: Map<string, AnyStream>): string {
  for (const [known, other] of streams) if (other.node === stream.node) return `"${known}"`;
  const own = 'name' in stream && typeof stream.name === 'string' ? stream.name.replaceAll('-', '_') : undefined;
  const name = own !== undefined && !streams.has(own) ? own : `stream_${streams.size + 1}`;
  streams.set(name, stream);
  return `"${name}"`;
}

function queryOf<Name extends string, Row>({
  name,
  text,
  streams,
  options,
}: {
  readonly name: Name;
  readonly text: string;
  readonly streams: ReadonlyMap<string, AnyStream>;
  readonly options: SqlQueryOptions;
}): SqlQuery<Name, Row> {
  const relations = new Map(
    [...streams].map(([table, stream]): [string, Relation] => [
      table,
      streamRelation(table, stream as unknown as Stream<never>, options.allowedLateness ?? 0),
    ]),
  );
  const given = { id: kebab(name), relations, ...(options.emit === undefined ? {} : { emit: options.emit }) };
  // What is wrong is said where the query is written, not where it is used.
  const planned = planText(text, given);
  return {
    to: (...sinks) =>
      withPositions(text, () => planned.output(name, sinks)) as AnyOutput as Output<Name, KeyShape, Row>,
    asStream: once(() => plainStream<Row>(withPositions(text, planned.relation))),
  };
}

/** The rows as TypeScript has them: no column but those that were selected, and Dates for times. */
function plainStream<Row>(rows: Relation): Stream<Row> {
  const columns = rows.columns.map(({ name, type: { kind }, read }) => ({
    name,
    read,
    isTime: kind === 'timestamp' || kind === 'date',
  }));
  return rows.stream().map((values) => {
    const row: Record<string, unknown> = {};
    for (const { name, read, isTime } of columns) {
      const value = read(values);
      row[name] = isTime && typeof value === 'number' ? new Date(value) : value;
    }
    return row as Row;
  });
}
