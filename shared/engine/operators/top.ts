import type { CompiledRoute, CompiledTop } from '#shared/engine/compile/compile.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import type { TopPlan } from '#shared/pipeline/plan.ts';
import { rankedBy, rankedColumnsOf, rankOrderOf } from '#shared/pipeline/ranking.ts';
import { rankColumn } from '#shared/pipeline/rows.ts';
import { encodeKey, type KeyColumns } from '#shared/schemas/key.ts';
import type { TotalPartial } from '#shared/schemas/row.ts';
import {
  type Accumulators,
  createAccumulators,
  encodeTotal,
  mergeEncodedTotal,
  type TotalledStep,
  totalResultsOf,
} from './accumulate.ts';
import { Contest } from './contest.ts';
import { type Emission, type EmissionContext, expiryOf } from './emit.ts';
import type { Operator, StepInput } from './operator.ts';
import { gridOf, isClosed } from './window.ts';

type Columns = Readonly<Record<string, unknown>>;

/** A window that is open. */
interface RankedWindow {
  readonly contest: Contest<Columns>;
  /** Over all keys, of the slots that have told; null when one could not. */
  total?: Accumulators | null;
}

/** The best rows of each open window of another step, over all keys: what is below the last rank is forgotten at once. */
export class TopRows implements Operator {
  readonly #step: CompiledTop;
  /** By the window's end. */
  readonly #windows = new Map<number, RankedWindow>();
  /** Ends of the windows that have changed since the last save, closed ones too. */
  readonly #changed = new Set<number>();
  /** Those of the save that is under way. */
  readonly #leaving = new Set<number>();

  constructor(step: CompiledTop) {
    this.#step = step;
  }

  get keyCount(): number {
    let count = 0;
    for (const { contest } of this.#windows.values()) count += contest.all().length;
    return count;
  }

  get openCount(): number {
    return this.#windows.size;
  }

  add({ timeMs, values, watermarkMs }: StepInput): boolean {
    const endMs = timeMs + 1;
    if (isClosed(endMs, 0, watermarkMs)) return false;
    const value = values[this.#step.input];
    if (isTotalPart(value)) {
      if (this.#step.shared === undefined) return true;
      this.#addTotal(this.#windowAt(endMs), this.#step.shared, value);
    } else {
      const columns = value as Columns;
      const by = rankedBy(this.#step.plan, columns);
      if (by === undefined) return true;
      this.#windowAt(endMs).contest.add(by as number, this.#keyOf(columns), columns);
    }
    this.#changed.add(endMs);
    return true;
  }

  advance(watermarkMs: number, context: EmissionContext, emission: Emission): void {
    const { id, window, windowMs = 0 } = this.#step.plan;
    for (const [endMs, ranked] of [...this.#windows].sort(([a], [b]) => a - b)) {
      if (!isClosed(endMs, 0, watermarkMs)) return;
      const windowStartMs = window === undefined ? endMs - windowMs : gridOf(window).startOf(endMs);
      for (const { key, columns } of this.#rowsOf(ranked, endMs - windowStartMs)) {
        emission.rows.push({
          view: id,
          key,
          windowStartMs,
          windowEndMs: endMs,
          final: true,
          position: context.position,
          columns,
          expiresMs: expiryOf(this.#step, context.clockMs),
        });
      }
      this.#windows.delete(endMs);
      this.#changed.add(endMs);
    }
  }

  refresh(): void {
    // Every row is final when it is made.
  }

  save(): Iterable<Json> {
    for (const endMs of this.#changed) this.#leaving.add(endMs);
    this.#changed.clear();
    return [...this.#windows.keys()].map((endMs) => this.#saveWindow(endMs));
  }

  endSave(isStored: boolean): void {
    if (!isStored) for (const endMs of this.#leaving) this.#changed.add(endMs);
    this.#leaving.clear();
  }

  *saveChanges(): Iterable<Json> {
    for (const endMs of this.#changed) yield this.#saveWindow(endMs);
  }

  markSaved(): void {
    this.#changed.clear();
  }

  restore(entry: Json): void {
    const [endMs, rows, total] = entry as unknown as SavedWindow;
    this.#windows.delete(endMs);
    if (rows.length === 0 && total === undefined) return;
    const { contest } = this.#windowAt(endMs);
    for (const columns of rows)
      contest.add(rankedBy(this.#step.plan, columns) as number, this.#keyOf(columns), columns);
    const { shared } = this.#step;
    if (shared !== undefined && total !== undefined) this.#addTotal(this.#windowAt(endMs), shared, [total]);
  }

  endRestore(): boolean {
    this.markSaved();
    return true;
  }

  // At most a few thousand rows a window: it is never worth the disk.
  readonly bytesHeld = 0;
  readonly bytesLeaving = 0;
  spill(): void {}
  work(): void {}
  close(): void {}

  #windowAt(endMs: number): RankedWindow {
    let window = this.#windows.get(endMs);
    if (window === undefined) {
      window = { contest: new Contest(this.#step.plan) };
      this.#windows.set(endMs, window);
    }
    return window;
  }

  #addTotal(window: RankedWindow, shared: TotalledStep, [part]: TotalPart): void {
    if (part === null || window.total === null) window.total = null;
    else {
      window.total ??= createAccumulators(shared);
      mergeEncodedTotal(shared, window.total, part);
    }
  }

  #saveWindow(endMs: number): Json {
    const { contest, total } = this.#windows.get(endMs) ?? {};
    const rows = contest?.all() ?? [];
    const { shared } = this.#step;
    const saved: SavedWindow =
      total === undefined || shared === undefined ? [endMs, rows] : [endMs, rows, total && encodeTotal(shared, total)];
    return saved as unknown as Json;
  }

  /** Ranked rows lie under their ranks, with their keys among their columns; those that may share one, under their own keys. */
  #rowsOf({ contest, total }: RankedWindow, windowMs: number): readonly { key: string; columns: Columns }[] {
    const { plan, kept, shared } = this.#step;
    const { ties } = plan;
    const totals = shared === undefined ? {} : totalResultsOf(shared, total);
    const ranked = contest.ranked(rankOrderOf(plan, totals));
    return ranked.map(({ by, key, one }, index) => {
      const derived = rankedColumnsOf(plan, { row: one, totals, windowMs });
      if (ties === undefined) return { key: encodeKey({ [rankColumn]: index + 1 }), columns: { ...one, ...derived } };
      const rank = ties.as === null ? {} : { [ties.as]: 1 + ranked.findIndex((other) => other.by === by) };
      const own = Object.fromEntries(kept.map((name) => [name, one[name]]));
      return { key, columns: { ...rank, ...own, ...derived } };
    });
  }

  #keyOf(columns: Columns): string {
    const { kept } = this.#step;
    const key = Object.fromEntries(Object.entries(columns).filter(([name]) => !kept.includes(name)));
    return encodeKey(key as KeyColumns);
  }
}

/** What a slot has of a window's totals, beside the rows on their route: a list, as no row is one. Null: it was too large to cross. */
export type TotalPart = readonly [columns: TotalPartial['columns'] | null];

/** Whether the step behind a route shows shares. */
export function takesTotals(route: CompiledRoute): route is CompiledRoute & { readonly top: TopPlan } {
  return Object.values(route.top?.derived ?? {}).some(({ kind }) => kind === 'share-of-total');
}

export function isTotalPart(value: unknown): value is TotalPart {
  return Array.isArray(value);
}

/** The rows of a window that may rank, by its end, and what it has in all; without either it is closed. */
type SavedWindow = readonly [endMs: number, rows: readonly Columns[], total?: TotalPartial['columns'] | null];
