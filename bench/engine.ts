import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runChild } from './child.ts';
import type { Side, SideReport } from './engine-side.ts';
import { writeFlowFile } from './flow-file.ts';

/** Both sides over the same bytes: medians over the rounds, of memory the most. */
export interface EngineComparison {
  readonly keyCount: number;
  readonly recordCount: number;
  readonly rowCount: number;
  readonly fileBytes: number;
  readonly engine: SideSummary;
  readonly hand: SideSummary;
  /** The engine's rate by the loop's, by CPU time: what else runs on the machine changes it least. */
  readonly ratio: number;
  /** Both made the same rows, to the last bit, in every round. */
  readonly isSame: boolean;
}

export interface SideSummary {
  readonly recordsPerSecond: number;
  readonly recordsPerCpuSecond: number;
  readonly cpuSeconds: number;
  readonly rssBytesMax: number;
}

const eventTimeMs = 20 * 60_000;

/** Runs the flow pipeline and the loop by hand in turn, each time in a fresh process. */
export async function compareEngine(options: {
  readonly recordCount: number;
  readonly keyCount: number;
  readonly rounds: number;
  readonly seed: number;
}): Promise<EngineComparison> {
  const { recordCount, keyCount, rounds, seed } = options;
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  try {
    const path = join(folder, 'flows.ndjson');
    const fileBytes = writeFlowFile(path, { recordCount, keyCount, spanMs: eventTimeMs, seed });
    const engine: SideReport[] = [];
    const hand: SideReport[] = [];
    for (let round = 0; round < rounds; round += 1) {
      engine.push(await runSideElsewhere('engine', path));
      hand.push(await runSideElsewhere('hand', path));
    }
    const ratios = engine.map((report, round) => (hand[round] as SideReport).cpuMs / report.cpuMs);
    return {
      keyCount,
      recordCount,
      rowCount: (engine[0] as SideReport).rowCount,
      fileBytes,
      engine: summaryOf(engine, recordCount),
      hand: summaryOf(hand, recordCount),
      ratio: medianOf(ratios),
      isSame: new Set([...engine, ...hand].map(({ sha256 }) => sha256)).size === 1,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runSideElsewhere(side: Side, path: string): Promise<SideReport> {
  return (await runChild('engine-side.ts', [side, path])) as SideReport;
}

function summaryOf(reports: readonly SideReport[], recordCount: number): SideSummary {
  const wallMs = medianOf(reports.map((report) => report.wallMs));
  const cpuMs = medianOf(reports.map((report) => report.cpuMs));
  return {
    recordsPerSecond: recordCount / (wallMs / 1_000),
    recordsPerCpuSecond: recordCount / (cpuMs / 1_000),
    cpuSeconds: cpuMs / 1_000,
    rssBytesMax: Math.max(...reports.map((report) => report.rssBytesMax)),
  };
}

function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
