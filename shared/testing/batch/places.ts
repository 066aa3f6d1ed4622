import type { Cell, ColumnType, Table } from './database.ts';
import type { Judged } from './flat.ts';

/** The columns that every table of records has. */
export function placesOf(records: readonly Judged[]): Table['columns'] {
  const column = (name: string, type: ColumnType, cellOf: (record: Judged) => Cell) => ({
    name,
    type,
    cells: records.map(cellOf),
  });
  return [
    column('history', 'BIGINT', ({ history }) => history),
    column('seq', 'BIGINT', ({ seq }) => seq),
    column('key', 'VARCHAR', ({ key }) => key),
    column('t', 'BIGINT', ({ timeMs }) => timeMs),
    column('w', 'BIGINT', ({ watermarkMs }) => watermarkMs),
    column('late', 'BOOLEAN', ({ isLate }) => isLate),
    column('life', 'BIGINT', ({ life }) => life),
  ];
}

/** Finds a record by the history and the place that a query gives. */
export function byPlace<Record extends Judged>(
  records: readonly Record[],
): (history: unknown, seq: unknown) => Record | undefined {
  const places = new Map(records.map((record) => [`${record.history}/${record.seq}`, record]));
  return (history, seq) => places.get(`${history}/${seq}`);
}

/**
 * The column `tie`, which orders records of one time by what they hold, as texts: where records of a key are taken in the order of event time,
 * it decides between those of one time. Equal texts are interchangeable.
 */
export function tiesOf(texts: readonly string[]): Table['columns'][number] {
  const places = new Map([...new Set(texts)].sort().map((text, place) => [text, place]));
  return { name: 'tie', type: 'BIGINT', cells: texts.map((text) => places.get(text) ?? null) };
}

/** The condition that a record is not behind the watermark by more than its step allows, where records wait to be taken in order. */
export function inTimeSql(allowedLatenessMs: number): string {
  return `(w IS NULL OR t + ${allowedLatenessMs} >= w)`;
}

/** The records of a table that are in time, each key's in their order, with the number of its life: another one begins after `ttlMs` of silence. */
export function livesSql(
  table: string,
  { allowedLatenessMs, ttlMs }: { readonly allowedLatenessMs: number; readonly ttlMs: number | undefined },
): string {
  const ofKey = 'PARTITION BY history, key ORDER BY t, tie, seq';
  const begins = ttlMs === undefined ? 'false' : `coalesce(t - lag(t) OVER (${ofKey}) > ${ttlMs}, false)`;
  return `
    SELECT *, sum(begins::INT) OVER (${ofKey}) AS alone
    FROM (SELECT *, ${begins} AS begins FROM ${table} WHERE ${inTimeSql(allowedLatenessMs)})`;
}
