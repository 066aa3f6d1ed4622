import type { AnyAggregator, Json } from '#shared/pipeline/aggregator.ts';
import { changeColumn } from '#shared/pipeline/running.ts';
import type { KeyedStream, KeyShape, Stream } from '#shared/pipeline/stream.ts';
import type { Values } from '#shared/sql/expressions/compiled.ts';
import type { Call } from '#shared/sql/parse/ast.ts';
import { freeName } from '#shared/sql/parse/names.ts';
import { type Span, SqlProblem } from '#shared/sql/parse/problem.ts';
import type { BuiltTable } from './step-table.ts';

// Rows that change with every record are a stream of differences: a row taken back, a row put. What groups them adds and takes away.

/** Where a difference has what it is: 1 for a row that is put, -1 for one that is taken back. */
export const changeField = '#change';

const form = 'COUNT(*), COUNT(x), SUM(x) and AVG(x)';

/** The rows that a query reads change. `text` says which of them it takes, and what its groups are. */
export interface ChangingRows {
  readonly text: readonly string[];
}

/**
 * An aggregate of rows that come and go. A row that is taken back is subtracted as what it was when it was put, exactly, so that the result is
 * that of the rows which are there. Without any value it is NULL, or 0 where it counts.
 *
 * What is computed is a part of the state: with another expression a row that was put could not be taken back. So its text is in `config`.
 */
export function takingBack(
  of: AnyAggregator<Values>,
  options: {
    readonly isMissing: (values: Values) => boolean;
    readonly counts: boolean;
    readonly text: readonly string[];
    readonly call: Call;
  },
): AnyAggregator<Values> {
  const { isMissing, counts, text, call } = options;
  const { subtract } = of;
  if (subtract === undefined) throw irrevocable(call);
  return {
    kind: of.kind,
    config: { ...of.config, changes: text },
    select: (values: Values, timeMs: number) =>
      isMissing(values) ? null : [of.select(values, timeMs), values[changeField]],
    refuse: (offered) => (offered === null ? undefined : of.refuse?.((offered as Offered)[0])),
    create: (): Kept => ({ accumulator: of.create(), count: 0 }),
    add: (kept: Kept, offered: Offered | null): Kept => {
      if (offered === null) return kept;
      const [value, change] = offered;
      kept.accumulator =
        change === 1 ? of.add(kept.accumulator, value) : subtract(kept.accumulator, of.add(of.create(), value));
      kept.count += change;
      return kept;
    },
    merge: (into: Kept, from: Kept): Kept => {
      into.accumulator = of.merge(into.accumulator, from.accumulator);
      into.count += from.count;
      return into;
    },
    result: ({ accumulator, count }: Kept) => (counts || count > 0 ? of.result(accumulator) : null),
    encode: ({ accumulator, count }: Kept): Json => [of.encode(accumulator), count],
    decode: (encoded): Kept => {
      const [accumulator, count, ...rest] = Array.isArray(encoded) ? (encoded as readonly Json[]) : [];
      if (accumulator === undefined || !Number.isSafeInteger(count) || rest.length > 0)
        throw new Error(`the state of ${of.kind} must be [state, count], and is ${JSON.stringify(encoded)}`);
      return { accumulator: of.decode(accumulator), count: count as number };
    },
  };
}

interface Kept {
  accumulator: unknown;
  /** Of the values that are there. */
  count: number;
}

type Offered = readonly [value: unknown, change: 1 | -1];

function irrevocable({ name, distinct, at }: Call): SqlProblem {
  const what = distinct ? `${name}(DISTINCT x)` : name;
  const advice =
    name === 'COUNT'
      ? 'Count different rows: SELECT COUNT(x) FROM (SELECT DISTINCT x FROM …).'
      : "Give the groups of the inner query a window, TUMBLE(ts, INTERVAL '1' MINUTE), whose rows are final.";
  return new SqlProblem(
    at,
    `the rows that are grouped here change with every record, since their groups have no window, and ${what} cannot take back what a row was before; ${form} can. ${advice}`,
  );
}

/** Refuses a total over all groups where those change, which is kept for windows. */
export function refuseTotal(at: Span): SqlProblem {
  return new SqlProblem(
    at,
    'a share of the total is known of the groups of records, and these are groups of rows that change with every record. Show the sums, or group the inner query by a window too.',
  );
}

/** The name that a step's column has when it cannot be `change`, which is that of what a difference is. */
export interface Apart {
  readonly own: string;
  readonly column: string;
}

/** Which of the columns of a group must have another name, if one must. */
export function apartFrom(columns: readonly string[]): Apart | undefined {
  const own = columns.find((column) => column.toLowerCase() === changeColumn);
  if (own === undefined) return undefined;
  return { own, column: freeName(changeColumn, new Set(columns.map((column) => column.toLowerCase()))) };
}

/** A step without a window over all records of a key. */
export function runningTable(
  keyed: KeyedStream<Values, KeyShape>,
  name: string,
  aggregates: Readonly<Record<string, AnyAggregator<Values>>>,
  at: Span,
): BuiltTable & { readonly asChanges: () => Stream<Values> } {
  const table = keyed.aggregate(name, aggregates);
  return {
    to: (sink, ...others) => {
      if (sink.kind !== 'dynamodb' || others.length > 0)
        throw new SqlProblem(
          at,
          `the rows of this query are never final, and ${[sink, ...others].find(({ kind }) => kind !== 'dynamodb')?.kind} takes final rows. Write them to one table: CREATE TABLE t WITH ('connector' = 'dynamodb', 'ttl' = '7 d').`,
        );
      return table.to(sink);
    },
    asChanges: () => table.asChanges() as unknown as Stream<Values>,
  };
}

/** The differences of rows that are unpacked to `rowsOf` each. */
export function changesOf(stream: Stream<Values>, rowsOf: (row: Values) => readonly Values[]): Stream<Values> {
  return stream.flatMap((row) =>
    rowsOf(row).map((values) => ({ ...values, [changeField]: row[changeColumn] })),
  ) as unknown as Stream<Values>;
}
