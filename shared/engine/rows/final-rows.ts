import type { CompiledStep } from '#shared/engine/compile/compile.ts';
import { orderByNumbers, placesOf, sortTies } from '#shared/engine/state/number-order.ts';
import { orderNumbers } from '#shared/engine/state/text-order.ts';
import type { PrintedRow, Row, TotalPartial } from '#shared/schemas/row.ts';
import { type PrintableRow, printerOf, type RowPrinter } from './print.ts';
import { type Columns, compileKeep, isRankKeyed, type KeepColumns, type RowHead, type Totals } from './print-code.ts';
import { mergeTotals, printRows, rankOf } from './read.ts';

/**
 * The final rows of one view, kept until the input is through, since views follow one another and a session may begin before one
 * that closed earlier. They are kept by column, a few bytes each, and printed one by one.
 */
export class FinalRows {
  readonly #step: CompiledStep;
  readonly #printer: RowPrinter;
  readonly #keys: string[] = [];
  readonly #startMs: number[] = [];
  readonly #endMs: number[] = [];
  readonly #columns: readonly unknown[][];
  readonly #keep: KeepColumns;
  /** Of ranked rows, whose columns no plan knows: see `RowPrinter.othersOf`. */
  readonly #others: (Columns | undefined)[] | undefined;
  /** Of a global window, whose one row changes, where each key's is. */
  readonly #places: Map<string, number> | undefined;
  readonly #isFinal: boolean;
  /** Of the row that was printed last. */
  #head: { readonly windowStartMs: number; readonly windowEndMs: number; readonly head: RowHead } | undefined;
  /** By window start and end. */
  readonly #totals = new Map<number, Map<number, Totals>>();

  constructor(step: CompiledStep) {
    this.#step = step;
    this.#printer = printerOf(step);
    this.#columns = step.columns.map(() => []);
    this.#keep = compileKeep(step.columns);
    this.#others = isRankKeyed(step) ? [] : undefined;
    const window = step.op === 'aggregate' ? step.plan.window : undefined;
    this.#places = window?.kind === 'global' ? new Map() : undefined;
    // The row of a key that was given up may change when the key comes again.
    this.#isFinal = window?.kind !== 'global' || window.ttlMs === undefined;
  }

  add(row: Row): void {
    const { key, columns } = row;
    const place = this.#places?.get(key) ?? this.#keys.length;
    if (place === this.#keys.length) {
      this.#places?.set(key, place);
      this.#keys.push(key);
      this.#startMs.push(row.windowStartMs);
      this.#endMs.push(row.windowEndMs);
      this.#others?.push(this.#printer.othersOf(columns));
    }
    this.#keep(columns, this.#columns, place);
  }

  addTotal(partial: TotalPartial): void {
    if (this.#step.op !== 'aggregate') return;
    const { windowStartMs, windowEndMs } = partial;
    this.#head = undefined;
    const ofStart = this.#totals.get(windowStartMs) ?? new Map<number, Totals>();
    this.#totals.set(windowStartMs, ofStart.set(windowEndMs, mergeTotals(this.#step, [partial])));
  }

  /** The rows of some views, one view after the other, each in its order (see `compareInOrder`), and each row made when it is asked for. */
  static *print(views: readonly FinalRows[]): Generator<PrintedRow> {
    for (const view of views) {
      const order = view.#order();
      const isProjected = view.#step.projection !== undefined;
      for (let index = 0; index < order.length; index += 1) {
        const at = order[index] as number;
        if (isProjected) yield* view.#printShown(at);
        else yield view.#printAt(at);
      }
    }
  }

  #printAt(at: number): PrintedRow {
    const others = this.#others === undefined ? undefined : this.#others[at];
    return this.#printer.printAt(this.#headAt(at), this.#keys[at] as string, this.#columns, at, others);
  }

  /** Rows of one window follow one another, and have one head. */
  #headAt(at: number): RowHead {
    const windowStartMs = this.#startMs[at] as number;
    const windowEndMs = this.#endMs[at] as number;
    let last = this.#head;
    if (last === undefined || last.windowStartMs !== windowStartMs || last.windowEndMs !== windowEndMs) {
      const bounds = { windowStartMs, windowEndMs, final: this.#isFinal };
      last = { windowStartMs, windowEndMs, head: this.#printer.headOf(bounds, this.#totalsAt(at)) };
      this.#head = last;
    }
    return last.head;
  }

  #printShown(at: number): readonly PrintedRow[] {
    return printRows(this.#step, this.#rowAt(at), this.#totalsAt(at));
  }

  #totalsAt(at: number): Totals {
    if (this.#totals.size === 0) return noTotals;
    return this.#totals.get(this.#startMs[at] as number)?.get(this.#endMs[at] as number) ?? noTotals;
  }

  /** The places of the rows, in the order in which they are printed. */
  #order(): Uint32Array {
    const places = placesOf(this.#keys);
    const starts = Float64Array.from(this.#startMs);
    if (isRankKeyed(this.#step)) {
      const ranks = Float64Array.from(this.#keys, (key) => rankOf({ key }));
      const byRank = orderByNumbers(places, ranks);
      return orderByNumbers(orderByNumbers(byRank, Float64Array.from(this.#endMs)), starts);
    }
    const keys = orderNumbers(this.#keys);
    const order = orderByNumbers(orderByNumbers(places, keys), starts);
    sortTies(order, [keys, starts], (tied) => this.#sortTied(tied));
    return order;
  }

  /** Sorts places of rows that begin at one time. */
  #sortTied(places: Uint32Array): void {
    const texts = new Map<number, string>();
    const textAt = (at: number): string => {
      const text = texts.get(at) ?? JSON.stringify(this.#printShown(at));
      texts.set(at, text);
      return text;
    };
    places.sort((a, b) => {
      const [keyA, keyB] = [this.#keys[a] as string, this.#keys[b] as string];
      if (keyA !== keyB) return keyA < keyB ? -1 : 1;
      const byEnd = (this.#endMs[a] as number) - (this.#endMs[b] as number);
      // Windows of a key that have the same bounds were made in their order; rows without a window have none.
      if (byEnd !== 0 || this.#step.op === 'aggregate') return byEnd;
      return textAt(a) < textAt(b) ? -1 : textAt(a) === textAt(b) ? 0 : 1;
    });
  }

  #rowAt(at: number): PrintableRow {
    const columns: Record<string, unknown> = { ...this.#others?.[at] };
    for (const [index, name] of this.#step.columns.entries()) {
      const value = this.#columns[index]?.[at];
      if (value !== undefined) columns[name] = value;
    }
    return {
      view: this.#step.plan.id,
      key: this.#keys[at] as string,
      windowStartMs: this.#startMs[at] as number,
      windowEndMs: this.#endMs[at] as number,
      final: this.#isFinal,
      columns,
    };
  }
}

const noTotals: Totals = {};
