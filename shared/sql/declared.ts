import { MillraceError } from '#shared/schemas/error.ts';
import type { InferredFormat } from './infer.ts';
import { kebab } from './names.ts';
import { durationOf } from './options.ts';
import { parseStatements } from './parse-statement.ts';
import { SqlProblem, withPositions } from './problem.ts';
import { readTable, type TableDefinition } from './tables.ts';

/** A table from its columns as they stand in CREATE TABLE: `ip STRING, bytes BIGINT, ts TIMESTAMP(3)`. */
export function declaredTable(
  columns: string,
  options: {
    readonly name: string;
    readonly format: InferredFormat;
    readonly timeColumns: readonly string[];
    readonly outOfOrdernessMs: number | undefined;
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
    const time = table.time ?? (column && { column: column.name, outOfOrdernessMs: options.outOfOrdernessMs ?? 0 });
    return { ...table, stream: kebab(options.name), time };
  });
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
