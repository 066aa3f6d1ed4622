import type { Compiled } from '#shared/sql/expressions/compiled.ts';
import { compileExpression, type Scope } from '#shared/sql/expressions/expression.ts';
import { timestampType } from '#shared/sql/expressions/types.ts';
import type { Call, ColumnReference, Expression, Select } from '#shared/sql/parse/ast.ts';
import { type Span, SqlProblem } from '#shared/sql/parse/problem.ts';
import { findPart, isAggregate } from '#shared/sql/parse/walk.ts';
import { refuseTotal } from './changes.ts';
import { aliasedBy, type GroupKeys, groupedRelation, type Key, readKeys, roleOf } from './group-keys.ts';
import { type Groups, groupTable } from './group-table.ts';
import { columnOf, KeptAggregates, type OfRecords } from './kept-aggregates.ts';
import {
  type BoundRole,
  isBound,
  type Relation,
  type Role,
  readBound,
  recordScope,
  resolve,
  scopeOf,
} from './relation.ts';
import type { StepTable } from './step-table.ts';
import { scalarTotal, type TotalQuery, totalledOver } from './totals.ts';
import { boundOf, groupedWindow } from './windows.ts';

/** A query with groups while its expressions are read: each aggregate that they name is kept once. */
export interface Grouping {
  /** What expressions mean behind GROUP BY. `alias` is the name that an aggregate's column is to have, where it stands alone. */
  readonly scope: (alias?: string) => Scope;
  readonly table: StepTable;
  /** Which groups have a record at all; undefined where all have. It is asked for when the expressions are read. */
  readonly isShown: () => Compiled | undefined;
}

/**
 * The groups of a query: by columns, and by windows. `where` is what records must fulfil; with totals of other records it becomes a filter of
 * each aggregate instead.
 */
export function groupRecords(
  select: Select,
  given: Relation,
  { where, totals }: { readonly where: Compiled | undefined; readonly totals: readonly TotalQuery[] },
): Grouping {
  const relation = groupedRelation(select, given);
  const base = recordScope(relation);
  const by = readKeys(select, relation, base);
  const { keys, spec, isWindowed } = by;
  const isChanging = relation.changes !== undefined;
  if (isChanging && (relation.table?.totals() ?? []).length > 0) throw refuseTotal(select.from?.at ?? select.at);
  const conditions = [...(relation.table?.conditions ?? []), ...(where === undefined ? [] : [where.text])];
  const kept = new KeptAggregates({
    columns: keys.map(({ column }) => column),
    changing: isChanging ? { text: [...conditions, ...keys.map(({ text }) => `BY ${text}`)] } : undefined,
    isOfSessions: spec.kind === 'session',
  });
  const isFiltered = totals.some((query) => query.where !== where?.text);
  const own: OfRecords = { scope: base, condition: isFiltered ? where : undefined };
  const countAll = (alias?: string): Compiled => kept.column(countOf(select.at), own, alias);
  // A group is there only when it has records; of a filtered one that must be counted, and of rows that come and go. All records are one
  // group even when there are none, unless they have windows.
  const isShown = (): Compiled | undefined =>
    (own.condition === undefined && !isChanging) || (keys.length === 0 && !isWindowed)
      ? undefined
      : aboveZero(countAll());
  const groups = { select, relation, by, kept, where, isFiltered, countAll };
  return { scope: groupScope(groups, own, totals), table: groupTable(groups), isShown };
}

/** What names, aggregates and totals mean behind GROUP BY. */
function groupScope(
  { select, relation, by, kept, isFiltered }: Groups,
  own: OfRecords,
  totals: readonly TotalQuery[],
): Grouping['scope'] {
  const { keys, isWindowed } = by;
  const hasExpressionKeys = keys.some(({ compiled }) => compiled.column === undefined);
  // HAVING may name what SELECT names, unless there is a column of that name. An alias that is made of itself is none.
  const open = new Set<string>();
  const aliasOf = (expression: Expression): Compiled | undefined => {
    const meant = aliasedBy(expression, select, relation);
    if (meant === undefined || open.has(meant.name)) return undefined;
    open.add(meant.name);
    try {
      return compileExpression(meant.expression, scope());
    } finally {
      open.delete(meant.name);
    }
  };
  const scope = (alias?: string): Scope => ({
    column: (reference) => keyColumn(reference, relation, by),
    find: (expression) => {
      if (expression.op === 'call' && boundOf(expression) !== undefined) return boundColumn(expression, relation, by);
      if (isAggregate(expression))
        return expression.over === undefined
          ? kept.column(expression, own, alias)
          : kept.total(totalledOver(expression, relation, isWindowed), own, expression.at);
      const query = expression.op === 'query' && totals.find((candidate) => candidate.expression === expression);
      if (query) {
        const of = { scope: query.scope, condition: isFiltered ? query.condition : undefined };
        return scalarTotal(query, (call) => kept.total(call, of));
      }
      return aliasOf(expression) ?? (hasExpressionKeys ? findKey(expression, keys, own.scope) : undefined);
    },
  });
  return scope;
}

function countOf(at: Span): Call {
  return { op: 'call', name: 'COUNT', nameAt: at, args: [{ op: 'star', at }], distinct: false, at };
}

function aboveZero(count: Compiled): Compiled {
  return {
    type: { kind: 'boolean' },
    nullable: false,
    isConstant: false,
    text: `(${count.text} > 0)`,
    evaluate: (values) => (count.evaluate(values) as number) > 0,
  };
}

function findKey(expression: Expression, keys: readonly Key[], base: Scope): Compiled | undefined {
  if (
    expression.op === 'column' ||
    expression.op === 'literal' ||
    findPart(expression, (part) => part.op === 'query' || isAggregate(part)) !== undefined
  )
    return undefined;
  let text: string;
  try {
    text = compileExpression(expression, base).text;
  } catch (error) {
    // What is wrong with it is said where it stands.
    if (error instanceof SqlProblem) return undefined;
    throw error;
  }
  const key = keys.find((candidate) => candidate.text === text);
  return key === undefined ? undefined : columnOf(key.column, key.compiled);
}

/** A column behind GROUP BY: one that is grouped by, or a bound of the window. */
function keyColumn(reference: ColumnReference, relation: Relation, { keys, isWindowed }: GroupKeys): Compiled {
  const { column } = resolve(relation, reference);
  if (isBound(column.role) && isWindowed && relation.windows !== undefined) return bound(column.role);
  const { text, type, nullable } = scopeOf(relation).column(reference);
  const key = keys.find((candidate) => candidate.text === text);
  if (key !== undefined)
    return {
      ...columnOf(key.column, { type, nullable }),
      ...(key.compiled.column === undefined ? {} : { column: key.column }),
    };
  const name = reference.path.map((part) => part.text).join('.');
  throw new SqlProblem(
    reference.at,
    `${name} is neither grouped by nor in an aggregate. Add it to GROUP BY, or say which of a group's values is meant: MAX(${name}), LAST_VALUE(${name}).`,
  );
}

function bound(role: BoundRole): Compiled {
  return { type: timestampType, nullable: false, text: role, isConstant: false, evaluate: readBound[role] };
}

/** `TUMBLE_START(ts, INTERVAL '1' MINUTE)`: the same window as in GROUP BY. */
function boundColumn(call: Call, relation: Relation, { spec, isWindowed }: GroupKeys): Compiled {
  const window = groupedWindow({ ...call, name: call.name.replace(/_(START|END|ROWTIME)$/, '') }, relation);
  if (!isWindowed || JSON.stringify(window) !== JSON.stringify(spec))
    throw new SqlProblem(
      call.at,
      `${call.name} shows a bound of a window that is in GROUP BY. Write GROUP BY ${call.name.replace(/_(START|END|ROWTIME)$/, '')}(…) with the same arguments.`,
    );
  return bound(boundOf(call) as BoundRole);
}

/** The role of a column that shows nothing but a bound of the window. */
export function roleOfBound(expression: Expression, relation: Relation): Role | undefined {
  if (expression.op === 'call') return boundOf(expression);
  const role = roleOf(expression, relation);
  return role === 'time' ? undefined : role;
}
