import { milliseconds } from '#shared/pipeline/duration.ts';
import { readingThrough } from '#shared/pipeline/reads.ts';
import { cumulative, session, sliding, tumbling, type WindowSpec } from '#shared/pipeline/window.ts';
import type { Values } from '#shared/sql/expressions/compiled.ts';
import { compileExpression } from '#shared/sql/expressions/expression.ts';
import type { Call, Expression, WindowKind, WindowTable } from '#shared/sql/parse/ast.ts';
import { type Span, SqlProblem } from '#shared/sql/parse/problem.ts';
import {
  type BoundRole,
  endField,
  isBound,
  once,
  type Relation,
  type RelationColumn,
  type Role,
  readBound,
  resolve,
  scopeOf,
  sqlValue,
  startField,
  windowColumns,
} from './relation.ts';

/** The windows of a call: `TUMBLE(ts, size)`, `HOP(ts, slide, size)`, `SESSION(ts, gap)`, `CUMULATE(ts, step, size)`; the column apart. */
export function windowOf(kind: WindowKind, sizes: readonly Expression[], at: Span): WindowSpec {
  const form = forms[kind];
  const [first, second, ...rest] = sizes.map(lengthOf);
  if (sizes.length === form.count + 1)
    throw new SqlProblem(
      (sizes[form.count] as Expression).at,
      `windows begin at multiples of their size since 1970, and an offset of ${kind} is not supported. Leave it out: ${form.example}.`,
    );
  if (first === undefined || rest.length > 0 || (second === undefined) !== (form.count === 1))
    throw new SqlProblem(at, `${kind} takes ${form.text}. Write ${form.example}.`);
  switch (kind) {
    case 'TUMBLE':
      return tumbling(milliseconds(first));
    case 'SESSION':
      return session({ gap: milliseconds(first) });
    case 'HOP': {
      const size = second as number;
      if (first > size)
        throw new SqlProblem(
          at,
          `HOP takes the slide before the size, and the slide of ${first} ms is longer than the size of ${size} ms, so that records between windows would be in none. Write ${form.example}.`,
        );
      return sliding(milliseconds(size), { every: milliseconds(first) });
    }
    case 'CUMULATE': {
      const size = second as number;
      if (size % first !== 0)
        throw new SqlProblem(
          at,
          `CUMULATE takes the step before the size, and the size of ${size} ms is no multiple of the step of ${first} ms. Write ${form.example}.`,
        );
      return cumulative(milliseconds(size), { step: milliseconds(first) });
    }
  }
}

/** A window has both of its bounds alone: sessions of two keys may end together, and cumulative windows begin so. */
export function checkBothBounds(roles: ReadonlySet<Role | undefined>, at: Span, form: string): void {
  if (!roles.has('window-start') || !roles.has('window-end'))
    throw new SqlProblem(
      at,
      `a window is named by both of its bounds, since several may have one in common. Write ${form}.`,
    );
}

const forms: Readonly<Record<WindowKind, { readonly count: 1 | 2; readonly text: string; readonly example: string }>> =
  {
    TUMBLE: { count: 1, text: 'a size', example: "TUMBLE(ts, INTERVAL '1' MINUTE)" },
    HOP: { count: 2, text: 'a slide and a size', example: "HOP(ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)" },
    SESSION: { count: 1, text: 'a gap', example: "SESSION(ts, INTERVAL '30' MINUTE)" },
    CUMULATE: { count: 2, text: 'a step and a size', example: "CUMULATE(ts, INTERVAL '1' HOUR, INTERVAL '1' DAY)" },
  };

function lengthOf(size: Expression): number {
  if (size.op !== 'interval') throw new SqlProblem(size.at, "expected an interval, such as INTERVAL '1' MINUTE.");
  if (size.months !== 0)
    throw new SqlProblem(
      size.at,
      'months and years have no one length. A window is a number of days or shorter units.',
    );
  if (size.ms < 1) throw new SqlProblem(size.at, 'the interval must be at least a millisecond.');
  return size.ms;
}

/** The functions of a grouped window, and which of its bounds they show. */
const boundFunctions: Readonly<Record<string, BoundRole>> = Object.fromEntries(
  (['TUMBLE', 'HOP', 'SESSION', 'CUMULATE'] as const).flatMap((kind) => [
    [`${kind}_START`, 'window-start'],
    [`${kind}_END`, 'window-end'],
    [`${kind}_ROWTIME`, 'window-time'],
  ]),
);

/** The bound that `TUMBLE_START(ts, …)` and its like show; undefined for any other call. */
export function boundOf({ name }: Call): BoundRole | undefined {
  return Object.hasOwn(boundFunctions, name) ? boundFunctions[name] : undefined;
}

/** The windows that `TUMBLE(ts, …)` in GROUP BY stands for; undefined for any other expression. */
export function groupedWindow(expression: Expression, relation: Relation): WindowSpec | undefined {
  if (expression.op !== 'call' || !(expression.name in forms)) return undefined;
  const kind = expression.name as WindowKind;
  const [column, ...sizes] = expression.args;
  if (column === undefined || column.op !== 'column')
    throw new SqlProblem(
      column?.at ?? expression.at,
      `${kind} takes the column with the event time first. Write ${forms[kind].example}.`,
    );
  checkTime(relation, resolve(relation, column).column, column.at);
  return windowOf(kind, sizes, expression.at);
}

/** Windows are made by event time, which one column of a table is. */
export function checkTime(relation: Relation, column: RelationColumn, at: Span): void {
  if (column.role === 'time' || column.role === 'window-time' || relation.isOpen) return;
  const times = relation.columns.filter(({ role }) => role === 'time');
  const advice =
    times.length > 0
      ? `That is ${times.map(({ name }) => name).join(' or ')}.`
      : 'None of the columns here is one: a table has it by WATERMARK FOR ts AS ts - INTERVAL …, and a query keeps it by selecting that column as it is. Rows of a join have none: join rows of windows, where window_start and window_end are equal.';
  throw new SqlProblem(at, `windows are made by the event time, which ${column.name} is not. ${advice}`);
}

/** `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), …))`: the relation with its windows. */
export function windowedRelation(table: WindowTable, input: Relation): Relation {
  const { kind, column, sizes, at } = table;
  const found = resolve(input, { op: 'column', path: [column], at: column.at }).column;
  checkTime(input, found, column.at);
  const spec = windowOf(kind, sizes, at);
  const [first] = table.partition;
  if (first !== undefined && spec.kind !== 'session')
    throw new SqlProblem(
      first.at,
      `${kind} has the same windows for all records. Leave PARTITION BY out, and group by it.`,
    );
  if (input.windows?.op === 'pending')
    throw new SqlProblem(at, 'the table has windows already. Group by them before others are made.');
  const taken = input.columns.find(({ name }) => /^window_(start|end|time)$/i.test(name));
  if (taken !== undefined)
    throw new SqlProblem(
      at,
      `${kind} adds a column ${taken.name}, which the table has already. Rename it in a query before.`,
    );
  const readTime = readingThrough((values: Values) => Number(sqlValue(found.read(values))), [found.read]);
  return {
    ...input,
    identity: `${kind}(${input.identity}, ${JSON.stringify(spec)})`,
    columns: [...ofFormerWindows(input).columns, ...windowColumns((role) => boundReader(role, spec, readTime))],
    windows: {
      op: 'pending',
      spec,
      partition: table.partition.map((expression) => compileExpression(expression, scopeOf(input)).text),
      readTime,
    },
  };
}

/** Rows of windows of which others are made: the bounds of the former ones are columns like any other, and their time is the event time. */
export function ofFormerWindows(relation: Relation): Relation {
  const columns = relation.columns.map((column): RelationColumn => {
    const { role, ...plain } = column;
    if (!isBound(role)) return column;
    return role === 'window-time' ? { ...plain, role: 'time' } : plain;
  });
  return { ...relation, columns };
}

/** The bounds of the one window that a record is in; of other windows it has none before they are made. */
function boundReader(
  role: BoundRole,
  spec: WindowSpec,
  readTime: (values: Values) => number,
): (values: Values) => number | null {
  if (spec.kind !== 'tumbling') return () => null;
  const { sizeMs } = spec;
  const shift = role === 'window-start' ? 0 : role === 'window-end' ? sizeMs : sizeMs - 1;
  return readingThrough((values: Values) => Math.floor(readTime(values) / sizeMs) * sizeMs + shift, [readTime]);
}

/** Each record once for each of its windows, with their bounds as columns. */
export function expanded(relation: Relation, at: Span): Relation {
  const { windows } = relation;
  if (windows?.op !== 'pending') return relation;
  const { spec, readTime } = windows;
  if (spec.kind === 'session')
    throw new SqlProblem(
      at,
      'which session a record is in is known when the session closes. Group by window_start and window_end.',
    );
  const boundsAt = aligned(spec, at);
  const expand = (values: Values): readonly Values[] =>
    boundsAt(readTime(values)).map(([start, end]) => ({ ...values, [startField]: start, [endField]: end }));
  const { windows: _windows, table: _table, ...rest } = relation;
  return {
    ...rest,
    ...('sizeMs' in spec ? { spanMs: spec.sizeMs } : {}),
    isTumbling: spec.kind === 'tumbling',
    columns: relation.columns.map((column) =>
      isBound(column.role) ? { ...column, read: readBound[column.role] } : column,
    ),
    stream: once(() => relation.stream().flatMap(expand)),
  };
}

/** The bounds of the windows that a time is in. */
function aligned(spec: WindowSpec, at: Span): (timeMs: number) => readonly (readonly [number, number])[] {
  switch (spec.kind) {
    case 'tumbling': {
      const { sizeMs } = spec;
      return (timeMs) => {
        const start = Math.floor(timeMs / sizeMs) * sizeMs;
        return [[start, start + sizeMs]];
      };
    }
    case 'sliding': {
      const { sizeMs, slideMs } = spec;
      return (timeMs) => {
        const bounds: [number, number][] = [];
        for (let start = Math.floor(timeMs / slideMs) * slideMs; start > timeMs - sizeMs; start -= slideMs)
          bounds.unshift([start, start + sizeMs]);
        return bounds;
      };
    }
    case 'cumulative': {
      const { sizeMs, stepMs } = spec;
      return (timeMs) => {
        const start = Math.floor(timeMs / sizeMs) * sizeMs;
        const first = Math.floor((timeMs - start) / stepMs) + 1;
        return Array.from(
          { length: sizeMs / stepMs - first + 1 },
          (_, index) => [start, start + (first + index) * stepMs] as const,
        );
      };
    }
    default:
      throw new SqlProblem(
        at,
        'the records of these windows cannot be shown one by one. Group by window_start and window_end.',
      );
  }
}

/** How far apart the ends of windows lie at least. */
export function bucketOf(spec: WindowSpec): number {
  switch (spec.kind) {
    case 'tumbling':
      return spec.sizeMs;
    case 'sliding':
      return spec.slideMs;
    case 'cumulative':
      return spec.stepMs;
    default:
      return 1;
  }
}
