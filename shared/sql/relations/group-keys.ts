import { milliseconds } from '#shared/pipeline/duration.ts';
import { readingThrough } from '#shared/pipeline/reads.ts';
import type { KeyShape } from '#shared/pipeline/stream.ts';
import { allTime, tumbling, type WindowSpec } from '#shared/pipeline/window.ts';
import type { Compiled, Values } from '#shared/sql/expressions/compiled.ts';
import { compileExpression, type Scope } from '#shared/sql/expressions/expression.ts';
import { describeType } from '#shared/sql/expressions/types.ts';
import type { Expression, Select } from '#shared/sql/parse/ast.ts';
import { freeName, isColumnName } from '#shared/sql/parse/names.ts';
import { SqlProblem } from '#shared/sql/parse/problem.ts';
import { findPart, isAggregate } from '#shared/sql/parse/walk.ts';
import { endField, isBound, type Relation, type Role, resolve, startField } from './relation.ts';
import { checkBothBounds, groupedWindow, ofFormerWindows } from './windows.ts';

/** A column that is grouped by. */
export interface Key {
  readonly text: string;
  readonly column: string;
  readonly compiled: Compiled;
}

/** What a query groups by: columns and a window. */
export interface GroupKeys {
  readonly keys: readonly Key[];
  /** All records of a key are one group where it names no window. */
  readonly spec: WindowSpec;
  readonly isWindowed: boolean;
  /** The window is that of the rows that are read, which is a part of their key. */
  readonly isInherited: boolean;
}

/** What the names behind GROUP BY are of: where windows are made there, the bounds of former ones are no longer those of the groups. */
export function groupedRelation(select: Select, relation: Relation): Relation {
  const makesWindows = select.groupBy.some(
    (written) => groupedWindow(meant(written, select, relation), relation) !== undefined,
  );
  return makesWindows && relation.windows?.op === 'rows' ? ofFormerWindows(relation) : relation;
}

/** The columns and windows of GROUP BY. */
export function readKeys(select: Select, relation: Relation, base: Scope): GroupKeys {
  let spec: WindowSpec | undefined;
  const bounds = new Set<Role>();
  const keys: Key[] = [];
  const taken = new Set<string>(['window_start', 'window_end']);
  for (const written of select.groupBy) {
    const expression = meant(written, select, relation);
    const window = groupedWindow(expression, relation);
    if (window !== undefined) {
      if (spec !== undefined || relation.windows?.op === 'pending')
        throw new SqlProblem(
          expression.at,
          'a query has the windows of one function. Leave one out, or group twice: SELECT … FROM (SELECT … GROUP BY …) GROUP BY ….',
        );
      spec = window;
      continue;
    }
    const role = roleOf(expression, relation);
    if (isBound(role) && relation.windows !== undefined) {
      bounds.add(role);
      continue;
    }
    keys.push(keyOf(expression, { select, base, taken }));
  }
  if (bounds.size > 0) {
    checkBothBounds(bounds, select.groupBy[0]?.at ?? select.at, 'GROUP BY window_start, window_end, …');
    spec = relation.windows?.op === 'pending' ? relation.windows.spec : undefined;
    if (relation.windows?.op === 'pending' && spec?.kind === 'session')
      checkPartition(relation.windows.partition, keys, select);
    // Rows of one window have one event time, 1 ms before its end, and the window is a part of their key.
    if (relation.windows?.op === 'rows') spec = tumbling(milliseconds(relation.windows.bucketMs));
  } else if (relation.windows?.op === 'pending')
    throw new SqlProblem(
      select.groupBy[0]?.at ?? select.at,
      'the table has windows. Write GROUP BY window_start, window_end, …, or leave TABLE(…) out.',
    );
  const isInherited = bounds.size > 0 && relation.windows?.op === 'rows';
  return { keys, spec: spec ?? allTime, isWindowed: spec !== undefined, isInherited };
}

/** The sessions of a table function are those of the columns that it names, or of all records, so the groups must be by these. */
function checkPartition(partition: readonly (string | undefined)[], keys: readonly Key[], select: Select): void {
  const isSame = keys.length === partition.length && keys.every(({ text }) => partition.includes(text));
  if (isSame) return;
  const columns = keys.map(({ text }) => text).join(', ');
  throw new SqlProblem(
    select.groupBy[0]?.at ?? select.at,
    keys.length === 0
      ? 'the sessions are those of the columns behind PARTITION BY. Group by these too.'
      : `the sessions are those of ${partition.length === 0 ? 'all records' : 'other columns'}, and the groups are by ${columns}. Write SESSION(TABLE t PARTITION BY ${columns}, DESCRIPTOR(ts), …), or GROUP BY ${columns}, SESSION(ts, …).`,
  );
}

/** `GROUP BY 1` is the first column of SELECT; a name that is no column is one of its aliases. */
function meant(expression: Expression, { items }: Select, relation: Relation): Expression {
  if (expression.op === 'literal' && expression.kind === 'number') {
    const item = items[Number(expression.text) - 1];
    if (item?.op !== 'item')
      throw new SqlProblem(expression.at, `there is no column number ${expression.text} behind SELECT.`);
    return item.expression;
  }
  return aliasedBy(expression, { items }, relation)?.expression ?? expression;
}

/** What SELECT names so, where a name is that of no column. */
export function aliasedBy(
  expression: Expression,
  { items }: Pick<Select, 'items'>,
  relation: Relation,
): { readonly name: string; readonly expression: Expression } | undefined {
  if (expression.op !== 'column' || expression.path.length > 1) return undefined;
  const name = expression.path[0]?.text.toLowerCase() ?? '';
  if (relation.columns.some((column) => column.name.toLowerCase() === name)) return undefined;
  const item = items.find((candidate) => candidate.op === 'item' && candidate.alias?.text.toLowerCase() === name);
  return item?.op === 'item' ? { name, expression: item.expression } : undefined;
}

/** The role of a column that stands alone. */
export function roleOf(expression: Expression, relation: Relation): Role | undefined {
  if (expression.op !== 'column') return undefined;
  const { column, rest } = resolve(relation, expression);
  return rest.length === 0 ? column.role : undefined;
}

function keyOf(
  expression: Expression,
  { select, base, taken }: { readonly select: Select; readonly base: Scope; readonly taken: Set<string> },
): Key {
  const aggregate = findPart(expression, isAggregate);
  if (aggregate !== undefined)
    throw new SqlProblem(
      aggregate.at,
      'GROUP BY comes before the aggregates, so it has none. Group twice: SELECT … FROM (SELECT … GROUP BY …) GROUP BY ….',
    );
  const compiled = compileExpression(expression, base);
  const { kind } = compiled.type;
  if (kind === 'row' || kind === 'array')
    throw new SqlProblem(
      expression.at,
      `groups are told apart by texts, numbers, truths and times, and this is of type ${describeType(compiled.type)}. Name a field of it.`,
    );
  const alias = select.items.find(
    (item) => item.op === 'item' && item.alias !== undefined && item.expression.at.start === expression.at.start,
  );
  const own =
    expression.op === 'column' ? expression.path.at(-1)?.text : alias?.op === 'item' ? alias.alias?.text : undefined;
  const column = freeName(own !== undefined && isColumnName(own) ? own : `key_${taken.size - 1}`, taken);
  taken.add(column.toLowerCase());
  return { text: compiled.text, column, compiled };
}

/** A key has no NULL, so a column that is NULL is left out, and said to be. */
export function keySelector(
  keys: readonly { readonly column: string; readonly compiled: Pick<Compiled, 'evaluate'> }[],
  isInherited: boolean,
): (values: Values) => KeyShape {
  const columns = keys.map(({ column, compiled: { evaluate } }) => ({ column, evaluate, none: `${column}_is_null` }));
  if (columns.length === 0 && !isInherited) return () => ({ all: true });
  const select = (values: Values): KeyShape => {
    const key: Record<string, string | number | boolean> = {};
    for (const { column, evaluate, none } of columns) {
      const value = evaluate(values);
      if (value === null) key[none] = true;
      else key[column] = value as string;
    }
    if (isInherited) {
      key['window_start'] = values[startField] as number;
      key['window_end'] = values[endField] as number;
    }
    return key;
  };
  return isInherited
    ? select
    : readingThrough(
        select,
        columns.map(({ evaluate }) => evaluate),
      );
}
