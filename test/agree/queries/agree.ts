import { drawOf } from '#test/fuzz/targets.ts';
import { type Case, compare, type DuckDb, openDuckDb, ownOf, shrink, theirsOf } from './compare.ts';
import { drawCase, type Shape } from './queries.ts';

export interface QueryAgreement {
  readonly drawn: number;
  readonly compared: number;
  readonly rows: number;
  /** How often Millrace refused a query, and DuckDB did, by why. */
  readonly refused: ReadonlyMap<string, number>;
  readonly unasked: ReadonlyMap<string, number>;
  readonly difference?: QueryDifference;
}

export interface QueryDifference {
  readonly seed: number;
  /** As it was drawn, and as small as it can be made. */
  readonly drawn: string;
  readonly lines: readonly string[];
}

export interface QueryOptions {
  /** The first of them. */
  readonly seed: number;
  readonly queries: number;
  /** Of so many processes each has its share of the seeds. */
  readonly every?: number;
  /** Only queries that end so. */
  readonly shape?: Shape | undefined;
  readonly onProgress?: (done: number) => void;
  /** In the place of the comparison, to try the search itself. */
  readonly by?: typeof compare;
}

/** Compares a query of each seed with DuckDB, on tables of its own. Stops at the first whose rows are different. */
export async function agreeOnQueries(options: QueryOptions): Promise<QueryAgreement> {
  const { seed: first, queries, every = 1, shape, by = compare } = options;
  const [refused, unasked] = [new Map<string, number>(), new Map<string, number>()];
  const done = { drawn: 0, compared: 0, rows: 0, refused, unasked };
  const duckDb = await openDuckDb();
  try {
    for (let seed = first; done.drawn * every < queries; seed += every) {
      done.drawn += 1;
      const drawn = drawCase(drawOf(seed), shape);
      const outcome = await by(drawn, duckDb);
      switch (outcome.kind) {
        case 'same':
          done.compared += 1;
          done.rows += outcome.rowCount;
          break;
        case 'refused':
          add(refused, outcome.why);
          break;
        case 'unasked':
          add(unasked, outcome.why);
          break;
        case 'different':
          return { ...done, difference: await describe(seed, drawn, { duckDb, by }) };
      }
      options.onProgress?.(done.drawn);
    }
    return done;
  } finally {
    duckDb.close();
  }
}

/** By the words that every such query has: without its place, its text, and what is named in it. */
function add(counts: Map<string, number>, why: string): void {
  const [line = ''] = why.split('\n');
  const key = line.replace(/^SQL_INVALID: line \d+, column \d+: /, '').slice(0, reasonLength);
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
const reasonLength = 110;

async function describe(
  seed: number,
  drawn: Case,
  { duckDb, by }: { readonly duckDb: DuckDb; readonly by: typeof compare },
): Promise<QueryDifference> {
  const small = await shrink(drawn, duckDb, by);
  const outcome = await by(small, duckDb);
  const [setup, query] = theirsOf(small);
  const records = Object.entries(small.tables).flatMap(([name, rows]) =>
    rows.map((row) => `${name} ${JSON.stringify(row)}`),
  );
  return {
    seed,
    drawn: ownOf(drawn),
    lines: [
      ...(outcome.kind === 'different' ? outcome.lines : []),
      `over ${small.way}:`,
      ownOf(small),
      'of the records, in their order:',
      ...records,
      'in DuckDB:',
      ...[...setup, query].map((statement) => `${statement};`),
    ],
  };
}
