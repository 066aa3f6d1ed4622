import type { CompiledAggregate, CompiledStep } from '#shared/engine/compile/compile.ts';
import { createAccumulators, mergeEncodedTotal, totalResultsOf } from '#shared/engine/operators/accumulate.ts';
import { rankColumn } from '#shared/pipeline/rows.ts';
import { decodeKey } from '#shared/schemas/key.ts';
import type { PrintedRow, Row, TotalPartial } from '#shared/schemas/row.ts';
import { isoOf, type PrintableRow, printerOf } from './print.ts';
import { isRankKeyed, type Totals } from './print-code.ts';

/** Merges the slots' partials of one window. A slot without a partial has no record in the window. */
export function mergeTotals(step: CompiledAggregate, partials: readonly TotalPartial[]): Totals {
  const total = createAccumulators(step);
  for (const { columns } of partials) mergeEncodedTotal(step, total, columns);
  return totalResultsOf(step, total);
}

export type RowPlace = Pick<Row, 'key' | 'windowStartMs' | 'windowEndMs'>;

/** What is printed and served of a row that its step keeps: the row itself or, where the step has a projection, what that makes of it. */
export function printRows(step: CompiledStep, row: PrintableRow, totals: Totals | undefined): readonly PrintedRow[] {
  if (step.projection === undefined) return [printerOf(step).print(row, totals)];
  const { windowStartMs, windowEndMs } = row;
  const columns = { ...decodeKey(row.key), ...row.columns };
  // What it asks totals of are columns of numbers.
  const numbers = totals as Readonly<Record<string, number | null>> | undefined;
  return step.projection.project({ columns, windowStartMs, windowEndMs, totals: numbers }).map((shown): PrintedRow => {
    const { window } = shown;
    const bounds = window && { windowStart: isoOf(window.startMs), windowEnd: isoOf(window.endMs) };
    // What is never final does not say so.
    const final = step.op === 'running' ? {} : { final: row.final };
    return { view: row.view, ...bounds, ...final, ...shown.columns } as PrintedRow;
  });
}

/** The order of a view's rows: by window start, key and window end; ranked rows of a window by their ranks, which are their keys. */
export function compareInOrder(step: CompiledStep): (a: RowPlace, b: RowPlace) => number {
  return (a, b) => {
    if (a.windowStartMs !== b.windowStartMs) return a.windowStartMs - b.windowStartMs;
    if (isRankKeyed(step)) return a.windowEndMs - b.windowEndMs || rankOf(a) - rankOf(b);
    if (a.key !== b.key) return a.key < b.key ? -1 : 1;
    return a.windowEndMs - b.windowEndMs;
  };
}

/** The rank of a row that is keyed by it. */
export function rankOf({ key }: Pick<RowPlace, 'key'>): number {
  return Number(decodeKey(key)[rankColumn]);
}

/** Orders what was printed of two rows by its JSON. */
export function compareTexts(a: readonly PrintedRow[], b: readonly PrintedRow[]): number {
  const textA = JSON.stringify(a);
  const textB = JSON.stringify(b);
  return textA < textB ? -1 : textA === textB ? 0 : 1;
}
