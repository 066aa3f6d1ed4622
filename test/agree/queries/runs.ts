import { sourcesOf } from '#shared/pipeline/plan.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { type Arrange, sqlPipeline } from '#shared/sql/index.ts';
import { Driver } from '#shared/testing/driver.ts';
import { inTable } from '#shared/testing/same-as-batch.ts';
import { columnsOf } from '#test/shared/sql/run-sql.ts';
import type { Row } from './tables.ts';

/** By table. Records come in the order in which they stand here. */
export type Tables = Readonly<Record<string, readonly Row[]>>;

/** How a query is run: by the engine over values or over lines of JSON, or on its hosts, where batches come again now and then. */
export const ways = ['values', 'lines', 'hosts'] as const;
export type Way = (typeof ways)[number];

const batchRecords = 5;

/** The rows of a text over these records, each with its columns in their order. Throws what the query or a record is refused with. */
export async function rowsOf(text: string, tables: Tables, way: Way): Promise<readonly (readonly unknown[])[]> {
  let arrange: Arrange = (rows) => rows;
  const pipeline = sqlPipeline(text, {
    id: 'query',
    onArrange: (found) => {
      arrange = found;
    },
  });
  const read = new Set(sourcesOf(pipeline.plan).map(({ id }) => id));
  const given = Object.entries(tables).filter(([name]) => read.has(name));
  if (way === 'hosts') {
    const driver = new Driver(inTable(pipeline), {
      slots: 2,
      exchangeShards: 2,
      batchRecords,
      faults: { seed: 1, kill: 0 },
    });
    for (const [name, rows] of given) await driver.send(name, rows.map(lineOf));
    await driver.close();
    const counts = await (await driver.settled()).counts();
    const [letter] = await driver.deadLetters();
    if (letter !== undefined) throw new Error(`a record was ${letter.reason}: ${JSON.stringify(letter)}`);
    return shown(arrange(await driver.printedRows('query'), () => (counts.steps['query']?.counted ?? 0) > 0));
  }
  const run = createBoundedRun(pipeline);
  for (const [name, rows] of given)
    for (const [at, row] of rows.entries()) {
      const taken = way === 'lines' ? run.takeLine(name, lineOf(row, at)) : run.takeValue(name, row);
      if (taken?.rejection !== undefined)
        throw new Error(`${JSON.stringify(row)} was rejected: ${taken.rejection.message}`);
      if (taken !== undefined && taken.lateSteps.length > 0) throw new Error(`${JSON.stringify(row)} is late`);
    }
  const rows = [...run.finish()];
  return shown(arrange(rows, () => (run.stepCounts()['query']?.counted ?? 0) > 0));
}

/** A line of JSON, in one of the forms that it may have: without what is NULL, with other spaces, with its members turned round. */
function lineOf(row: Row, at: number): string {
  const members = Object.entries(row).filter(([, value]) => value !== null || at % 3 !== 1);
  const texts = members.map(
    ([name, value]) => `${JSON.stringify(name)}:${at % 4 === 2 ? ' ' : ''}${JSON.stringify(value)}`,
  );
  return `{${(at % 5 === 3 ? texts.reverse() : texts).join(at % 4 === 2 ? ' , ' : ',')}}`;
}

function shown(rows: Iterable<PrintedRow>): readonly (readonly unknown[])[] {
  return columnsOf([...rows]).map(Object.values);
}
