import type { Json } from '#shared/pipeline/aggregator.ts';
import { typed } from '#shared/pipeline/column-types.ts';
import type { AnyOutput } from '#shared/pipeline/pipeline.ts';
import { readingThrough } from '#shared/pipeline/reads.ts';
import type { SinkSpec } from '#shared/pipeline/sink.ts';
import { castTo } from '#shared/sql/expressions/cast.ts';
import { type Compiled, holds, type Values } from '#shared/sql/expressions/compiled.ts';
import { compileExpression, type Scope } from '#shared/sql/expressions/expression.ts';
import { compileBinary, condition } from '#shared/sql/expressions/operators.ts';
import { printer } from '#shared/sql/expressions/printed.ts';
import { describeType } from '#shared/sql/expressions/types.ts';
import type { Expression, Query, Select, SelectItem } from '#shared/sql/parse/ast.ts';
import { checkColumnName, defaultName, freeName, refuseFinal } from '#shared/sql/parse/names.ts';
import { type Span, SqlProblem } from '#shared/sql/parse/problem.ts';
import { conjunctsOf, findPart, isAggregate, isRank } from '#shared/sql/parse/walk.ts';
import { planFrom } from './from.ts';
import { groupRecords, roleOfBound } from './group.ts';
import { roleOf } from './group-keys.ts';
import { numberedGroups } from './numbered-groups.ts';
import type { Environment, Planned, Targets } from './plan.ts';
import {
  compiledColumn,
  isBound,
  isOfTable,
  isSame,
  once,
  type Relation,
  type RelationColumn,
  type Role,
  recordScope,
  type Selected,
  scopeOf,
  selectedRelation,
} from './relation.ts';
import { columnTypes, planStep, refuseNumbers, type StepTable } from './step-table.ts';
import { planTop, readRanking } from './top.ts';
import { findTotals } from './totals.ts';
import { planUnion } from './union.ts';
import { expanded } from './windows.ts';

/** Plans a query. `targets` names its columns when somebody else says how. */
export function planQuery(query: Query, env: Environment, targets?: Targets): Planned {
  if (query.order.length > 0 || query.limit !== undefined)
    throw new SqlProblem(
      query.order[0]?.at ?? query.limit?.at ?? query.at,
      'the rows of a stream have no last one, so ORDER BY and LIMIT stand at the end of a query over a file only (millrace sql). For the first of each window write WHERE rownum <= n around ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY x DESC) AS rownum.',
    );
  const views = new Map<string, () => Relation>();
  let own = env;
  for (const view of query.views) {
    const { name, columns } = view;
    const outer = own;
    const relation = once(() =>
      planQuery(view.query, outer.within(name.text), columns.length === 0 ? undefined : namesOf(columns)).relation(),
    );
    views.set(name.text.toLowerCase(), relation);
    own = env.within('', new Map(views));
  }
  const [first, ...rest] = query.selects as readonly [Select, ...Select[]];
  if (rest.length === 0) return planSelect(first, own, targets);
  const parts = query.selects.map((select) => planSelect(select, own, targets));
  return planUnion(parts, query.selects);
}

export function namesOf(columns: readonly { readonly text: string }[]): Targets {
  return columns.map(({ text }) => ({ name: text }));
}

function planSelect(select: Select, env: Environment, targets: Targets | undefined): Planned {
  if (select.from === undefined) throw new SqlProblem(select.at, 'a query reads a table. Write SELECT … FROM t.');
  if (select.qualify !== undefined)
    throw new SqlProblem(
      select.qualify.at,
      'QUALIFY is not supported. Write SELECT * FROM (SELECT …, ROW_NUMBER() OVER (…) AS rownum FROM t) WHERE rownum <= n.',
    );
  const groups = numberedGroups(select);
  if (groups !== undefined) return planSelect(groups, env, targets);
  const { relation, where } = planFrom(select.from, conjunctsOf(select.where), env, planQuery);
  for (const part of where) refuseAggregates(part);
  const [condition] = where;
  if (condition !== undefined && relation.windows?.op === 'pending' && relation.windows.spec.kind === 'session')
    throw new SqlProblem(
      condition.at,
      'the sessions of a table function are there before WHERE, and are those of all records. Take the records first: WITH v AS (SELECT * FROM t WHERE …) SELECT … FROM TABLE(SESSION(TABLE v, …)), or write GROUP BY SESSION(ts, …).',
    );
  const item = select.items.find(
    (candidate) =>
      candidate.op === 'item' &&
      findPart(candidate.expression, (part) => isAggregate(part) && part.over === undefined) !== undefined,
  );
  const isGrouped = select.groupBy.length > 0 || select.having !== undefined || item !== undefined;
  if (relation.ranking !== undefined)
    return planTop(select, { relation, ranking: relation.ranking, where }, env, (scope, rows) =>
      selectItems(select, { scope: () => scope, relation: rows, targets }),
    );
  if (isGrouped || select.distinct) refuseTotalsOf(relation);
  if (isGrouped) return planGrouped(select, { relation, where }, env, targets);
  if (select.distinct) return planDistinct(select, { relation, where }, env, targets);
  return planRecords(select, { relation, where }, env, targets);
}

/** Rows with totals may be shown, and are no stream, which says so. */
function refuseTotalsOf({ table, stream }: Relation): void {
  if (table?.isUpdating === false && table.totals().length > 0) stream();
}

interface Input {
  readonly relation: Relation;
  readonly where: readonly Expression[];
}

function refuseAggregates(part: Expression): void {
  const found = findPart(part, isAggregate);
  if (found !== undefined)
    throw new SqlProblem(
      found.at,
      'WHERE comes before the groups, so it has no aggregates. Move the condition to HAVING.',
    );
}

/** All of the conditions. */
export function together(parts: readonly Expression[], scope: Scope): Compiled | undefined {
  return parts
    .map((part) => condition(compileExpression(part, scope), part.at))
    .reduce<Compiled | undefined>(
      (all, one) => (all === undefined ? one : compileBinary({ sign: 'AND', signAt: parts[0]?.at as Span }, all, one)),
      undefined,
    );
}

function planGrouped(
  select: Select,
  { relation, where }: Input,
  env: Environment,
  targets: Targets | undefined,
): Planned {
  if (select.distinct)
    throw new SqlProblem(
      select.at,
      'groups that select what they are grouped by are different by themselves. Leave DISTINCT out, or put the groups into another query: SELECT DISTINCT n FROM (SELECT … GROUP BY …).',
    );
  const expressions = [
    ...select.items.flatMap((item) => (item.op === 'item' ? [item.expression] : [])),
    ...(select.having === undefined ? [] : [select.having]),
  ];
  const totals = findTotals(expressions, relation, (from, conditions) => planFrom(from, conditions, env, planQuery));
  const condition = together(where, recordScope(relation));
  const grouping = groupRecords(select, relation, { where: condition, totals });
  const { groupTotals } = grouping.table;
  const selected = selectItems(select, { scope: grouping.scope, relation, targets, isGrouped: true, groupTotals });
  const having = select.having === undefined ? undefined : together(conjunctsOf(select.having), grouping.scope());
  const shown = [grouping.isShown(), having].filter((one) => one !== undefined);
  const [first, second] = shown;
  const all =
    first === undefined || second === undefined
      ? first
      : compileBinary({ sign: 'AND', signAt: select.at }, first, second);
  const overAt = groupTotals?.overAt();
  if (select.having !== undefined && overAt !== undefined)
    throw new SqlProblem(
      overAt,
      'OVER comes behind HAVING, so this would be the total of the groups that it leaves, which nobody keeps. For the total of all groups put the condition around: SELECT * FROM (SELECT …, SUM(SUM(x)) OVER (…) AS total FROM … GROUP BY …) WHERE ….',
    );
  const roleIn = (expression: Expression): Role | undefined => roleOfBound(expression, relation);
  const ranking = readRanking(select, grouping.scope(), roleIn, groupTotals);
  return planStep(
    { table: grouping.table, selected, where: all, at: select.at, ...(ranking === undefined ? {} : { ranking }) },
    env,
  );
}

/** Different rows are groups of all columns. */
function planDistinct(select: Select, input: Input, env: Environment, targets: Targets | undefined): Planned {
  const expressions = select.items.flatMap((item): readonly SelectItem[] =>
    item.op === 'item' ? [item] : allColumns(input.relation, item).map((column) => itemOf(column, item.at)),
  );
  const groupBy = expressions.map((item): Expression => {
    const { expression } = item as Extract<SelectItem, { op: 'item' }>;
    // A number alone would be that of a column.
    return expression.op === 'literal' && expression.kind === 'number'
      ? { op: 'unary', sign: '+', operand: expression, at: expression.at }
      : expression;
  });
  return planGrouped({ ...select, distinct: false, items: expressions, groupBy }, input, env, targets);
}

function itemOf({ table, name }: RelationColumn, at: Span): SelectItem {
  const path = (table === undefined ? [name] : [table, name]).map((text) => ({ text, at }));
  return { op: 'item', at, expression: { op: 'column', path, at } };
}

/** A row of each record. */
function planRecords(
  select: Select,
  { relation, where }: Input,
  env: Environment,
  targets: Targets | undefined,
): Planned {
  const compile = (
    from: Relation,
  ): {
    readonly selected: readonly Selected[];
    readonly condition: Compiled | undefined;
    readonly nested: boolean;
    readonly from: Relation;
  } => {
    let nested = false;
    const scope = scopeOf(from, (column) => {
      nested ||= isBound(column.role);
    });
    const selected = selectItems(select, { scope: () => scope, relation: from, targets, direct: scopeOf(from) });
    return { selected, condition: together(where, scope), nested, from };
  };
  const first = compile(relation);
  const isPending = relation.windows?.op === 'pending';
  // Window columns that are merely handed on may wait for who makes the windows.
  const lazy = isPending && first.nested ? compile(expanded(relation, select.at)) : first;
  const ranking = readRanking(select, recordScope(relation), (expression) => roleOfBound(expression, relation));
  const direct = relation.table;
  if (ranking !== undefined) refuseTotalsOf(relation);
  if (direct !== undefined)
    return planStep(
      {
        table: direct,
        selected: lazy.selected,
        where: lazy.condition,
        at: select.at,
        ...(ranking === undefined ? {} : { ranking }),
      },
      env,
    );
  return {
    columns: lazy.selected.map(({ name, compiled }) => ({ name, type: compiled.type })),
    relation: once(() => {
      const { from, condition: wanted, selected } = lazy;
      const filtered = filteredRelation(from, wanted);
      const text = `${filtered.identity} select ${JSON.stringify(selected.map(({ name, compiled }) => [name, compiled.text]))}`;
      const made = selectedRelation(filtered, selected, text, ranking?.hidden);
      return ranking === undefined ? made : { ...made, ranking: ranking.ranking };
    }),
    output: (name, sinks) => {
      refuseNumbers(ranking?.ranking);
      const {
        from,
        condition: wanted,
        selected,
      } = relation.windows?.op === 'pending' && lazy.from === relation ? compile(expanded(relation, select.at)) : lazy;
      return recordsOutput({ relation: filteredRelation(from, wanted), selected, at: select.at }, name, sinks);
    },
  };
}

/** A view with a row of each record. */
export function recordsOutput(
  {
    relation,
    selected,
    at,
  }: { readonly relation: Relation; readonly selected: readonly Selected[]; readonly at: Span },
  name: string,
  sinks: readonly SinkSpec[],
): AnyOutput {
  refuseFinal(selected, at);
  const columns = Object.fromEntries(
    selected.map(({ name: column, compiled: { evaluate, type } }) => {
      const print = printer(type);
      const shown = (values: Values): Json => {
        const value = evaluate(values);
        return value === null ? null : print(value);
      };
      return [column, readingThrough(shown, [evaluate])];
    }),
  );
  const output = relation
    .stream()
    .select(name, columns)
    .to(...(sinks as readonly [SinkSpec, ...SinkSpec[]])) as AnyOutput;
  return typed(output, columnTypes(selected));
}

function filteredRelation(relation: Relation, wanted: Compiled | undefined): Relation {
  if (wanted === undefined) return relation;
  const identity = `${relation.identity} where ${wanted.text}`;
  const { table: _table, ...rest } = relation;
  return { ...rest, identity, baseIdentity: identity, stream: once(() => relation.stream().filter(holds(wanted))) };
}

interface ItemContext {
  /** What names mean; of an item that is an aggregate its column is to be named like the alias. */
  readonly scope: (alias?: string) => Scope;
  readonly relation: Relation;
  readonly targets: Targets | undefined;
  readonly isGrouped?: boolean;
  readonly groupTotals?: StepTable['groupTotals'];
  /** For items that are one column and nothing else. */
  readonly direct?: Scope;
}

/** The columns of SELECT with their names and types. Numbers of rows are left out: who reads them adds them. */
function selectItems(select: Select, context: ItemContext): readonly Selected[] {
  const { relation, targets } = context;
  const selected: (Selected & { readonly at: Span })[] = [];
  const taken = new Set<string>();
  const numbered = select.items.find((item) => item.op === 'item' && isRank(item.expression));
  const number = numbered?.op === 'item' ? numbered.alias : undefined;
  const add = (name: string, compiled: Compiled, role: Selected['role'], at: Span, isExplicit: boolean): void => {
    if (number !== undefined && isSame(name, number.text))
      throw new SqlProblem(
        number.at,
        `there is a column ${name} beside the number of the row. Give the number another name: … AS row_number.`,
      );
    if (isExplicit && taken.has(name.toLowerCase()))
      throw new SqlProblem(at, `two columns are named ${name}. Give one another name: … AS ${freeName(name, taken)}.`);
    const free = freeName(name, taken);
    taken.add(free.toLowerCase());
    selected.push({ name: free, compiled, at, ...(role === undefined ? {} : { role }) });
  };
  for (const [index, item] of select.items.entries()) {
    if (item.op === 'all') {
      if (context.isGrouped === true)
        throw new SqlProblem(
          item.at,
          'beside GROUP BY the columns are named one by one: those that are grouped by, and aggregates.',
        );
      for (const column of allColumns(relation, item))
        add(column.name, compiledColumn(column), column.role, item.at, false);
      continue;
    }
    if (isRank(item.expression)) continue;
    const name = item.alias?.text ?? defaultName(item, index + 1);
    const isDirect = item.expression.op === 'column';
    const scope = isDirect && context.direct !== undefined ? context.direct : context.scope(item.alias?.text);
    const usesBefore = context.groupTotals?.uses();
    const compiled = compileExpression(item.expression, scope);
    const isOfTotals = context.groupTotals?.uses() !== usesBefore;
    const role =
      context.isGrouped === true ? roleOfBound(item.expression, relation) : roleOf(item.expression, relation);
    add(name, compiled, role, item.alias?.at ?? item.at, item.alias !== undefined);
    if (isOfTotals) selected.push({ ...(selected.pop() as (typeof selected)[number]), isOfTotals });
  }
  return targets === undefined ? selected.map((column) => checked(column)) : renamed(selected, targets, select.at);
}

function checked(column: Selected & { readonly at: Span }): Selected {
  checkColumnName(column.name, column.at);
  return column;
}

function allColumns(relation: Relation, { of, at }: Extract<SelectItem, { op: 'all' }>): readonly RelationColumn[] {
  const columns =
    of === undefined
      ? relation.columns.filter(({ isQualified }) => isQualified !== true)
      : relation.columns.filter((column) => isOfTable(column, of.text));
  if (relation.isOpen)
    throw new SqlProblem(
      at,
      '* stands for columns that are known, and the schema of this stream does not tell all of them. Name the columns.',
    );
  if (columns.length === 0) throw new SqlProblem(at, `there is no table ${of?.text} here.`);
  return columns;
}

function renamed(
  selected: readonly (Selected & { readonly at: Span })[],
  targets: Targets,
  at: Span,
): readonly Selected[] {
  if (selected.length !== targets.length)
    throw new SqlProblem(
      at,
      `the query has ${selected.length} columns, and ${targets.length} are expected: ${targets.map(({ name }) => name).join(', ')}.`,
    );
  return selected.map((column, index) => {
    const { name, type } = targets[index] as Targets[number];
    const { compiled } = column;
    const isAlike = type === undefined || describeType(type) === describeType(compiled.type);
    const own = isAlike ? { ...compiled, type: type ?? compiled.type } : castTo(compiled, type, false, column.at);
    return checked({ ...column, name, compiled: own });
  });
}
