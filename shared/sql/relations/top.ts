import type { Json } from '#shared/pipeline/aggregator.ts';
import { milliseconds } from '#shared/pipeline/duration.ts';
import type { KeyedStream, KeyShape } from '#shared/pipeline/stream.ts';
import { allTime, tumbling, type WindowSpec } from '#shared/pipeline/window.ts';
import type { Compiled, Values } from '#shared/sql/expressions/compiled.ts';
import { compileExpression, type Scope } from '#shared/sql/expressions/expression.ts';
import { checkOrdered } from '#shared/sql/expressions/operators.ts';
import { integerType } from '#shared/sql/expressions/types.ts';
import type { Call, Expression, Select } from '#shared/sql/parse/ast.ts';
import { SqlProblem } from '#shared/sql/parse/problem.ts';
import { findPart, isRank } from '#shared/sql/parse/walk.ts';
import { runningTable } from './changes.ts';
import { keySelector } from './group-keys.ts';
import { completed, firstOf, lateAggregates, totalText, wholeGroup } from './late-totals.ts';
import type { Environment, Planned } from './plan.ts';
import {
  endField,
  isBound,
  isSame,
  once,
  type Ranking,
  type Relation,
  type RelationColumn,
  type Role,
  readBound,
  type Selected,
  scopeOf,
  startField,
} from './relation.ts';
import { together } from './select.ts';
import { type BuiltTable, planStep, type StepTable } from './step-table.ts';
import { numbersOf, topRows } from './top-rows.ts';
import { bucketOf, checkBothBounds } from './windows.ts';

const form =
  'SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY x DESC) AS rownum FROM t) WHERE rownum <= 10';

/** The number of rows that a query selects, and what it depends on; undefined when it selects none. */
export function readRanking(
  select: Select,
  scope: Scope,
  roleOf: (expression: Expression) => Role | undefined,
  groupTotals?: StepTable['groupTotals'],
):
  | { readonly ranking: Ranking; readonly hidden: readonly { readonly field: string; readonly compiled: Compiled }[] }
  | undefined {
  const items = select.items.flatMap((item) => (item.op === 'item' ? [item] : []));
  for (const item of items) {
    const nested = isRank(item.expression) ? undefined : findPart(item.expression, isRank);
    if (nested !== undefined)
      throw new SqlProblem(nested.at, `the number of a row stands alone, with a name. Write ${form}.`);
  }
  const numbered = items.filter((item) => isRank(item.expression));
  const [item, second] = numbered;
  if (item === undefined) return undefined;
  if (second !== undefined) throw new SqlProblem(second.at, 'a query numbers its rows once.');
  const call = item.expression as Call;
  const { over, name } = call;
  if (over === undefined || over.order.length === 0)
    throw new SqlProblem(call.at, `${name} needs an order. Write ${form}.`);
  if (call.args.length > 0) throw new SqlProblem(call.at, `${name} takes no arguments.`);
  const hidden: { field: string; compiled: Compiled }[] = [];
  const hide = (expression: Expression, field: string): Compiled => {
    const compiled = compileExpression(expression, scope);
    hidden.push({ field, compiled });
    return compiled;
  };
  const partition = over.partition.map((expression, index) => {
    const role = roleOf(expression);
    const field = `#partition ${index}`;
    // The bounds of windows are known where the windows are made.
    if (isBound(role)) return { text: role, role, field };
    return { text: hide(expression, field).text, field };
  });
  const order = over.order.map(({ expression, descending, nullsFirst }, index) => {
    const field = `#order ${index}`;
    const usesBefore = groupTotals?.uses();
    const { text, type } = hide(expression, field);
    checkOrdered(type, expression.at);
    const way = { descending, nullsFirst: nullsFirst ?? false, field };
    if (groupTotals === undefined || groupTotals.uses() === usesBefore) return { text, ...way };
    hidden.pop();
    const { part, share } = shareIn(meantBy(expression, select), scope, groupTotals);
    return { text: `share of ${hide(part, field).text}`, ...way, share };
  });
  const ranking: Ranking = {
    column: item.alias?.text ?? name.toLowerCase(),
    kind: name as Ranking['kind'],
    partition,
    order,
    at: call.at,
  };
  return { ranking, hidden };
}

/** The expression that an alias stands for. */
function meantBy(expression: Expression, select: Select): Expression {
  if (expression.op !== 'column' || expression.path.length > 1) return expression;
  const name = expression.path[0]?.text ?? '';
  const item = select.items.find((one) => one.op === 'item' && one.alias !== undefined && isSame(one.alias.text, name));
  return item?.op === 'item' ? item.expression : expression;
}

/** Rows rank by their shares of a total before it is known: by what is shared, in an order that depends on its sign. */
function shareIn(
  expression: Expression,
  scope: Scope,
  { all, uses }: NonNullable<StepTable['groupTotals']>,
): { readonly part: Expression; readonly share: string } {
  const problem = new SqlProblem(
    expression.at,
    'rows are numbered before their total is known, so they rank by what is shared, ORDER BY SUM(x) DESC, or by the share itself: SUM(x) / SUM(SUM(x)) OVER (PARTITION BY window_start, window_end).',
  );
  if (expression.op !== 'binary' || expression.sign !== '/') throw problem;
  const usesBefore = uses();
  compileExpression(expression.left, scope);
  if (uses() !== usesBefore) throw problem;
  const { text } = compileExpression(expression.right, scope);
  const shared = all().find(({ column }) => text === totalText(column));
  if (shared === undefined) throw problem;
  return { part: expression.left, share: shared.column };
}

/** Up to how many rows of a group are shown: `rownum <= 10`, `rownum < 11`, `rownum = 1`, `rownum BETWEEN 1 AND 10`. */
function readCount(
  where: readonly Expression[],
  { column, at }: Ranking,
): { readonly count: number; readonly rest: readonly Expression[] } {
  let least: { readonly count: number; readonly part: Expression } | undefined;
  const rest = where.filter((part) => {
    const found = countIn(part, column);
    if (found === undefined) return true;
    if (least === undefined || found.count < least.count) least = { count: found.count, part };
    return found.isPartial;
  });
  if (least === undefined)
    throw new SqlProblem(at, `up to which number rows are wanted stands in WHERE around this query. Write ${form}.`);
  const { count, part } = least;
  if (count < 1) throw new SqlProblem(part.at, 'numbers begin with 1, so no row is wanted.');
  if (count > countMax)
    throw new SqlProblem(
      part.at,
      `at most the first ${countMax} rows of a group can be shown: they wait in one memory.`,
    );
  return { count, rest };
}

const countMax = 1_000;

/** `isPartial`: the condition must be looked at for each row too. */
function countIn(
  part: Expression,
  column: string,
): { readonly count: number; readonly isPartial: boolean } | undefined {
  const isNumber = (expression: Expression): boolean =>
    expression.op === 'column' && isSame(expression.path.at(-1)?.text ?? '', column);
  const literal = (expression: Expression): number | undefined =>
    expression.op === 'literal' && expression.kind === 'number' && /^\d+$/.test(expression.text)
      ? Number(expression.text)
      : undefined;
  if (part.op === 'between' && !part.negated && isNumber(part.operand)) {
    const high = literal(part.high);
    return high === undefined ? undefined : { count: high, isPartial: true };
  }
  if (part.op !== 'binary') return undefined;
  const mirrored: Readonly<Record<string, string>> = { '>=': '<=', '>': '<', '=': '=' };
  const value = isNumber(part.left) ? literal(part.right) : isNumber(part.right) ? literal(part.left) : undefined;
  const sign = isNumber(part.left) ? part.sign : mirrored[part.sign];
  if (value === undefined) return undefined;
  if (sign === '<=') return { count: value, isPartial: false };
  if (sign === '<') return { count: value - 1, isPartial: false };
  return sign === '=' ? { count: value, isPartial: value !== 1 } : undefined;
}

interface Input {
  readonly relation: Relation;
  readonly ranking: Ranking;
  readonly where: readonly Expression[];
}

/** The query around one that numbers its rows: the first rows of each group. */
export function planTop(
  select: Select,
  { relation, ranking, where }: Input,
  env: Environment,
  itemsOf: (scope: Scope, rows: Relation) => readonly Selected[],
): Planned {
  if (select.groupBy.length > 0 || select.having !== undefined || select.distinct)
    throw new SqlProblem(
      select.at,
      'a query that takes the first rows has no groups. Put it into another query: SELECT … FROM (SELECT … WHERE rownum <= 10) GROUP BY ….',
    );
  const { count, rest } = readCount(where, ranking);
  const table = topTable(relation, ranking, count);
  const rows = rankedRelation(relation, ranking);
  const scope = scopeOf(rows);
  const selected = itemsOf(scope, rows);
  return planStep({ table, selected, where: together(rest, scope), at: select.at }, env);
}

/** The columns of the ranked rows, with the number of each. */
function rankedRelation(relation: Relation, { column, partition }: Ranking): Relation {
  const isWindowed = isOfWindows(partition);
  const columns = relation.columns.map((one): RelationColumn => {
    const { role, ...plain } = one;
    // A ranked row has the event time of its window. Of all records it keeps the bounds that it came with, as columns like others.
    return isWindowed && isBound(role) ? { ...one, read: readBound[role] } : plain;
  });
  const table = relation.columns[0]?.table;
  const number: RelationColumn = {
    name: column,
    type: integerType,
    nullable: false,
    text: column,
    ...(table === undefined ? {} : { table }),
    read: (values) => values[column] ?? null,
  };
  return { ...relation, columns: [...columns, number] };
}

function isOfWindows(partition: Ranking['partition']): boolean {
  return partition.some(({ role }) => role !== undefined);
}

function topTable(relation: Relation, ranking: Ranking, count: number): StepTable {
  const { windows } = relation;
  const { spec, isWindowed, isInherited } = windowsOf(relation, ranking, count);
  const keys = ranking.partition
    .filter(({ role }) => role === undefined)
    .map(({ field }, index) => ({
      column: `partition_${index + 1}`,
      compiled: { evaluate: (values: Values) => values[field] ?? null },
    }));
  const { late } = relation;
  if (late !== undefined && (keys.length > 0 || !isWindowed))
    throw new SqlProblem(
      ranking.at,
      'a total over all groups of a window is known where all of them are numbered together. Write PARTITION BY window_start, window_end.',
    );
  if (new Set(ranking.order.flatMap(({ share }) => share ?? [])).size > 1)
    throw new SqlProblem(ranking.at, 'rows are ranked by shares of one total only.');
  const fields = [
    ...relation.columns.filter(({ role }) => windows?.op !== 'pending' || !isBound(role)).map(({ name }) => name),
    ...(late === undefined ? [] : [wholeGroup.field]),
  ];
  const top = { kind: ranking.kind, count, order: ranking.order, fields } as const;
  const keyedRecords = (): KeyedStream<Values, KeyShape> =>
    relation.stream().keyBy(keySelector(keys, isInherited)) as KeyedStream<Values, KeyShape>;
  const finish = (columns: Values, row: Values): Values => (late === undefined ? row : completed(late, columns, row));
  return {
    build: (name, emit) => {
      const options = {
        allowedLateness: milliseconds(relation.allowedLatenessMs),
        emit: emit as 'on-close',
        placement: 'fargate' as const,
      };
      return keyedRecords()
        .window(spec as ReturnType<typeof tumbling>, options)
        .aggregate(name, {
          rows: topRows(top),
          ...(late === undefined ? {} : lateAggregates(late, top)),
        }) as unknown as BuiltTable;
    },
    ...(isWindowed
      ? {}
      : {
          changes: once((name: string) =>
            runningTable(keyedRecords(), name, { rows: topRows(top) }, ranking.at).asChanges(),
          ),
        }),
    unpack: ({ columns, windowStartMs, windowEndMs }) => {
      const first =
        late === undefined ? { entries: columns['rows'], order: ranking.order } : firstOf(late, ranking.order, columns);
      const entries = first.entries as readonly [readonly Json[], readonly Json[]][];
      const numbers = numbersOf(
        entries.map(([by]) => by),
        ranking.kind,
        first.order,
      );
      const bounds = !isWindowed
        ? undefined
        : isInherited
          ? { [startField]: columns['window_start'], [endField]: columns['window_end'] }
          : { [startField]: windowStartMs, [endField]: windowEndMs };
      return entries.map(([, values], index) => ({
        ...finish(columns, Object.fromEntries(fields.map((field, place) => [field, values[place]]))),
        ...bounds,
        [ranking.column]: numbers[index],
      }));
    },
    bucketMs:
      !isWindowed || windows === undefined ? undefined : windows.op === 'rows' ? windows.bucketMs : bucketOf(spec),
    isUpdating: !isWindowed,
    totals: () => [],
    allowedLatenessMs: relation.allowedLatenessMs,
  };
}

/** The windows whose rows are numbered, or all time; `isInherited`: the rows come with them. */
function windowsOf(
  { windows, spanMs }: Relation,
  ranking: Ranking,
  count: number,
): { readonly spec: WindowSpec; readonly isWindowed: boolean; readonly isInherited: boolean } {
  const isWindowed = isOfWindows(ranking.partition);
  if (isWindowed && windows === undefined)
    throw new SqlProblem(
      ranking.at,
      // Only what was computed with the bounds has made records of the windows.
      spanMs === undefined
        ? 'the rows that are numbered have no windows. Write PARTITION BY without window_start and window_end.'
        : `nothing is computed with window_start and window_end before the rows of a window are numbered. Put such conditions and columns into the query around: … AS ${ranking.column} FROM …) WHERE ${ranking.column} <= ${count} AND window_start > ….`,
    );
  if (windows?.op === 'pending' && !isWindowed)
    throw new SqlProblem(
      ranking.at,
      'the table has windows. Write PARTITION BY window_start, window_end, …, or leave TABLE(…) out.',
    );
  if (isWindowed)
    checkBothBounds(
      new Set(ranking.partition.map(({ role }) => role)),
      ranking.at,
      'OVER (PARTITION BY window_start, window_end ORDER BY …)',
    );
  const isInherited = isWindowed && windows?.op === 'rows';
  const spec: WindowSpec =
    !isWindowed || windows === undefined
      ? allTime
      : windows.op === 'pending'
        ? windows.spec
        : tumbling(milliseconds(windows.bucketMs));
  if (spec.kind === 'session')
    throw new SqlProblem(
      ranking.at,
      'sessions of different keys have different bounds, so their records are not ranked with one another.',
    );
  return { spec, isWindowed, isInherited };
}
