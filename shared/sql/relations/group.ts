import type { AnyAggregator } from '#shared/pipeline/aggregator.ts';
import { milliseconds } from '#shared/pipeline/duration.ts';
import type { ProjectionInput } from '#shared/pipeline/projection.ts';
import { readingThrough } from '#shared/pipeline/reads.ts';
import type { KeyedStream, KeyShape } from '#shared/pipeline/stream.ts';
import type { TumblingWindow, WindowSpec } from '#shared/pipeline/window.ts';
import type { Compiled, Values } from '#shared/sql/expressions/compiled.ts';
import { compileExpression, type Scope } from '#shared/sql/expressions/expression.ts';
import { describeType, type SqlType, timestampType } from '#shared/sql/expressions/types.ts';
import type { Call, ColumnReference, Expression, Select } from '#shared/sql/parse/ast.ts';
import { freeName, isColumnName } from '#shared/sql/parse/names.ts';
import { type Span, SqlProblem } from '#shared/sql/parse/problem.ts';
import { findPart, isAggregate } from '#shared/sql/parse/walk.ts';
import { compileAggregate } from './aggregates.ts';
import { apartFrom, changeField, refuseTotal, runningTable } from './changes.ts';
import { aliasedBy, type Key, keySelector, readKeys, roleOf } from './group-keys.ts';
import { type GroupTotal, totalKindOf, totalText } from './late-totals.ts';
import {
  type BoundRole,
  endField,
  isBound,
  once,
  type Relation,
  type Role,
  readBound,
  recordScope,
  resolve,
  scopeOf,
  startField,
} from './relation.ts';
import type { BuiltTable, StepTable } from './step-table.ts';
import { scalarTotal, type TotalQuery } from './totals.ts';
import { boundOf, bucketOf, groupedWindow } from './windows.ts';

interface Kept {
  readonly column: string;
  readonly compiled: { readonly type: SqlType; readonly nullable: boolean; readonly counts: boolean };
  readonly aggregator: AnyAggregator<Values>;
}

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
  relation: Relation,
  options: { readonly where: Compiled | undefined; readonly totals: readonly TotalQuery[] },
): Grouping {
  const base = recordScope(relation);
  const { keys, spec, isWindowed, isInherited } = readKeys(select, relation, base);
  const isChanging = relation.changes !== undefined;
  if (isChanging && (relation.table?.totals() ?? []).length > 0) throw refuseTotal(select.from?.at ?? select.at);
  const conditions = [
    ...(relation.table?.conditions ?? []),
    ...(options.where === undefined ? [] : [options.where.text]),
  ];
  const changing = isChanging ? { text: [...conditions, ...keys.map(({ text }) => `BY ${text}`)] } : undefined;
  const isFiltered = options.totals.some(({ where }) => where !== options.where?.text);
  const filter = isFiltered ? options.where : undefined;
  const kept = new Map<string, Kept>();
  const taken = new Set([...keys.map(({ column }) => column.toLowerCase()), 'window_start', 'window_end']);
  const totals = new Map<string, GroupTotal>();
  let totalUses = 0;
  let overAt: Span | undefined;
  let isLarge = false;
  const keep = (
    call: Call,
    alias: string | undefined,
    scope: Scope,
    condition: Compiled | undefined,
  ): { readonly column: string; readonly compiled: Kept['compiled'] } => {
    const aggregate = compileAggregate(call, scope, condition, changing);
    const known = kept.get(aggregate.text);
    if (known !== undefined) return known;
    const wanted =
      alias !== undefined && isColumnName(alias)
        ? alias
        : isColumnName(aggregate.name)
          ? aggregate.name
          : `${call.name.toLowerCase()}_of`;
    const column = freeName(wanted, taken);
    taken.add(column.toLowerCase());
    isLarge ||= aggregate.isLarge;
    const made = { column, compiled: aggregate, aggregator: aggregate.aggregator };
    kept.set(aggregate.text, made);
    return made;
  };
  const aggregateColumn = (call: Call, alias?: string): Compiled => {
    const { column, compiled } = keep(call, alias, base, filter);
    return columnOf(column, compiled);
  };
  const total = (call: Call, scope: Scope, condition: Compiled | undefined): Compiled => {
    if (isChanging) throw refuseTotal(call.at);
    const { column, compiled } = keep(call, undefined, scope, condition);
    totals.set(column, { column, field: totalField(column), kind: totalKindOf(call), at: call.at });
    totalUses += 1;
    return totalOf(column, compiled, call.at, spec.kind === 'session' && isWindowed);
  };
  const keyScope: Scope = { column: (reference) => keyColumn(reference, relation, keys, isWindowed) };
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
    column: keyScope.column,
    find: (expression) => {
      if (expression.op === 'call' && boundOf(expression) !== undefined)
        return boundColumn(expression, { relation, spec, isWindowed });
      if (expression.op === 'call' && expression.over !== undefined && isAggregate(expression)) {
        overAt ??= expression.at;
        return windowTotal(expression, { relation, isWindowed }, (call) => total(call, base, filter));
      }
      if (isAggregate(expression)) return aggregateColumn(expression, alias);
      if (expression.op === 'query') {
        const query = options.totals.find((candidate) => candidate.expression === expression);
        if (query !== undefined)
          return scalarTotal(query, (call) => total(call, query.scope, isFiltered ? query.condition : undefined));
      }
      return aliasOf(expression) ?? (hasExpressionKeys ? findKey(expression, keys, base) : undefined);
    },
  });
  // A group is there only when it has records; of a filtered one that must be counted, and of rows that come and go. All records are one
  // group even when there are none, unless they have windows.
  const isShown = (): Compiled | undefined =>
    (filter === undefined && !isChanging) || (keys.length === 0 && !isWindowed)
      ? undefined
      : aboveZero(aggregateColumn(countAll(select.at)));
  const { windows } = relation;
  const apart = once(() => apartFrom([...keys, ...kept.values()].map(({ column }) => column)));
  const stored = (column: string): string => (apart()?.own === column ? (apart()?.column as string) : column);
  const aggregatesOf = (nameOf: (column: string) => string): Readonly<Record<string, AnyAggregator<Values>>> => {
    if (kept.size === 0) aggregateColumn(countAll(select.at), 'records');
    return Object.fromEntries([...kept.values()].map(({ column, aggregator }) => [nameOf(column), aggregator]));
  };
  const keyedBy = (by: readonly Key[]): KeyedStream<Values, KeyShape> => {
    const { stream } = relation;
    const records = (relation.changes ?? stream)();
    const filtered = options.where === undefined || isFiltered ? records : records.filter(holds(options.where));
    return filtered.keyBy(keySelector(by, isInherited) as (values: Values) => KeyShape) as KeyedStream<
      Values,
      KeyShape
    >;
  };
  const running = (name: string): ReturnType<typeof runningTable> => {
    const aggregates = aggregatesOf(stored);
    return runningTable(
      keyedBy(keys.map((key) => ({ ...key, column: stored(key.column) }))),
      name,
      aggregates,
      select.at,
    );
  };
  const rowsOfNothing = (): readonly Values[] =>
    (relation.table?.ofNothing?.() ?? [])
      .filter((values) => options.where === undefined || options.where.evaluate(values) === true)
      .map((values) => ({ ...values, [changeField]: 1 }));
  const table: StepTable = {
    build: (name, emit) => {
      if (isChanging) return running(name);
      const aggregates = aggregatesOf((column) => column);
      const mode = spec.kind === 'session' ? 'on-close' : emit;
      const windowOptions = {
        allowedLateness: milliseconds(relation.allowedLatenessMs),
        emit: mode as 'on-close',
        ...(isLarge ? { placement: 'fargate' as const } : {}),
      };
      return keyedBy(keys)
        .window(spec as TumblingWindow, windowOptions)
        .aggregate(name, aggregates) as unknown as BuiltTable;
    },
    ...(isWindowed ? {} : { changes: once((name: string) => running(name).asChanges()) }),
    unpack: ({ columns, windowStartMs, windowEndMs, totals: sums }) => {
      const values: Record<string, unknown> = { ...columns };
      const renamed = apart();
      if (renamed !== undefined && renamed.column in columns) values[renamed.own] = columns[renamed.column];
      if (isWindowed) {
        values[startField] = isInherited ? columns['window_start'] : windowStartMs;
        values[endField] = isInherited ? columns['window_end'] : windowEndMs;
      }
      for (const column of totals.keys()) values[totalField(column)] = sums?.[column] ?? null;
      return [values];
    },
    ...(isWindowed || keys.length > 0
      ? {}
      : { ofNothing: () => table.unpack(resultsOfNothing(kept, rowsOfNothing())) }),
    bucketMs: !isWindowed ? undefined : isInherited && windows?.op === 'rows' ? windows.bucketMs : bucketOf(spec),
    isUpdating: !isWindowed,
    ...(isChanging ? { isNeverFinal: true } : {}),
    totals: () => [...totals.keys()],
    groupTotals: { all: () => [...totals.values()], uses: () => totalUses, overAt: () => overAt },
    allowedLatenessMs: relation.allowedLatenessMs,
  };
  return { scope, table, isShown };
}

/** A row of these aggregates before the first record; `rows` are those that the query around it finds there all the same. */
function resultsOfNothing(kept: ReadonlyMap<string, Kept>, rows: readonly Values[]): ProjectionInput {
  const columns = Object.fromEntries(
    [...kept.values()].map(({ column, aggregator, compiled: { counts } }) => {
      if (rows.length === 0) return [column, counts ? 0 : null];
      const all = rows.reduce<unknown>(
        (some, row) => aggregator.add(some, aggregator.select(row, 0)),
        aggregator.create(),
      );
      return [column, aggregator.result(all)];
    }),
  );
  // One row is the total of itself.
  return { columns, windowStartMs: 0, windowEndMs: 0, totals: columns as Readonly<Record<string, number | null>> };
}

export function holds({ evaluate }: Compiled): (values: Values) => boolean {
  return readingThrough((values: Values) => evaluate(values) === true, [evaluate]);
}

function countAll(at: Span): Call {
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

function columnOf(column: string, { type, nullable }: Pick<Compiled, 'type' | 'nullable'>): Compiled {
  return { type, nullable, text: column, isConstant: false, evaluate: (values) => values[column] ?? null };
}

function totalField(column: string): string {
  return `#total ${column}`;
}

function totalOf(column: string, { type }: Kept['compiled'], at: Span, isSession: boolean): Compiled {
  if (isSession)
    throw new SqlProblem(
      at,
      'sessions of different keys have different bounds, so there is no total of a session. Group by TUMBLE or HOP.',
    );
  if (['string', 'boolean', 'any'].includes(type.kind))
    throw new SqlProblem(
      at,
      `a total over all groups is a number or a time, and this is of type ${describeType(type)}.`,
    );
  const field = totalField(column);
  return {
    type,
    nullable: true,
    text: totalText(column),
    isConstant: false,
    evaluate: (values) => values[field] ?? null,
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
function keyColumn(
  reference: ColumnReference,
  relation: Relation,
  keys: readonly Key[],
  isWindowed: boolean,
): Compiled {
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
function boundColumn(
  call: Call,
  {
    relation,
    spec,
    isWindowed,
  }: { readonly relation: Relation; readonly spec: WindowSpec; readonly isWindowed: boolean },
): Compiled {
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

/** `SUM(SUM(x)) OVER (PARTITION BY window_start, window_end)`: over all groups of the window. */
function windowTotal(
  call: Call,
  { relation, isWindowed }: { readonly relation: Relation; readonly isWindowed: boolean },
  total: (call: Call) => Compiled,
): Compiled {
  const { over, args, name } = call;
  const [inner] = args;
  const form = 'SUM(SUM(x)) OVER (PARTITION BY window_start, window_end)';
  if (over === undefined || inner === undefined || !isAggregate(inner) || inner.over !== undefined)
    throw new SqlProblem(
      call.at,
      `beside GROUP BY, OVER takes the total of an aggregate over all groups of a window. Write ${form}.`,
    );
  if (over.order.length > 0)
    throw new SqlProblem(over.at, `a running total is not supported; the total of a window is. Write ${form}.`);
  const isSame =
    (name === 'SUM' && (inner.name === 'SUM' || inner.name === 'COUNT')) ||
    (name === inner.name && (name === 'MIN' || name === 'MAX'));
  if (!isSame || (inner.name === 'COUNT' && inner.distinct))
    throw new SqlProblem(
      call.at,
      `${name}(${inner.name}(…)) OVER is not supported; SUM(SUM(x)), SUM(COUNT(*)), MIN(MIN(x)) and MAX(MAX(x)) are.`,
    );
  for (const part of over.partition) {
    const role = part.op === 'call' ? boundOf(part) : roleOf(part, relation);
    const isWindow = groupedWindow(part, relation) !== undefined;
    if (!isBound(role) && !isWindow)
      throw new SqlProblem(
        part.at,
        `a total is over all groups of a window, so PARTITION BY names the window and nothing else. Write ${form}; for the share within ${part.op === 'column' ? part.path.at(-1)?.text : 'a group'} group twice and join.`,
      );
  }
  if (isWindowed !== over.partition.length > 0)
    throw new SqlProblem(
      over.at,
      isWindowed
        ? `the groups have windows, so the total is that of a window. Write ${form}.`
        : 'the groups have no windows. Write OVER ().',
    );
  return total(inner);
}
