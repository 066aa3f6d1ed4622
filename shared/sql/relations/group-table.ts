import { milliseconds } from '#shared/pipeline/duration.ts';
import type { KeyedStream, KeyShape } from '#shared/pipeline/stream.ts';
import type { TumblingWindow } from '#shared/pipeline/window.ts';
import { type Compiled, holds, type Values } from '#shared/sql/expressions/compiled.ts';
import type { Select } from '#shared/sql/parse/ast.ts';
import { apartFrom, changeField, runningTable } from './changes.ts';
import { type GroupKeys, keySelector } from './group-keys.ts';
import type { KeptAggregates } from './kept-aggregates.ts';
import { endField, once, type Relation, startField } from './relation.ts';
import type { BuiltTable, StepTable } from './step-table.ts';
import { bucketOf } from './windows.ts';

/** What a query groups, by what, and what it keeps of each group. */
export interface Groups {
  readonly select: Select;
  readonly relation: Relation;
  readonly by: GroupKeys;
  readonly kept: KeptAggregates;
  /** What records must fulfil to be in a group or, with `isFiltered`, to count in its aggregates. */
  readonly where: Compiled | undefined;
  readonly isFiltered: boolean;
  /** How many records a group has. */
  readonly countAll: (alias?: string) => Compiled;
}

/** The step of a query with groups. It is built when the expressions are read. */
export function groupTable(groups: Groups): StepTable {
  const { select, relation, by, kept, where } = groups;
  const { keys, spec, isWindowed, isInherited } = by;
  const { windows, allowedLatenessMs } = relation;
  const isChanging = relation.changes !== undefined;
  const apart = once(() => apartFrom([...keys.map(({ column }) => column), ...kept.columns]));
  const storedAs = (column: string): string => {
    const renamed = apart();
    return renamed?.own === column ? renamed.column : column;
  };
  const running = (name: string): ReturnType<typeof runningTable> => {
    const aggregators = aggregatorsOf(groups, storedAs);
    return runningTable(keyedRecords(groups, storedAs), name, aggregators, select.at);
  };
  const rowsOfNothing = (): readonly Values[] =>
    (relation.table?.ofNothing?.() ?? [])
      .filter((values) => where === undefined || where.evaluate(values) === true)
      .map((values) => ({ ...values, [changeField]: 1 }));
  const table: StepTable = {
    build: (name, emit) => (isChanging ? running(name) : windowedTable(groups, name, emit)),
    ...(isWindowed ? {} : { changes: once((name: string) => running(name).asChanges()) }),
    unpack: ({ columns, windowStartMs, windowEndMs, totals }) => {
      const values: Record<string, unknown> = { ...columns };
      const renamed = apart();
      if (renamed !== undefined && renamed.column in columns) values[renamed.own] = columns[renamed.column];
      if (isWindowed) {
        values[startField] = isInherited ? columns['window_start'] : windowStartMs;
        values[endField] = isInherited ? columns['window_end'] : windowEndMs;
      }
      for (const { column, field } of kept.totals.all()) values[field] = totals?.[column] ?? null;
      return [values];
    },
    ...(isWindowed || keys.length > 0 ? {} : { ofNothing: () => table.unpack(kept.resultsOfNothing(rowsOfNothing())) }),
    bucketMs: !isWindowed ? undefined : isInherited && windows?.op === 'rows' ? windows.bucketMs : bucketOf(spec),
    isUpdating: !isWindowed,
    ...(isChanging ? { isNeverFinal: true } : {}),
    totals: () => kept.totals.all().map(({ column }) => column),
    groupTotals: kept.totals,
    allowedLatenessMs,
  };
  return table;
}

function windowedTable(groups: Groups, name: string, emit: 'on-update' | 'on-close'): BuiltTable {
  const { relation, by, kept } = groups;
  const aggregators = aggregatorsOf(groups, (column) => column);
  const options = {
    allowedLateness: milliseconds(relation.allowedLatenessMs),
    emit: (by.spec.kind === 'session' ? 'on-close' : emit) as 'on-close',
    ...(kept.isLarge ? { placement: 'fargate' as const } : {}),
  };
  return keyedRecords(groups, (column) => column)
    .window(by.spec as TumblingWindow, options)
    .aggregate(name, aggregators) as unknown as BuiltTable;
}

/** A step keeps something of each group, if only that it is there. */
function aggregatorsOf(
  { kept, countAll }: Groups,
  nameOf: (column: string) => string,
): ReturnType<KeptAggregates['aggregators']> {
  if (kept.columns.length === 0) countAll('records');
  return kept.aggregators(nameOf);
}

function keyedRecords(
  { relation, by, where, isFiltered }: Groups,
  nameOf: (column: string) => string,
): KeyedStream<Values, KeyShape> {
  const records = (relation.changes ?? relation.stream)();
  const filtered = where === undefined || isFiltered ? records : records.filter(holds(where));
  const keys = by.keys.map((key) => ({ ...key, column: nameOf(key.column) }));
  return filtered.keyBy(keySelector(keys, by.isInherited) as (values: Values) => KeyShape) as KeyedStream<
    Values,
    KeyShape
  >;
}
