import type { AnyAggregator, Json } from '#shared/pipeline/aggregator.ts';
import { max } from '#shared/pipeline/aggregators/max.ts';
import { min } from '#shared/pipeline/aggregators/min.ts';
import { sum } from '#shared/pipeline/aggregators/sum.ts';
import type { Compiled, Values } from '#shared/sql/expressions/compiled.ts';
import { anyType } from '#shared/sql/expressions/types.ts';
import type { Call } from '#shared/sql/parse/ast.ts';
import { type Span, SqlProblem } from '#shared/sql/parse/problem.ts';
import { orNull } from './null-aware.ts';
import type { Selected } from './relation.ts';
import { type TopOrder, type TopRows, topRows } from './top-rows.ts';

// Totals over all groups of a window, where the groups are numbered: they are known where all of them meet.

/** A total of a column over all groups; `kind` is undefined where it cannot be made of the groups' values. */
export interface GroupTotal {
  readonly column: string;
  /** Where expressions find it. */
  readonly field: string;
  readonly kind: 'SUM' | 'MIN' | 'MAX' | undefined;
  readonly at: Span;
}

/** What is computed of groups once their totals are known. */
export interface LateTotals {
  readonly totals: readonly GroupTotal[];
  readonly columns: readonly Selected[];
}

/** What makes the total of a call's values of those of the groups. */
export function totalKindOf({ name, distinct }: Call): GroupTotal['kind'] {
  if (name === 'COUNT') return distinct ? undefined : 'SUM';
  return name === 'MIN' || name === 'MAX' || (name === 'SUM' && !distinct) ? name : undefined;
}

/** How the total of a column is named among expressions. */
export function totalText(column: string): string {
  return `total of ${column}`;
}

/** A group as it is, for those who compute something of it later. */
export const wholeGroup: { readonly field: string; readonly compiled: Compiled } = {
  field: '#group',
  compiled: { type: anyType, nullable: false, text: '#group', isConstant: false, evaluate: (values) => values },
};

/** The total of which `order` ranks shares, if there is one. */
function sharedIn(order: readonly TopOrder[]): string | undefined {
  return order.find(({ share }) => share !== undefined)?.share;
}

/** What is kept of the groups beside the first ones: their totals and, where shares are ranked, those who are first by another sign of them. */
export function lateAggregates({ totals }: LateTotals, top: TopRows): Readonly<Record<string, AnyAggregator<Values>>> {
  const shared = sharedIn(top.order) !== undefined;
  return {
    ...(shared ? { rows_below: topRows({ ...top, order: below(top.order) }) } : {}),
    ...(shared ? { rows_of_none: topRows({ ...top, order: ofNone(top.order) }) } : {}),
    ...Object.fromEntries(
      totals.map(({ column, kind, at }, index) => {
        if (kind === undefined)
          throw new SqlProblem(
            at,
            'beside ROW_NUMBER a total is one of SUM, COUNT, MIN or MAX, which are made of those of the groups.',
          );
        const numberOf = (values: Values): number => Number((values[wholeGroup.field] as Values)[column]);
        const isMissing = (values: Values): boolean => ((values[wholeGroup.field] as Values)[column] ?? null) === null;
        const made = kind === 'SUM' ? sum(numberOf) : kind === 'MIN' ? min(numberOf) : max(numberOf);
        return [`total_${index + 1}`, orNull(made as AnyAggregator<Values>, isMissing)];
      }),
    ),
  };
}

/**
 * The first groups as they were kept, and their order: shares rank as what they are of where the total is above 0, the other way round where it
 * is below, and of no total there is none.
 */
export function firstOf(
  { totals }: LateTotals,
  order: readonly TopOrder[],
  columns: Values,
): { readonly entries: unknown; readonly order: readonly TopOrder[] } {
  const shared = sharedIn(order);
  const index = totals.findIndex(({ column }) => column === shared);
  const total = shared === undefined ? 1 : columns[`total_${index + 1}`];
  if (typeof total !== 'number' || total === 0) return { entries: columns['rows_of_none'], order: ofNone(order) };
  return total > 0 ? { entries: columns['rows'], order } : { entries: columns['rows_below'], order: below(order) };
}

/** Gives a group the columns that need totals. */
export function completed(late: LateTotals, columns: Values, { [wholeGroup.field]: group, ...values }: Values): Values {
  const totals = late.totals.map(({ field }, index) => [field, columns[`total_${index + 1}`] ?? null]);
  const whole = { ...(group as Values), ...Object.fromEntries(totals) };
  const computed = late.columns.map(({ name, compiled }): [string, Json] => [name, compiled.evaluate(whole) as Json]);
  return { ...values, ...Object.fromEntries(computed) };
}

function below(order: readonly TopOrder[]): readonly TopOrder[] {
  return order.map((one) => (one.share === undefined ? one : { ...one, descending: !one.descending }));
}

function ofNone(order: readonly TopOrder[]): readonly TopOrder[] {
  return order.filter(({ share }) => share === undefined);
}
