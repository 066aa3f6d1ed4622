import { Buffer } from 'node:buffer';
import { gzipSync } from 'node:zlib';
import { type BasicType, type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { joinTimeColumns } from '#shared/pipeline/join.ts';
import type { StepPlan } from '#shared/pipeline/plan.ts';
import type { RowFile } from '#shared/schemas/row-file.ts';

/** The bytes of a file of rows. The same rows give the same bytes. */
export function encodeRowFile(step: StepPlan, file: RowFile): Uint8Array {
  return file.format === 'ndjson' ? gzipSync(Buffer.from(`${file.lines.join('\n')}\n`)) : encodeParquet(step, file);
}

/**
 * Columns have the type that the plan tells, so that all files of a view have one schema: times are TIMESTAMP (milliseconds, UTC), counts
 * INT64, other numbers DOUBLE. Where only the values tell, a text is STRING, a truth value BOOLEAN and anything deeper JSON.
 */
function encodeParquet(step: StepPlan, { lines }: RowFile): Uint8Array {
  const rows = lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  const names = new Set(rows.flatMap((row) => Object.keys(row)));
  const columnData = [...names].map((name): ColumnSource => {
    const values = rows.map((row) => row[name] ?? null);
    const type = typeOf(step, name, values);
    return { name, type, nullable: true, data: values.map((value) => (value === null ? null : physical(type, value))) };
  });
  return new Uint8Array(parquetWriteBuffer({ columnData, createdBy: 'millrace' }));
}

const timeColumns: ReadonlySet<string> = new Set(['windowStart', 'windowEnd', ...joinTimeColumns]);
/** Aggregators that give whole numbers. */
const wholeKinds: ReadonlySet<string> = new Set(['count', 'count-distinct']);

function typeOf(step: StepPlan, name: string, values: readonly unknown[]): BasicType {
  if (timeColumns.has(name)) return 'TIMESTAMP';
  if (step.op === 'aggregate') {
    const kind = step.aggregates[name]?.kind;
    if (kind !== undefined && wholeKinds.has(kind)) return 'INT64';
    if (name in step.derived) return 'DOUBLE';
  }
  const types = new Set(values.filter((value) => value !== null).map((value) => typeof value));
  const [type] = types;
  if (types.size > 1) return 'JSON';
  switch (type) {
    case 'number':
      return 'DOUBLE';
    case 'boolean':
      return 'BOOLEAN';
    case 'object':
      return 'JSON';
    default:
      return 'STRING';
  }
}

function physical(type: BasicType, value: unknown): unknown {
  if (type === 'TIMESTAMP') return new Date(value as string);
  return type === 'INT64' ? BigInt(value as number) : value;
}
