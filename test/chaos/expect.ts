import { openOutput, writeRows } from '#cli/output.ts';
import { bursts } from '#pipelines/bursts.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { createFlows, type Load, lineOf } from './load.ts';

// What must come out, by a process of its own that knows of no server: the rows of the engine in one batch, and sums by hand.

/** What it is started with, as JSON. */
export interface Expect {
  readonly load: Load;
  /** So many of the load's records were pushed. */
  readonly count: number;
  /** Where the rows go. */
  readonly path: string;
}

/** The records and bytes of a view, by IP or network: a record counts in each window that it belongs to. */
export type Totals = Readonly<Record<string, readonly [count: number, bytes: number]>>;

/** A record of five minutes that slide by one is in five windows. */
const windowsPerRecord = { bursts: 1, 'by-network-1m': 1, 'by-network-5m': 5 };

function expect({ load, count, path }: Expect): Totals {
  const run = createBoundedRun(bursts);
  const next = createFlows(load);
  const totals: Record<string, [number, number]> = {};
  for (let made = 0; made < count; made += 1) {
    const flow = next();
    const network = flow.ip.split('.').slice(0, 3).join('.');
    for (const [view, windows] of Object.entries(windowsPerRecord)) {
      const name = `${view} ${view === 'bursts' ? flow.ip : network}`;
      const total = totals[name] ?? [0, 0];
      total[0] += windows;
      total[1] += windows * flow.bytes;
      totals[name] = total;
    }
    run.takeLine('flows', lineOf(flow));
  }
  writeRows(openOutput(path), run.finish());
  return totals;
}

process.stdout.write(JSON.stringify(expect(JSON.parse(process.argv[2] as string) as Expect)));
