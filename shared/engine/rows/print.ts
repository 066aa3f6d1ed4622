import type { CompiledStep } from '#shared/engine/compile/compile.ts';
import { oncePer } from '#shared/engine/compile/once-per.ts';
import { alignDown } from '#shared/engine/operators/window.ts';
import { formulaOf } from '#shared/pipeline/derive.ts';
import { derivedOf } from '#shared/pipeline/plan.ts';
import type { TumblingWindow } from '#shared/pipeline/window.ts';
import { columnsOfKey } from '#shared/schemas/key.ts';
import type { PrintedRow, Row } from '#shared/schemas/row.ts';
import { toIso } from '#shared/schemas/time.ts';
import {
  type Columns,
  compilePrint,
  isRankKeyed,
  type NamedFormula,
  type PrintRow,
  type RowHead,
  showsKey,
  showsWindow,
  type Totals,
} from './print-code.ts';

export type PrintableRow = Omit<Row, 'position' | 'expiresMs'>;

/**
 * Gives a row as it is printed and served: key columns, the step's own in their order, other ones that it has, and derived columns, times
 * in ISO 8601. What is undefined is left out.
 *
 * Each row is one object literal, whose names stand in the source of a function that is made once for all rows whose keys have the same
 * columns. Names are quoted there; of a record there is nothing in it.
 */
export class RowPrinter {
  readonly #step: CompiledStep;
  readonly #derived: readonly NamedFormula[];
  readonly #names: ReadonlySet<string>;
  /** By variant, and by the columns of the key. */
  readonly #functions = new Map<string, PrintRow>();
  /** By variant what has printed its last row, since most keys have the same columns. */
  readonly #last: PrintRow[] = [];
  readonly #showsOthers: boolean;
  readonly #showsWindow: boolean;
  #head: (RowHead & { readonly startMs: number; readonly endMs: number }) | undefined;

  constructor(step: CompiledStep) {
    this.#step = step;
    this.#derived = Object.entries(derivedOf(step.plan)).map(([name, one]) => [name, formulaOf(one)]);
    this.#names = new Set(step.columns);
    this.#showsWindow = showsWindow(step);
    this.#showsOthers = step.op === 'running' || (step.op !== 'select' && this.#showsWindow);
  }

  /** A row of its own. */
  print(row: PrintableRow, totals: Totals | undefined): PrintedRow {
    const { key, columns } = row;
    const others = this.othersOf(columns);
    return this.#print(0, this.headOf(row, totals), key, columns, 0, others);
  }

  /** A row of which each of the step's columns stands in a list of its own, at the same place. `others`: see `othersOf`. */
  printAt(
    head: RowHead,
    key: string,
    columns: readonly (readonly unknown[])[],
    at: number,
    others: Columns | undefined,
  ): PrintedRow {
    return this.#print(isPlaced, head, key, columns, at, others);
  }

  /** The head of a row, which is that of the row before when both have the same bounds. */
  headOf(
    { windowStartMs, windowEndMs, final }: Pick<PrintableRow, 'windowStartMs' | 'windowEndMs' | 'final'>,
    totals: Totals | undefined,
  ): RowHead {
    const last = this.#head;
    if (last !== undefined && last.final === final && last.totals === totals) {
      // Where no window is shown, each row may have times of its own.
      if (!this.#showsWindow || (last.startMs === windowStartMs && last.endMs === windowEndMs)) return last;
    }
    const bounds = this.#boundsOf(windowStartMs, windowEndMs);
    const windowSeconds = (windowEndMs - windowStartMs) / 1_000;
    const head = { ...bounds, windowSeconds, final, totals, startMs: windowStartMs, endMs: windowEndMs };
    this.#head = head;
    return head;
  }

  /**
   * The columns of a row that are shown and are none of its step's: those of a ranked row's former key, by name, and in a table what an
   * earlier plan had. Undefined when there are none.
   */
  othersOf(columns: Columns): Columns | undefined {
    if (!this.#showsOthers) return undefined;
    let others: string[] | undefined;
    for (const name in columns) {
      if (this.#names.has(name)) continue;
      others ??= [];
      others.push(name);
    }
    if (others === undefined) return undefined;
    if (isRankKeyed(this.#step)) others.sort();
    return Object.fromEntries(others.flatMap((name) => (columns[name] === undefined ? [] : [[name, columns[name]]])));
  }

  #boundsOf(startMs: number, endMs: number): { readonly windowStart: string; readonly windowEnd: string } {
    const { op, plan } = this.#step;
    if (op === 'select' && plan.window !== undefined) return boundsShown(plan.window, startMs);
    return this.#showsWindow ? { windowStart: isoOf(startMs), windowEnd: isoOf(endMs) } : noBounds;
  }

  #print(layout: number, ...of: Parameters<PrintRow>): PrintedRow {
    const [head, key, columns, at, others] = of;
    const variant = layout | (others === undefined ? 0 : hasOthers) | (head.totals === undefined ? 0 : hasTotals);
    return (
      this.#last[variant]?.(head, key, columns, at, others) ??
      this.#find(variant, this.#columnsOf(key))(...of) ??
      // A key that no `encodeKey` made.
      (this.#find(variant, undefined)(...of) as PrintedRow)
    );
  }

  #columnsOf(key: string): readonly string[] | undefined {
    return this.#functions.size < functionsMax && showsKey(this.#step) ? columnsOfKey(key) : undefined;
  }

  #find(variant: number, keyColumns: readonly string[] | undefined): PrintRow {
    const name = `${variant}/${keyColumns?.join('&')}`;
    let found = this.#functions.get(name);
    if (found === undefined) {
      found = compilePrint(this.#step, this.#derived, {
        keyColumns,
        isPlaced: (variant & isPlaced) !== 0,
        hasOthers: (variant & hasOthers) !== 0,
        hasTotals: (variant & hasTotals) !== 0,
      });
      this.#functions.set(name, found);
    }
    this.#last[variant] = found;
    return found;
  }
}

/** The printer of a step's rows: one for all who print them. */
export const printerOf: (step: CompiledStep) => RowPrinter = oncePer((step) => new RowPrinter(step));

// The bits of a variant's number: see `PrintVariant`.
const hasOthers = 1;
const isPlaced = 2;
const hasTotals = 4;
/** A key whose columns are told by records may have any number of them, and a function takes a millisecond to make. */
const functionsMax = 64;
const noBounds = { windowStart: '', windowEnd: '' };

/** The window that a row's time is in. */
export function boundsShown(
  { sizeMs }: TumblingWindow,
  timeMs: number,
): { readonly windowStart: string; readonly windowEnd: string } {
  const startMs = alignDown(timeMs, sizeMs);
  return { windowStart: isoOf(startMs), windowEnd: isoOf(startMs + sizeMs) };
}

/** Rows of one window come together, so the last few texts of times are asked for again and again. */
const isoTexts = new Map<number, string>();
const isoTextsMax = 64;

export function isoOf(timeMs: number): string {
  let text = isoTexts.get(timeMs);
  if (text === undefined) {
    if (isoTexts.size >= isoTextsMax) isoTexts.clear();
    text = toIso(timeMs);
    isoTexts.set(timeMs, text);
  }
  return text;
}
