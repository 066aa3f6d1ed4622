import type { Compiled } from '#shared/sql/expressions/compiled.ts';
import { compileExpression, type Scope } from '#shared/sql/expressions/expression.ts';
import type { Call, Expression, From, ScalarQuery } from '#shared/sql/parse/ast.ts';
import { SqlProblem } from '#shared/sql/parse/problem.ts';
import { conjunctsOf, findPart, isAggregate } from '#shared/sql/parse/walk.ts';
import { roleOf } from './group-keys.ts';
import { isBound, type Relation, type Role, recordScope } from './relation.ts';
import { together } from './select.ts';
import { boundOf, checkBothBounds, groupedWindow } from './windows.ts';

/** `(SELECT SUM(bytes) FROM t)` beside the groups of the same table: a total over all of them. */
export interface TotalQuery {
  readonly expression: ScalarQuery;
  readonly value: Expression;
  /** What its names mean. */
  readonly scope: Scope;
  readonly condition: Compiled | undefined;
  /** The text of its condition, and undefined without one. */
  readonly where: string | undefined;
}

const overForm = 'SUM(SUM(x)) OVER (PARTITION BY window_start, window_end)';
const form = 'SELECT k, SUM(x) / (SELECT SUM(x) FROM t) AS share FROM t GROUP BY k';

/** The queries that stand for a value in the expressions of a query with groups. `planInput` gives what one reads, as `planFrom` does. */
export function findTotals(
  expressions: readonly Expression[],
  relation: Relation,
  planInput: (
    from: From,
    where: readonly Expression[],
  ) => { readonly relation: Relation; readonly where: readonly Expression[] },
): readonly TotalQuery[] {
  const found: ScalarQuery[] = [];
  for (const expression of expressions)
    findPart(expression, (part) => {
      if (part.op === 'query') found.push(part);
      return false;
    });
  return found.map((expression) => {
    const { query } = expression;
    const [select] = query.selects;
    const [item] = select?.items ?? [];
    if (select?.from === undefined || item === undefined || query.selects.length > 1 || query.views.length > 0)
      throw new SqlProblem(expression.at, `a query for a value is a total over the same table. Write ${form}.`);
    if (select.items.length > 1 || item.op === 'all')
      throw new SqlProblem(expression.at, 'a query for a value selects one column.');
    if (select.groupBy.length > 0 || select.having !== undefined || select.distinct)
      throw new SqlProblem(expression.at, `a query for a value has no groups: it gives one row. Write ${form}.`);
    if (findPart(item.expression, isAggregate) === undefined)
      throw new SqlProblem(
        item.at,
        `a query for a value selects an aggregate, since there must be one row. Write ${form}.`,
      );
    const { relation: own, where } = planInput(select.from, conjunctsOf(select.where));
    if (own.identity !== relation.identity && own.identity !== relation.baseIdentity)
      throw new SqlProblem(
        select.from.at,
        relation.table === undefined || own.table === undefined
          ? `a query for a value reads the table of the query around it. Of another table join the rows. Write ${form}.`
          : 'a query for a value reads the join of the query around it: the same tables under the same names, and the same conditions on one of them or on the times. A condition of its own stands in the aggregate: SUM(x) FILTER (WHERE …).',
      );
    // Of a join only what is read of it crosses the exchange, and the one that is built is that of the query around.
    const scope = recordScope(own.identity === relation.identity && relation.table !== undefined ? relation : own);
    const all = together(where, scope);
    return { expression, value: item.expression, scope, condition: all, where: all?.text };
  });
}

/** The value of such a query: its aggregates are totals. */
export function scalarTotal({ value }: TotalQuery, total: (call: Call) => Compiled): Compiled {
  return compileExpression(value, {
    column: (reference) => {
      throw new SqlProblem(
        reference.at,
        `${reference.path.map((part) => part.text).join('.')} is in no aggregate, and the query gives one row.`,
      );
    },
    find: (expression) => (isAggregate(expression) ? total(expression) : undefined),
  });
}

/** `SUM(SUM(x)) OVER (PARTITION BY window_start, window_end)`: the aggregate whose total over all groups of the window it is. */
export function totalledOver(call: Call, relation: Relation, isWindowed: boolean): Call {
  const { over, args, name } = call;
  const [inner] = args;
  if (over === undefined || inner === undefined || !isAggregate(inner) || inner.over !== undefined)
    throw new SqlProblem(
      call.at,
      `beside GROUP BY, OVER takes the total of an aggregate over all groups of a window. Write ${overForm}.`,
    );
  if (over.order.length > 0)
    throw new SqlProblem(over.at, `a running total is not supported; the total of a window is. Write ${overForm}.`);
  const isSame =
    (name === 'SUM' && (inner.name === 'SUM' || inner.name === 'COUNT')) ||
    (name === inner.name && (name === 'MIN' || name === 'MAX'));
  if (!isSame || (inner.name === 'COUNT' && inner.distinct))
    throw new SqlProblem(
      call.at,
      `${name}(${inner.name}(…)) OVER is not supported; SUM(SUM(x)), SUM(COUNT(*)), MIN(MIN(x)) and MAX(MAX(x)) are.`,
    );
  const bounds = new Set<Role>();
  for (const part of over.partition) {
    const role = part.op === 'call' ? boundOf(part) : roleOf(part, relation);
    if (isBound(role)) bounds.add(role);
    else if (groupedWindow(part, relation) === undefined)
      throw new SqlProblem(
        part.at,
        `a total is over all groups of a window, so PARTITION BY names the window and nothing else. Write ${overForm}; for the share within ${part.op === 'column' ? part.path.at(-1)?.text : 'a group'} group twice and join.`,
      );
  }
  if (bounds.size > 0) checkBothBounds(bounds, over.at, overForm);
  if (isWindowed !== over.partition.length > 0)
    throw new SqlProblem(
      over.at,
      isWindowed
        ? `the groups have windows, so the total is that of a window. Write ${overForm}.`
        : 'the groups have no windows. Write OVER ().',
    );
  return inner;
}
