import { createHash } from 'node:crypto';
import { flow } from '#pipelines/flow.ts';
import { walkLines } from '#shared/pipeline/lines.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { readChunks } from './chunks.ts';
import { runHandWritten } from './hand-written.ts';

/** Who computes the rows. */
export type Side = 'engine' | 'hand';

/** What one side took for one file. */
export interface SideReport {
  readonly wallMs: number;
  /** Of all threads, so the garbage collector's are in it. */
  readonly cpuMs: number;
  readonly rssBytesMax: number;
  readonly rowCount: number;
  /** Of the rows, in order. */
  readonly sha256: string;
}

/** Runs one side in this process, which should be a fresh one: a second run would find warm code and a grown heap. */
export async function runSide(side: Side, path: string): Promise<SideReport> {
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  const rows = side === 'engine' ? await runEngine(path) : await runHandWritten(path);
  const wallMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(startCpu);
  // In kilobytes. Read before the rows are hashed, which is not what is measured.
  const rssBytesMax = process.resourceUsage().maxRSS * 1_024;
  const hash = createHash('sha256');
  for (const row of rows) hash.update(JSON.stringify(row));
  return { wallMs, cpuMs: (user + system) / 1_000, rssBytesMax, rowCount: rows.length, sha256: hash.digest('hex') };
}

/** As `millrace run` does it, but with all rows at once, as the loop by hand has them. */
async function runEngine(path: string): Promise<readonly unknown[]> {
  const run = createBoundedRun(flow);
  for await (const text of readChunks(path)) walkLines(text, (line) => void run.takeLine('flows', line));
  return [...run.finish()];
}

const [side, path] = process.argv.slice(2);
if (import.meta.main && path !== undefined)
  process.stdout.write(`${JSON.stringify(await runSide(side as Side, path))}\n`);
