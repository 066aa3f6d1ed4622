import type { PrintedRow } from '#shared/schemas/row.ts';
import type { OrderItem, Query } from './ast.ts';
import { orderOf } from './operators.ts';
import { SqlProblem } from './problem.ts';
import { didYouMean, isSame } from './relation.ts';

/** Orders the rows of a query that has an end, and leaves out those behind LIMIT. */
export type Arrange = (rows: Iterable<PrintedRow>) => Iterable<PrintedRow>;

/** What ORDER BY and LIMIT say, by the names or the numbers of the query's columns. NULL comes last. */
export function arrangementOf({ order, limit }: Query, columns: readonly string[]): Arrange {
  const keys = order.map((item) => ({
    column: columnOf(item, columns),
    descending: item.descending,
    nullsFirst: item.nullsFirst ?? false,
  }));
  const compare = (a: PrintedRow, b: PrintedRow): number => {
    for (const { column, descending, nullsFirst } of keys) {
      const x = a[column] ?? null;
      const y = b[column] ?? null;
      if (x === y) continue;
      if (x === null || y === null) return (x === null) === nullsFirst ? -1 : 1;
      const found = orderOf(x, y);
      if (found !== 0) return descending ? -found : found;
    }
    return 0;
  };
  return (rows) => {
    const sorted = [...rows];
    if (keys.length > 0) sorted.sort(compare);
    return limit === undefined ? sorted : sorted.slice(0, limit.count);
  };
}

function columnOf({ expression, at }: OrderItem, columns: readonly string[]): string {
  if (expression.op === 'literal' && expression.kind === 'number') {
    const column = columns[Number(expression.text) - 1];
    if (column !== undefined) return column;
    throw new SqlProblem(at, `there is no column number ${expression.text} behind SELECT; it has ${columns.length}.`);
  }
  const name = expression.op === 'column' ? (expression.path.at(-1)?.text ?? '') : undefined;
  const column = columns.find((one) => one === name) ?? columns.find((one) => name !== undefined && isSame(one, name));
  if (column !== undefined) return column;
  const advice = name === undefined ? '.' : didYouMean(name, columns);
  throw new SqlProblem(
    at,
    `ORDER BY takes a column that is selected, by its name or its number${advice} There are ${columns.join(', ')}.`,
  );
}
