import fc from 'fast-check';
import { stepsOf } from '#shared/pipeline/plan.ts';
import { openDatabase } from '#shared/testing/batch/database.ts';
import type { Sent } from '#shared/testing/index.ts';
import {
  compareWithBatch,
  type HistoryDifference,
  type Hosted,
  inTable,
  viewsOfBatch,
} from '#shared/testing/same-as-batch.ts';
import type { Suite } from './suite.ts';

export interface Agreement {
  readonly histories: number;
  readonly records: number;
  /** The views that were compared, and those that no query says. */
  readonly views: readonly string[];
  readonly refused: readonly string[];
  /** By which each history was run besides. */
  readonly hosts: readonly string[];
  readonly difference?: { readonly records: readonly Sent[]; readonly lines: readonly string[] };
}

/** How many histories one query is asked about. */
const historiesPerQuery = 250;

/** Compares a suite's pipeline with DuckDB, and with itself on its hosts, on histories that the seed draws. Stops at the first difference. */
export async function agree(
  suite: Suite,
  options: { readonly histories: number; readonly seed: number; readonly onProgress?: (done: number) => void },
): Promise<Agreement> {
  const { pipeline, own = {} } = suite;
  const histories = fc.sample(suite.histories, { numRuns: options.histories, seed: options.seed });
  const database = await openDatabase();
  try {
    const { views, refused } = await viewsOfBatch(database, pipeline, own);
    const hosts = hostsOf(suite);
    const compare = (given: readonly (readonly Sent[])[]): Promise<readonly HistoryDifference[]> =>
      compareWithBatch(database, pipeline, given, { views, hosts, ...own });
    const done = { histories: 0, records: 0, views, refused, hosts: hosts.map(({ name }) => name) };
    if (views.length === 0) return done;
    for (let at = 0; at < histories.length; at += historiesPerQuery) {
      const given = histories.slice(at, at + historiesPerQuery);
      const [first] = await compare(given);
      done.histories += given.length;
      done.records += given.reduce((sum, records) => sum + records.length, 0);
      if (first !== undefined) return { ...done, difference: await shrink(given[first.history] ?? [], compare) };
      options.onProgress?.(done.histories);
    }
    return done;
  } finally {
    database.close();
  }
}

/** As it is placed and, where that is elsewhere, on the worker alone. */
function hostsOf({ pipeline }: Suite): readonly Hosted[] {
  const placed = { name: 'the hosts as placed', pipeline: inTable(pipeline) };
  if (stepsOf(pipeline.plan, 'lambda').length === 0) return [placed];
  return [placed, { name: 'the worker alone', pipeline: inTable(pipeline, 'fargate') }];
}

/** Leaves out record by record what makes no difference to the difference. */
async function shrink(
  records: readonly Sent[],
  compare: (histories: readonly (readonly Sent[])[]) => Promise<readonly HistoryDifference[]>,
): Promise<{ readonly records: readonly Sent[]; readonly lines: readonly string[] }> {
  let smallest = records;
  for (let at = 0; at < smallest.length; ) {
    const without = smallest.toSpliced(at, 1);
    if ((await compare([without])).length > 0) smallest = without;
    else at += 1;
  }
  const [difference] = await compare([smallest]);
  return { records: smallest, lines: difference?.lines ?? [] };
}
