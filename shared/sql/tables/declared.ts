import type { SyslogOptions } from '#shared/pipeline/decoders/syslog.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { parseTimestamp } from '#shared/sql/expressions/time.ts';
import { kebab } from '#shared/sql/parse/names.ts';
import { parseStatements } from '#shared/sql/parse/parse-statement.ts';
import { SqlProblem, withPositions } from '#shared/sql/parse/problem.ts';
import { allOfFile, type InferredFormat, readHeader } from './infer.ts';
import { durationOf } from './options.ts';
import { tableFormats } from './table-formats.ts';
import { readTable, type TableDefinition } from './tables.ts';

/** A table from its columns as they stand in CREATE TABLE: `ip STRING, bytes BIGINT, ts TIMESTAMP(3)`. */
export function declaredTable(
  columns: string,
  options: {
    readonly name: string;
    readonly format: InferredFormat;
    readonly timeColumns: readonly string[];
    readonly outOfOrdernessMs: number | undefined;
    /** Of the file, if it was looked into: CSV may begin with a header. */
    readonly firstLine: string | undefined;
    readonly syslog: SyslogOptions | undefined;
  },
): TableDefinition {
  const text = `CREATE TABLE t (${columns}) WITH ('format' = '${options.format === 'ndjson' ? 'json' : options.format}')`;
  return withPositions(text, () => {
    const [statement] = parseStatements(text);
    if (statement?.op !== 'create-table')
      throw new SqlProblem({ start: 0, end: text.length }, 'expected columns, as in CREATE TABLE.');
    const table = readTable(statement, { allowedLatenessMs: 0 });
    const named = options.timeColumns
      .map((wanted) => table.columns.find(({ name }) => name.toLowerCase() === wanted.toLowerCase()))
      .find((column) => column !== undefined);
    const single = table.columns.filter(({ type }) => type.kind === 'timestamp');
    const column = named ?? (single.length === 1 ? single[0] : undefined);
    const time =
      table.time ?? (column && { column: column.name, outOfOrdernessMs: options.outOfOrdernessMs ?? allOfFile });
    const decoders =
      options.format === 'csv'
        ? headedCsv(table, options.firstLine)
        : options.format === 'syslog'
          ? [tableFormats.syslog({ syslog: options.syslog })]
          : undefined;
    return { ...table, stream: kebab(options.name), time, ...(decoders === undefined ? {} : { decoders }) };
  });
}

/** Reads columns in the order of a header that names all of them, whatever else it names; undefined when the line is none. */
function headedCsv({ columns }: TableDefinition, line: string | undefined): TableDefinition['decoders'] | undefined {
  const { names, separator } = readHeader(line ?? '');
  const wanted = columns.map(({ name }) => name);
  if (!wanted.every((name) => names.includes(name))) return undefined;
  return [tableFormats.csv({ columns: wanted, separator, header: true })];
}

/** `2026-11-21`, `2026-11-21T10:00:00Z`. `INPUT_INVALID` for any other text. */
export function timeText(text: string): Date {
  const timeMs = parseTimestamp(text);
  if (timeMs === undefined)
    throw new MillraceError('INPUT_INVALID', `'${text}' is no time. Write it as 2026-11-21T10:00:00Z.`);
  return new Date(timeMs);
}

/** `5 s`, `1 min`, in milliseconds. `INPUT_INVALID` for any other text. */
export function durationText(text: string): number {
  try {
    return durationOf({ text, at: { start: 0, end: 0 } });
  } catch (error) {
    if (error instanceof SqlProblem) throw new MillraceError('INPUT_INVALID', error.message);
    throw error;
  }
}
