import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openOutput } from '#cli/output.ts';
import { bursts } from '#pipelines/bursts.ts';
import type { Reader } from '#shared/runtime/read.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import type { Expect, Totals } from './expect.ts';
import { boundsOf, type Load } from './load.ts';

export interface Comparison {
  readonly rowCount: number;
  /** Sums by view and key that were made by hand. */
  readonly sumCount: number;
  /** What is wrong, in words; nothing when the rows are those of the batch, byte for byte, and the sums are those by hand. */
  readonly wrong: readonly string[];
}

const wrongMax = 5;
/** Rows are read in pieces of so much event time, which are never many. */
const pieceMs = 5 * 60_000;
const answerBytesMax = 1 << 26;

/** Compares the rows of the stack with those of a batch over the same records. Both are left in the folder, as NDJSON. */
export async function compareWithBatch(it: {
  readonly reader: Reader;
  readonly load: Load;
  readonly count: number;
  readonly folder: string;
}): Promise<Comparison> {
  const { load, count } = it;
  const rowsPath = join(it.folder, 'rows.ndjson');
  const batchPath = join(it.folder, 'batch.ndjson');
  const { rowCount, totals } = await writeStackRows(it.reader, boundsOf(load, count), rowsPath);
  const totalsByHand = await runBatch({ load, count, path: batchPath });
  const wrong = [...(await compareLines(rowsPath, batchPath)), ...compareTotals(totals, totalsByHand)];
  return { rowCount, sumCount: Object.keys(totalsByHand).length, wrong };
}

async function writeStackRows(
  reader: Reader,
  { fromMs, toMs }: ReturnType<typeof boundsOf>,
  path: string,
): Promise<{ readonly rowCount: number; readonly totals: Totals }> {
  const output = openOutput(path);
  const totals: Record<string, [number, number]> = {};
  let rowCount = 0;
  for (const view of Object.keys(bursts.outputs).sort()) {
    for (let pieceFromMs = fromMs; pieceFromMs < toMs; pieceFromMs += pieceMs) {
      for (const row of await reader.rows({ view, fromMs: pieceFromMs, toMs: pieceFromMs + pieceMs })) {
        output.write(JSON.stringify(row));
        rowCount += 1;
        addTo(totals, row);
      }
    }
  }
  output.close();
  return { rowCount, totals };
}

function addTo(totals: Record<string, [number, number]>, row: PrintedRow): void {
  const name = `${row.view} ${row['ip'] ?? row['network']}`;
  const total = totals[name] ?? [0, 0];
  total[0] += Number(row['count']);
  total[1] += Number(row['bytes']);
  totals[name] = total;
}

async function runBatch(expect: Expect): Promise<Totals> {
  const script = fileURLToPath(new URL('expect.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script, JSON.stringify(expect)], {
    maxBuffer: answerBytesMax,
  });
  return JSON.parse(stdout) as Totals;
}

/** The first lines in which two files differ. */
async function compareLines(path: string, otherPath: string): Promise<readonly string[]> {
  const wrong: string[] = [];
  const others = linesOf(otherPath);
  let number = 0;
  const note = (found: string | undefined, expected: string | undefined): void => {
    number += 1;
    if (found !== expected && wrong.length < wrongMax)
      wrong.push(`row ${number} is\n  ${found ?? 'missing'}, and in the batch\n  ${expected ?? 'missing'}`);
  };
  for await (const line of linesOf(path)) note(line, (await others.next()).value);
  for await (const line of others) note(undefined, line);
  return wrong;
}

async function* linesOf(path: string): AsyncGenerator<string, undefined> {
  yield* createInterface({ input: createReadStream(path) });
  return undefined;
}

function compareTotals(totals: Totals, byHand: Totals): readonly string[] {
  return [...new Set([...Object.keys(totals), ...Object.keys(byHand)])]
    .filter((name) => String(totals[name]) !== String(byHand[name]))
    .slice(0, wrongMax)
    .map((name) => `${name} has ${totals[name] ?? 'no'} records and bytes, and by hand ${byHand[name] ?? 'none'}`);
}
