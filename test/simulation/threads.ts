import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

/** What a thread is to do: `runs` seeds, each `stride` from the one before. */
export interface ThreadOrder {
  readonly seed: number;
  readonly runs: number;
  readonly stride: number;
  /** The name of a broken rule. */
  readonly sabotage?: string;
  /** The sabotage's seeds with every rule in place: what goes wrong there goes wrong by itself. */
  readonly isIntact?: boolean;
  readonly stopsAtFirst: boolean;
}

export interface SeedReport {
  readonly seed: number;
  readonly wrong: readonly string[];
  readonly faults: readonly (readonly [kind: string, count: number])[];
  readonly steps: number;
}

/** Runs seeds on all cores; `onReport` sees them in no order. Resolves when all are done. */
export async function runSeeds(
  options: { readonly seed: number; readonly runs: number },
  onReport: (report: SeedReport) => void,
): Promise<void> {
  const count = Math.min(availableParallelism(), options.runs);
  const threads = Array.from({ length: count }, (_, index) =>
    runThread(
      {
        seed: options.seed + index,
        runs: Math.ceil((options.runs - index) / count),
        stride: count,
        stopsAtFirst: false,
      },
      onReport,
    ),
  );
  await Promise.all(threads);
}

/** Runs one order in a thread of its own, with the product loaded afresh. */
export function runThread(order: ThreadOrder, onReport: (report: SeedReport) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./thread.ts', import.meta.url), { workerData: order });
    thread.on('message', onReport);
    thread.on('error', reject);
    thread.on('exit', () => resolve());
  });
}
