import { createHash } from 'node:crypto';
import { readInputPieces } from '#cli/input.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { readChunks, walkLines } from './chunks.ts';
import { type FlowRecord, HandWritten } from './hand-written.ts';
import { Packed } from './packed.ts';
import { queries, type Side } from './queries.ts';

/** What one side took for one file. */
export interface SideReport {
  /** The first time in a process: much of it is compiling. */
  readonly cold: Spent;
  /** The fastest of the last times, when the code is compiled, as that of a service is. */
  readonly warm: Spent;
  /** Up to the end of the first time. */
  readonly rssBytesMax: number;
  readonly rowCount: number;
  /** Of the rows, in order. */
  readonly sha256: string;
}

export interface Spent {
  readonly wallMs: number;
  /** Of all threads, so the garbage collector's are in it. */
  readonly cpuMs: number;
}

/** Runs one side in this process, which should be a fresh one: any other run would find warm code and a grown heap. */
async function runSide(side: Side, path: string): Promise<SideReport> {
  const { rows, rssBytesMax, spent: cold } = await runOnce(side, path);
  const hash = createHash('sha256');
  for (const row of rows) hash.update(JSON.stringify(row));
  const rowCount = rows.length;
  rows.length = 0;
  const times: Spent[] = [];
  for (let time = 1; time < timesPerSide; time += 1) times.push((await runOnce(side, path)).spent);
  const [warm = cold] = times.slice(-warmTimes).sort((a, b) => a.cpuMs - b.cpuMs);
  return { cold, warm, rssBytesMax, rowCount, sha256: hash.digest('hex') };
}

/** What is compiled is looked at again when it is used in other runs, and is settled after that. */
const timesPerSide = 6;
const warmTimes = 3;

async function runOnce(
  side: Side,
  path: string,
): Promise<{ readonly spent: Spent; readonly rssBytesMax: number; readonly rows: unknown[] }> {
  // Anew each time: a text that was looked up has its hash.
  const records = side.mode === 'objects' ? await parseAll(path) : undefined;
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  const rows = side.by === 'engine' ? await runEngine(side, path, records) : await runByHand(side, path, records);
  const wallMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(startCpu);
  const rssBytesMax = process.resourceUsage().maxRSS * kilobyte;
  return { spent: { wallMs, cpuMs: (user + system) / 1_000 }, rssBytesMax, rows: [...rows] };
}

const kilobyte = 1_024;

async function parseAll(path: string): Promise<readonly FlowRecord[]> {
  const records: FlowRecord[] = [];
  for await (const text of readChunks(path)) walkLines(text, (line) => void records.push(JSON.parse(line)));
  return records;
}

/** As `millrace run` does it, but with all rows at once, as the loop by hand has them. */
async function runEngine(
  { query, mode }: Side,
  path: string,
  records: readonly FlowRecord[] | undefined,
): Promise<readonly unknown[]> {
  const { pipeline, source } = queries[query];
  const run = createBoundedRun(pipeline, {}, { readBy: mode === 'parsed texts' ? 'check' : 'scanner' });
  if (records !== undefined) {
    for (const record of records) run.takeValue(source, record);
  } else if (mode !== 'bytes') {
    for await (const text of readChunks(path)) walkLines(text, (line) => void run.takeLine(source, line));
  } else {
    const file = run.openFile(source, path);
    for await (const bytes of readInputPieces(path, file.readsLines)) file.read(bytes, () => undefined);
    file.end(() => undefined);
  }
  return [...run.finish()];
}

async function runByHand(
  { mode, by }: Side,
  path: string,
  records: readonly FlowRecord[] | undefined,
): Promise<readonly unknown[]> {
  if (by === 'packed') {
    const packed = new Packed();
    for await (const bytes of readInputPieces(path, () => true)) packed.takeBytes(bytes);
    return packed.rows();
  }
  const loop = new HandWritten();
  if (records !== undefined) for (const record of records) loop.take(record);
  else if (mode !== 'bytes') for await (const text of readChunks(path)) loop.takeText(text);
  else for await (const bytes of readInputPieces(path, () => true)) loop.takeBytes(bytes);
  return loop.rows();
}

const [side, path] = process.argv.slice(2);
if (import.meta.main && side !== undefined && path !== undefined)
  process.stdout.write(`${JSON.stringify(await runSide(JSON.parse(side) as Side, path))}\n`);
