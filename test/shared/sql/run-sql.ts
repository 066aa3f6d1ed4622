import { sourcesOf } from '#shared/pipeline/plan.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { type Arrange, sqlPipeline, type TableDefinition } from '#shared/sql/index.ts';

/** Records by table; those of a table have the columns of the CREATE TABLE in the text. */
export type Records = Readonly<Record<string, readonly unknown[]>>;

/** The rows that a text gives over these records, all of which come before the end, as `millrace sql` prints them. */
export function runSql(
  text: string,
  records: Records,
  tableNamed?: (name: string) => TableDefinition | undefined,
): readonly PrintedRow[] {
  let arrange: Arrange = (rows) => rows;
  const pipeline = sqlPipeline(text, {
    id: 'query',
    onArrange: (found) => {
      arrange = found;
    },
    ...(tableNamed === undefined ? {} : { tableNamed }),
  });
  const run = createBoundedRun(pipeline);
  const streams = sourcesOf(pipeline.plan).map(({ id }) => id);
  for (const [name, values] of Object.entries(records)) {
    if (!streams.includes(name)) continue;
    for (const value of values) {
      const { rejection, lateSteps } = run.takeValue(name, value);
      if (rejection !== undefined) throw new Error(`${JSON.stringify(value)} was rejected: ${rejection.message}`);
      if (lateSteps.length > 0) throw new Error(`${JSON.stringify(value)} is late for ${lateSteps.join(', ')}`);
    }
  }
  const rows = run.finish();
  return [
    ...arrange(rows, () => Object.keys(pipeline.outputs).some((view) => (run.stepCounts()[view]?.counted ?? 0) > 0)),
  ];
}

/** The rows without the columns that every row has. */
export function columnsOf(rows: readonly PrintedRow[]): readonly Readonly<Record<string, unknown>>[] {
  return rows.map(({ view: _view, final: _final, windowStart: _start, windowEnd: _end, ...columns }) => columns);
}
