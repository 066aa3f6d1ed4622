import type { Json } from '#shared/pipeline/aggregator.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { checkOrdered, orderIn } from '#shared/sql/expressions/operators.ts';
import { lengthOfInterval, parseTimestamp } from '#shared/sql/expressions/time.ts';
import type { SqlType } from '#shared/sql/expressions/types.ts';
import type { Expression, OrderItem, Query, SelectItem } from '#shared/sql/parse/ast.ts';
import { freeName } from '#shared/sql/parse/names.ts';
import { SqlProblem } from '#shared/sql/parse/problem.ts';
import type { Planned } from './plan.ts';
import { didYouMean, isSame } from './relation.ts';

/** Orders the rows of a query that has an end, and leaves out those behind LIMIT. `hasRecords` says, when the rows are through, whether it had any. */
export type Arrange = (rows: Iterable<PrintedRow>, hasRecords: () => boolean) => Iterable<PrintedRow>;

/** A query without ORDER BY and LIMIT, and what they say of its rows. */
export interface Arranged {
  readonly query: Query;
  readonly order: readonly OrderItem[];
  readonly limit: number | undefined;
  /** Columns that are selected only to order by. */
  readonly hidden: readonly string[];
}

/** Takes ORDER BY and LIMIT from a query. What it orders by is selected too, where it is none of its columns. */
export function takeArrangement({ order, limit, ...rest }: Query): Arranged {
  const [select] = rest.selects;
  const isPlain = select !== undefined && rest.selects.length === 1 && !select.distinct;
  const items = isPlain ? [...select.items] : [];
  const taken = new Set(items.flatMap((item) => namesOf(item)));
  const hidden: string[] = [];
  const kept = order.map((item): OrderItem => {
    if (!isPlain || isSelected(item.expression, items)) return item;
    const alias = { text: freeName('order_by', taken), at: item.at };
    taken.add(alias.text);
    hidden.push(alias.text);
    items.push({ op: 'item', expression: item.expression, alias, at: item.at });
    return { ...item, expression: { op: 'column', path: [alias], at: item.at } };
  });
  const query = { ...rest, order: [], selects: isPlain ? [{ ...select, items }] : rest.selects };
  return { query, order: kept, limit: limit?.count, hidden };
}

/** The names that a column may be ordered by, in lower case. */
function namesOf(item: SelectItem): readonly string[] {
  if (item.op === 'all') return [];
  const own = item.expression.op === 'column' ? item.expression.path.at(-1) : undefined;
  return [item.alias ?? own].flatMap((name) => (name === undefined ? [] : [name.text.toLowerCase()]));
}

function isSelected(expression: Expression, items: readonly SelectItem[]): boolean {
  if (expression.op === 'literal') return true;
  // A name behind its table's is that of the table's column, whatever SELECT names so.
  if (expression.op !== 'column' || expression.path.length > 1) return false;
  const name = expression.path.at(-1)?.text.toLowerCase() ?? '';
  return items.some((item) => item.op === 'all' || namesOf(item).includes(name));
}

/** Orders rows by the names or the numbers of these columns. NULL comes last. */
export function arrangementOf(
  { order, limit, hidden }: Arranged,
  columns: readonly { readonly name: string; readonly type: SqlType }[],
): (rows: Iterable<PrintedRow>) => Iterable<PrintedRow> {
  const shown = columns.map(({ name }) => name).filter((name) => !hidden.includes(name));
  const keys = order.map((item) => {
    const column = columnOf(item, shown, hidden);
    const type = columns.find(({ name }) => name === column)?.type;
    if (type !== undefined) checkOrdered(type, item.expression.at);
    const unprint = unprinter(type);
    const keyOf = (row: PrintedRow): Json => {
      const value = (row[column] ?? null) as Json;
      return typeof value === 'string' ? unprint(value) : value;
    };
    return { keyOf, descending: item.descending, nullsFirst: item.nullsFirst ?? false };
  });
  const compare = (a: PrintedRow, b: PrintedRow): number => {
    for (const { keyOf, ...direction } of keys) {
      const found = orderIn(keyOf(a), keyOf(b), direction);
      if (found !== 0) return found;
    }
    return 0;
  };
  return (rows) => {
    const sorted = [...rows];
    if (keys.length > 0) sorted.sort(compare);
    const taken = limit === undefined ? sorted : sorted.slice(0, limit);
    return hidden.length === 0 ? taken : taken.map((row) => without(row, hidden));
  };
}

/** What orders a value that is printed as a text: 9 days come before 10. */
function unprinter(type: SqlType | undefined): (text: string) => Json {
  switch (type?.kind) {
    case 'interval':
    case 'months':
      return lengthOfInterval;
    case 'timestamp':
      return (text) => parseTimestamp(text) ?? text;
    default:
      return (text) => text;
  }
}

/** The rows of a view, or those that it has when there was no record: with records HAVING has hidden the row. */
export function filled(
  rows: Iterable<PrintedRow>,
  { view, hasRecords }: { readonly view: string; readonly hasRecords: () => boolean },
  { ofNothing, isNeverFinal }: Pick<Planned, 'ofNothing' | 'isNeverFinal'>,
): readonly PrintedRow[] {
  const all = [...rows];
  if (all.length > 0 || ofNothing === undefined || hasRecords()) return all;
  const final = isNeverFinal === true ? {} : { final: true };
  return ofNothing().map((columns) => ({ view, ...final, ...columns }) as PrintedRow);
}

function without(row: PrintedRow, hidden: readonly string[]): PrintedRow {
  return Object.fromEntries(Object.entries(row).filter(([column]) => !hidden.includes(column))) as PrintedRow;
}

function columnOf({ expression, at }: OrderItem, columns: readonly string[], hidden: readonly string[]): string {
  if (expression.op === 'literal' && expression.kind === 'number') {
    const column = columns[Number(expression.text) - 1];
    if (column !== undefined) return column;
    throw new SqlProblem(at, `there is no column number ${expression.text} behind SELECT; it has ${columns.length}.`);
  }
  const name = expression.op === 'column' ? (expression.path.at(-1)?.text ?? '') : undefined;
  if (name !== undefined && hidden.includes(name)) return name;
  const column = columns.find((one) => one === name) ?? columns.find((one) => name !== undefined && isSame(one, name));
  if (column !== undefined) return column;
  const advice = name === undefined ? '.' : didYouMean(name, columns);
  throw new SqlProblem(
    at,
    `ORDER BY takes a column that is selected, by its name or its number${advice} There are ${columns.join(', ')}.`,
  );
}
