import { gunzipSync } from 'node:zlib';
import type { Pipeline } from '#shared/pipeline/index.ts';
import { stepsOf } from '#shared/pipeline/plan.ts';
import { type BoundedRunOptions, createBoundedRun } from '#shared/runtime/run.ts';
import type { DeadLetter } from '#shared/schemas/dead-letter.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { Driver, type TestDriverOptions } from '#shared/testing/driver.ts';
import type { Sent } from '#shared/testing/index.ts';
import type { Random } from '#shared/testing/random.ts';

/** What has become of a history. */
export interface Result {
  readonly rows: readonly PrintedRow[];
  /** Of records, and by step. */
  readonly counts: Readonly<Record<string, unknown>>;
  /** How many records and rows could not be used. */
  readonly rejected?: number;
  readonly letters?: readonly string[];
  /** Where files and streams hold others than the table. */
  readonly sinks?: readonly string[];
}

const items = [
  { id: 'ia', plan: 'gold' },
  { id: 'ib', plan: 'tin' },
  { id: 'ix', plan: 'gold' },
  { id: 'i', plan: 'none of a name' },
];

/** What the table holds that records are looked up in. */
export function tablesOf({ plan }: Pipeline): Readonly<Record<string, typeof items>> {
  return plan.nodes.some(({ op }) => op === 'enrich') ? { items } : {};
}

export function runOf(
  pipeline: Pipeline,
  records: readonly Sent[],
  readBy: BoundedRunOptions['readBy'] = 'scanner',
): Result {
  const run = createBoundedRun(pipeline, tablesOf(pipeline), { readBy });
  for (const { stream, record } of records) run.takeLine(stream, lineOf(record));
  const rows = [...run.finish()];
  const counts = { ...run.counts(), steps: run.stepCounts() };
  return { rows, counts, rejected: run.counts().rejected + run.rejectedRows().length };
}

/** How much memory the worker has, and that it stops now and then and goes on from what was stored. */
export interface Hosting extends TestDriverOptions {
  readonly memory?: { readonly bytesMax: number; readonly stops: Random };
}

export async function hostedOf(
  pipeline: Pipeline,
  records: readonly Sent[],
  { memory, ...options }: Hosting,
): Promise<Result> {
  const driver = new Driver(pipeline, { ...options, tables: tablesOf(pipeline) });
  if (memory !== undefined) {
    const { hosts } = driver;
    const limits = { bytesMax: memory.bytesMax, timersInMemoryMax: 1 };
    const work = hosts.work.bind(hosts);
    hosts.work = async () => {
      for (let stops = memory.stops.below(3); stops > 0; stops -= 1) await work(memory.stops.between(1, 4), limits);
      await work(undefined, limits);
    };
  }
  await send(driver, records);
  await driver.close();
  return resultOf(pipeline, driver);
}

/** Records of one stream that follow one another are sent together. */
export async function send(driver: Driver, records: readonly Sent[]): Promise<void> {
  for (let at = 0; at < records.length; ) {
    const stream = records[at]?.stream ?? '';
    const other = records.findIndex((one, index) => index > at && one.stream !== stream);
    const end = other === -1 ? records.length : other;
    await driver.send(
      stream,
      records.slice(at, end).map(({ record }) => lineOf(record)),
    );
    at = end;
  }
}

export async function resultOf(pipeline: Pipeline, driver: Driver): Promise<Result> {
  const rows: PrintedRow[] = [];
  for (const view of Object.keys(pipeline.outputs)) rows.push(...(await driver.printedRows(view)));
  const { duplicates: _, waiting: __, ...counts } = await (await driver.settled()).counts();
  const letters = (await driver.deadLetters()).map(told).sort();
  return { rows, counts, letters, sinks: await differentSinks(pipeline, driver, rows) };
}

function lineOf(record: unknown): string {
  return typeof record === 'string' ? record : JSON.stringify(record);
}

/** Of a row, which place it had in its slot's log is a matter of blocks. */
function told({ reason, message, source, sequence, sub, steps = [], key }: DeadLetter): string {
  const place = key === undefined ? { sequence, sub } : {};
  return JSON.stringify({ reason, message, source, steps: [...steps].sort(), key, ...place });
}

async function differentSinks(
  pipeline: Pipeline,
  driver: Driver,
  rows: readonly PrintedRow[],
): Promise<readonly string[]> {
  const files = [...(await driver.files())];
  const found: string[] = [];
  for (const step of stepsOf(pipeline.plan)) {
    // Shares are computed when the table is read, but for those that rows were ranked with.
    const derived = step.op === 'aggregate' ? Object.entries(step.derived) : [];
    const shares = derived.flatMap(([name, { kind }]) => (kind === 'share-of-total' ? [name] : []));
    const left = new Set(['view', 'final', 'position', ...shares]);
    const textOf = (some: readonly object[]): string =>
      some
        .map((row) =>
          JSON.stringify(
            Object.entries(row)
              .filter(([name]) => !left.has(name))
              .sort(),
          ),
        )
        .sort()
        .join('\n');
    const inTable = textOf(rows.filter(({ view, final }) => view === step.id && final));
    for (const { kind } of step.sinks) {
      if (kind === 'dynamodb') continue;
      const ofView = files.filter(([name]) => name.startsWith(`${step.id}/`));
      const sunk =
        kind === 'kinesis' ? await driver.readStream(step.id) : ofView.flatMap(([, bytes]) => linesOf(bytes));
      if (textOf(sunk) !== inTable)
        found.push(`${step.id} has in its ${kind}\n${textOf(sunk)}\nwhere the table has\n${inTable}`);
    }
  }
  return found;
}

/** Of a file of NDJSON, which the tests may have left uncompressed. */
function linesOf(bytes: Uint8Array): readonly object[] {
  const isCompressed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const text = Buffer.from(isCompressed ? gunzipSync(bytes) : bytes).toString();
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as object]));
}
