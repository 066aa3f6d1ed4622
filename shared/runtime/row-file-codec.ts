import { Buffer } from 'node:buffer';
import { gzipSync } from 'node:zlib';
import { type BasicType, type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { joinTimeColumns } from '#shared/pipeline/join.ts';
import type { AggregatePlan, StepPlan } from '#shared/pipeline/plan.ts';
import { processTimeColumn, tableTimeColumn } from '#shared/pipeline/process.ts';
import { rankColumn } from '#shared/pipeline/rows.ts';
import type { RowFile } from '#shared/schemas/row-file.ts';

/** The bytes of a file of rows. The same rows give the same bytes. */
export function encodeRowFile(step: StepPlan, file: RowFile): Uint8Array {
  return file.format === 'ndjson' ? gzipSync(Buffer.from(`${file.lines.join('\n')}\n`)) : encodeParquet(step, file);
}

/**
 * Columns have the type that the plan tells, so that all files of a view have one schema: the times of windows and records are TIMESTAMP (milliseconds, UTC), counts
 * INT64, other numbers DOUBLE. Where only the values tell, a text is STRING, a truth value BOOLEAN, and anything deeper, or of several
 * types in one file, JSON.
 */
function encodeParquet(step: StepPlan, { lines }: RowFile): Uint8Array {
  const rows = lines.map((line) => new Map<string, unknown>(Object.entries(JSON.parse(line) as object)));
  const names = new Set(rows.flatMap((row) => [...row.keys()]));
  const columnData = [...names].map((name): ColumnSource => {
    const values = rows.map((row) => row.get(name) ?? null);
    const present = values.filter((value) => value !== null);
    const type = plannedType(step, name, present) ?? typeOfValues(present);
    return { name, type, nullable: true, data: values.map((value) => (value === null ? null : physical(type, value))) };
  });
  return new Uint8Array(parquetWriteBuffer({ columnData, createdBy: 'millrace' }));
}

const windowColumns: ReadonlySet<string> = new Set(['windowStart', 'windowEnd']);
const joinTimes: ReadonlySet<string> = new Set(joinTimeColumns);
/** Built-in aggregators that give whole numbers, and those that give numbers. */
const wholeKinds: ReadonlySet<string> = new Set(['count', 'count-distinct']);
const numberKinds: ReadonlySet<string> = new Set([
  ...['sum', 'min', 'max', 'mean', 'quantile'],
  ...['variance', 'stddev', 'covariance', 'correlation', 'ewma', 'rate-of-change', 'z-score'],
]);
/** Those that give lists and objects, also where a file happens to have none. */
const deepKinds: ReadonlySet<string> = new Set([
  ...['arg-max-all', 'collect', 'distinct', 'exact-distinct', 'histogram', 'quantiles', 'sampled', 'top-k'],
  ...['linear-regression', 'multiple-regression'],
]);

const typeOfDeclared: Readonly<Record<string, BasicType>> = {
  string: 'STRING',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  json: 'JSON',
};

/** Undefined where the plan does not tell. */
function plannedType(step: StepPlan, name: string, values: readonly unknown[]): BasicType | undefined {
  switch (step.op) {
    case 'aggregate':
      return windowColumns.has(name) ? 'TIMESTAMP' : aggregatedType(step, name, values);
    case 'top': {
      if (name === (step.ties === undefined ? rankColumn : step.ties.as)) return 'INT64';
      return windowColumns.has(name) ? 'TIMESTAMP' : aggregatedType({ ...step, derived: {} }, name, values);
    }
    case 'select':
    case 'running':
      return undefined;
    case 'join':
      return joinTimes.has(name) ? 'TIMESTAMP' : undefined;
    case 'process':
      if (name === processTimeColumn) return 'TIMESTAMP';
      if (step.does.kind === 'table-join' && name === tableTimeColumn) return 'TIMESTAMP';
      // The other kinds show what the user selects, of which no type was declared.
      if (step.does.kind !== 'process') return undefined;
      return Object.hasOwn(step.row, name) ? typeOfDeclared[step.row[name]?.replace('?', '') ?? ''] : undefined;
  }
}

/** Undefined also where an aggregator of the user's own has the kind of a built-in one and gives something else. */
function aggregatedType(
  step: Pick<AggregatePlan, 'aggregates' | 'derived'>,
  name: string,
  values: readonly unknown[],
): BasicType | undefined {
  const kind = Object.hasOwn(step.aggregates, name) ? step.aggregates[name]?.kind : undefined;
  if (kind !== undefined && wholeKinds.has(kind) && values.every(Number.isSafeInteger)) return 'INT64';
  if (kind !== undefined && deepKinds.has(kind)) return 'JSON';
  const isNumber = (kind !== undefined && numberKinds.has(kind)) || Object.hasOwn(step.derived, name);
  return isNumber && values.every((value) => typeof value === 'number') ? 'DOUBLE' : undefined;
}

function typeOfValues(values: readonly unknown[]): BasicType {
  const [type, ...others] = new Set(values.map((value) => typeof value));
  if (others.length > 0) return 'JSON';
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
