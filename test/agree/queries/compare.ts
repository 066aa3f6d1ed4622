import { DuckDBInstance } from '@duckdb/node-api';
import { hasCode } from '#shared/schemas/error.ts';
import { lengthOfInterval } from '#shared/sql/expressions/time.ts';
import { ownText, type Piece, smaller, theirText } from './piece.ts';
import { named } from './relation.ts';
import { rowsOf, type Tables, type Way } from './runs.ts';
import { ownTable, theirTable } from './tables.ts';
import { leavesOf } from './values.ts';

/** A query over tables, and how it is run. */
export interface Case {
  readonly query: Piece;
  readonly tables: Tables;
  readonly way: Way;
  readonly as: 'WITH' | 'VIEW';
}

export type Outcome =
  | { readonly kind: 'same'; readonly rowCount: number }
  /** Millrace does not take the query, or DuckDB does not. */
  | { readonly kind: 'refused' | 'unasked'; readonly why: string }
  | { readonly kind: 'different'; readonly lines: readonly string[] };

export interface DuckDb {
  readonly rows: (setup: readonly string[], query: string) => Promise<readonly (readonly unknown[])[]>;
  readonly close: () => void;
}

export async function openDuckDb(): Promise<DuckDb> {
  const connection = await (await DuckDBInstance.create()).connect();
  // Its optimizer takes date_trunc('year', NULL) = a time that begins no year for false.
  await connection.run('PRAGMA disable_optimizer');
  return {
    rows: async (setup, query) => {
      for (const statement of setup) await connection.run(statement);
      return (await connection.runAndReadAll(query)).getRowsJson();
    },
    close: () => connection.closeSync(),
  };
}

/** The text that Millrace is given, and can be run with `millrace sql`. */
export function ownOf({ query, tables, as }: Pick<Case, 'query' | 'tables' | 'as'>): string {
  return `${Object.keys(tables).map(ownTable).join('\n')}\n${named(ownText(query), as)}`;
}

/** The statements that DuckDB is given. */
export function theirsOf({
  query,
  tables,
}: Pick<Case, 'query' | 'tables'>): readonly [setup: readonly string[], query: string] {
  return [Object.entries(tables).flatMap(([name, rows]) => theirTable(name, rows)), named(theirText(query), 'WITH')];
}

export async function compare(one: Case, duckDb: DuckDb): Promise<Outcome> {
  const own = await attempt(() => rowsOf(ownOf(one), one.tables, one.way));
  if ('error' in own && (hasCode(own.error, 'SQL_INVALID') || hasCode(own.error, 'PIPELINE_INVALID')))
    return { kind: 'refused', why: messageOf(own.error) };
  const theirs = await attempt(() => duckDb.rows(...theirsOf(one)));
  if ('error' in theirs) return { kind: 'unasked', why: messageOf(theirs.error) };
  if ('error' in own)
    return { kind: 'different', lines: [`here: ${messageOf(own.error)}`, `there: ${theirs.rows.length} rows`] };
  const [extra, missing] = unpaired(own.rows, theirs.rows);
  if (extra.length + missing.length === 0) return { kind: 'same', rowCount: own.rows.length };
  const show = (where: string, rows: readonly string[]): readonly string[] =>
    rows.slice(0, shownMax).map((row) => `${where} alone: ${row}`);
  return { kind: 'different', lines: [...show('here', extra), ...show('there', missing)] };
}

const shownMax = 4;

type Rows = readonly (readonly unknown[])[];

async function attempt(ask: () => Promise<Rows>): Promise<{ readonly rows: Rows } | { readonly error: unknown }> {
  try {
    return { rows: await ask() };
  } catch (error) {
    return { error };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What of each side is not on the other. */
function unpaired(own: Rows, theirs: Rows): readonly [readonly string[], readonly string[]] {
  const left = theirs.map((row) => row.map(normalised));
  const extra: unknown[][] = [];
  // Those that are alike to the last digit first, so that no other takes their place.
  const isIn = (row: readonly unknown[], isEqual: (a: unknown, b: unknown) => boolean): boolean => {
    const at = left.findIndex(
      (other) => other.length === row.length && other.every((value, place) => isEqual(value, row[place])),
    );
    if (at !== -1) left.splice(at, 1);
    return at !== -1;
  };
  for (const row of own) {
    const values = row.map(normalised);
    if (!isIn(values, Object.is)) extra.push(values);
  }
  const rest = extra.filter((row) => !isIn(row, isNear));
  return [rest.map((row) => JSON.stringify(row)), left.map((row) => JSON.stringify(row))];
}

/** Sums of doubles, spreads and the like depend on the order in which they are computed, which is the exact one here alone. */
function isNear(a: unknown, b: unknown): boolean {
  if (typeof a !== 'number' || typeof b !== 'number') return Object.is(a, b);
  return Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b));
}

/** Both answers in one form: DuckDB writes times without a zone, and large and exact numbers as texts. */
function normalised(value: unknown): unknown {
  if (typeof value === 'number') return value + 0;
  // What has no value is NULL here.
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return null;
  if (Array.isArray(value)) return JSON.stringify(value);
  if (typeof value === 'object' && value !== null && 'micros' in value) {
    const { days, micros } = value as { readonly days: number; readonly micros: string };
    return `${days * 86_400_000 + Number(micros) / 1_000} ms`;
  }
  if (typeof value !== 'string') return value;
  if (/^-?(\d+ days?( -?\d\d:\d\d:[\d.]+)?|\d\d:\d\d:[\d.]+)$/.test(value)) return `${lengthOfInterval(value)} ms`;
  if (/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?$/.test(value))
    return `${value
      .replace('T', ' ')
      .replace(/(\.\d*?)0*Z?$|Z$/, '$1')
      .replace(/\.$/, '')}`;
  return /^-?\d+(\.\d+)?$/.test(value) ? Number(value) + 0 : value;
}

const triesMax = 1_500;

/** The smallest query and the fewest records that still differ. */
export async function shrink(found: Case, duckDb: DuckDb, by: typeof compare): Promise<Case> {
  let best = found;
  let tries = 0;
  const isDifferent = async (one: Case): Promise<boolean> => {
    tries += 1;
    if ((await by(one, duckDb)).kind !== 'different') return false;
    best = one;
    return true;
  };
  const step = async (): Promise<boolean> => {
    const { length } = ownText(best.query);
    for (const query of smaller(best.query, leavesOf))
      if (ownText(query).length < length && tries < triesMax && (await isDifferent({ ...best, query }))) return true;
    for (const [name, rows] of Object.entries(best.tables))
      for (const at of rows.keys())
        if (
          tries < triesMax &&
          (await isDifferent({ ...best, tables: { ...best.tables, [name]: rows.toSpliced(at, 1) } }))
        )
          return true;
    return false;
  };
  while (tries < triesMax && (await step()));
  return best;
}
