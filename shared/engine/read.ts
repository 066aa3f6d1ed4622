import type { Json } from '#shared/pipeline/aggregator.ts';
import { type Derived, evaluateDerived } from '#shared/pipeline/derive.ts';
import { rankColumn } from '#shared/pipeline/rows.ts';
import type { TumblingWindow } from '#shared/pipeline/window.ts';
import { decodeKey } from '#shared/schemas/key.ts';
import type { PrintedRow, Row, TotalPartial } from '#shared/schemas/row.ts';
import { toIso } from '#shared/schemas/time.ts';
import type { CompiledAggregate, CompiledStep } from './compile.ts';
import { alignDown } from './window.ts';

/** A window's totals over all keys, by column. */
export type Totals = Readonly<Record<string, number | null | object>>;

/** Merges the slots' partials of one window. A slot without a partial has no record in the window. */
export function mergeTotals(step: CompiledAggregate, partials: readonly TotalPartial[]): Totals {
  const totals: Record<string, number | null | object> = {};
  for (const index of step.totals) {
    const column = step.columns[index] as string;
    const aggregator = step.aggregators[index] as CompiledAggregate['aggregators'][number];
    let merged = aggregator.create();
    for (const partial of partials)
      merged = aggregator.merge(merged, aggregator.decode(partial.columns[column] as Json));
    const total = aggregator.result(merged);
    // Of no values there is no total, which is not one of 0. What has parts is looked into by whoever asks for one.
    totals[column] = typeof total === 'object' ? total : Number(total);
  }
  return totals;
}

export type PrintableRow = Omit<Row, 'position' | 'expiresMs'>;
export type RowPlace = Pick<Row, 'key' | 'windowStartMs' | 'windowEndMs'>;

/** What is printed and served of a row that its step keeps: the row itself or, where the step has a projection, what that makes of it. */
export function printRows(step: CompiledStep, row: PrintableRow, totals: Totals | undefined): readonly PrintedRow[] {
  if (step.projection === undefined) return [printRow(step, row, totals)];
  const { windowStartMs, windowEndMs } = row;
  const columns = { ...decodeKey(row.key), ...row.columns };
  // What it asks totals of are columns of numbers.
  const numbers = totals as Readonly<Record<string, number | null>> | undefined;
  return step.projection.project({ columns, windowStartMs, windowEndMs, totals: numbers }).map((shown): PrintedRow => {
    const { window } = shown;
    const bounds = window && { windowStart: isoOf(window.startMs), windowEnd: isoOf(window.endMs) };
    return { view: row.view, ...bounds, final: row.final, ...shown.columns } as PrintedRow;
  });
}

/**
 * The row as it is printed and served: key columns, columns and derived columns by name, times in ISO 8601. Where the totals are not known,
 * the columns that need them are left out.
 */
export function printRow(step: CompiledStep, row: PrintableRow, totals: Totals | undefined): PrintedRow {
  if (step.op === 'top') return isRankKeyed(step) ? printRanked(step, row) : printWindow(row);
  if (step.op === 'running') return { view: row.view, ...decodeKey(row.key), ...row.columns } as unknown as PrintedRow;
  if (step.op !== 'aggregate') return printWithoutWindow(step, row);
  const windowMs = row.windowEndMs - row.windowStartMs;
  const isGlobal = step.plan.window.kind === 'global';
  const printed: Record<string, unknown> = isGlobal ? printWithoutWindow(step, row) : printWindow(row);
  for (const column in step.plan.derived) {
    const derived = step.plan.derived[column] as Derived<string>;
    if (totals === undefined && derived.kind === 'share-of-total') continue;
    printed[column] = evaluateDerived(derived, { row: row.columns, totals: totals ?? {}, windowMs });
  }
  return printed as PrintedRow;
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

/** Whether the key of a step's rows is their rank, and what they were keyed by before are columns like others. */
export function isRankKeyed({ op, plan }: CompiledStep): boolean {
  return op === 'top' && !('ties' in plan);
}

function rankOf({ key }: RowPlace): number {
  return Number(decodeKey(key)[rankColumn]);
}

/** Orders what was printed of two rows by its JSON. */
export function compareTexts(a: readonly PrintedRow[], b: readonly PrintedRow[]): number {
  const textA = JSON.stringify(a);
  const textB = JSON.stringify(b);
  return textA < textB ? -1 : textA === textB ? 0 : 1;
}

function printWindow(row: PrintableRow): PrintedRow & Record<string, unknown> {
  return {
    view: row.view,
    windowStart: isoOf(row.windowStartMs),
    windowEnd: isoOf(row.windowEndMs),
    final: row.final,
    ...decodeKey(row.key),
    ...row.columns,
  };
}

/** The columns of the ranked row's key stand before those of its step. */
function printRanked({ columns }: CompiledStep, row: PrintableRow): PrintedRow {
  const printed: Record<string, unknown> = {
    view: row.view,
    windowStart: isoOf(row.windowStartMs),
    windowEnd: isoOf(row.windowEndMs),
    final: row.final,
    ...decodeKey(row.key),
  };
  const keyColumns = Object.keys(row.columns).filter((name) => !columns.includes(name));
  for (const column of [...keyColumns.sort(), ...columns]) printed[column] = row.columns[column];
  return printed as PrintedRow;
}

/** The window that a row's time is in. */
export function boundsShown({ sizeMs }: TumblingWindow, timeMs: number): Pick<PrintedRow, 'windowStart' | 'windowEnd'> {
  const startMs = alignDown(timeMs, sizeMs);
  return { windowStart: isoOf(startMs), windowEnd: isoOf(startMs + sizeMs) };
}

function printWithoutWindow(
  step: CompiledStep,
  { view, final, key, windowStartMs, columns: values }: PrintableRow,
): PrintedRow & Record<string, unknown> {
  const hasKey = step.op !== 'select' || step.plan.isKeyed;
  const bounds = step.op === 'select' && step.plan.window && boundsShown(step.plan.window, windowStartMs);
  const printed: Record<string, unknown> = { view, ...bounds, final, ...(hasKey ? decodeKey(key) : undefined) };
  for (const column of step.columns) if (values[column] !== undefined) printed[column] = values[column];
  return printed as PrintedRow & Record<string, unknown>;
}

/** Rows of one window come together, so the last few texts of times are asked for again and again. */
const isoTexts = new Map<number, string>();
const isoTextsMax = 64;

function isoOf(timeMs: number): string {
  let text = isoTexts.get(timeMs);
  if (text === undefined) {
    if (isoTexts.size >= isoTextsMax) isoTexts.clear();
    text = toIso(timeMs);
    isoTexts.set(timeMs, text);
  }
  return text;
}
