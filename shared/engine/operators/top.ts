import type { CompiledTop } from '#shared/engine/compile/compile.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { rankColumn, rankedBy } from '#shared/pipeline/rows.ts';
import { encodeKey, type KeyColumns } from '#shared/schemas/key.ts';
import { type Emission, type EmissionContext, expiryOf } from './emit.ts';
import type { Operator, StepInput } from './operator.ts';
import { gridOf, isClosed } from './window.ts';

/** A row while others may still rank above it. */
export interface Ranked {
  readonly by: number;
  /** Canonical key. */
  readonly key: string;
  readonly columns: Readonly<Record<string, unknown>>;
}

/** The best rows of each open window of another step, over all keys: what is below the last rank is forgotten at once. */
export class TopRows implements Operator {
  readonly #step: CompiledTop;
  /** By the window's end, the best first. */
  readonly #windows = new Map<number, Ranked[]>();
  /** Ends of the windows that have changed since the last save, closed ones too. */
  readonly #changed = new Set<number>();
  /** Those of the save that is under way. */
  readonly #leaving = new Set<number>();

  constructor(step: CompiledTop) {
    this.#step = step;
  }

  get keyCount(): number {
    let count = 0;
    for (const ranked of this.#windows.values()) count += ranked.length;
    return count;
  }

  get openCount(): number {
    return this.#windows.size;
  }

  add({ timeMs, values, watermarkMs }: StepInput): boolean {
    const endMs = timeMs + 1;
    if (isClosed(endMs, 0, watermarkMs)) return false;
    const columns = values[this.#step.input] as Ranked['columns'];
    const by = rankedBy(this.#step.plan, columns);
    if (by === undefined) return true;
    const ranked = this.#windows.get(endMs) ?? [];
    insertRanked(ranked, this.#rankedOf(columns, by as number), this.#step.plan);
    this.#windows.set(endMs, ranked);
    this.#changed.add(endMs);
    return true;
  }

  advance(watermarkMs: number, context: EmissionContext, emission: Emission): void {
    const { id, window, windowMs = 0 } = this.#step.plan;
    for (const [endMs, ranked] of [...this.#windows].sort(([a], [b]) => a - b)) {
      if (!isClosed(endMs, 0, watermarkMs)) return;
      for (const { key, columns } of this.#rowsOf(ranked)) {
        emission.rows.push({
          view: id,
          key,
          windowStartMs: window === undefined ? endMs - windowMs : gridOf(window).startOf(endMs),
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
    const [endMs, rows] = entry as unknown as SavedWindow;
    if (rows.length === 0) this.#windows.delete(endMs);
    else
      this.#windows.set(
        endMs,
        rows.map((columns) => this.#rankedOf(columns)),
      );
  }

  endRestore(): boolean {
    this.markSaved();
    return true;
  }

  // At most a thousand rows a window: it is never worth the disk.
  readonly bytesHeld = 0;
  readonly bytesLeaving = 0;
  spill(): void {}
  work(): void {}
  close(): void {}

  #saveWindow(endMs: number): Json {
    const saved: SavedWindow = [endMs, (this.#windows.get(endMs) ?? []).map(({ columns }) => columns)];
    return saved as unknown as Json;
  }

  /** Ranked rows lie under their ranks, with their keys among their columns; those that may share one, under their own keys. */
  #rowsOf(ranked: readonly Ranked[]): readonly Pick<Ranked, 'key' | 'columns'>[] {
    const { plan, kept } = this.#step;
    const { ties } = plan;
    if (ties === undefined)
      return ranked.map(({ columns }, index) => ({ key: encodeKey({ [rankColumn]: index + 1 }), columns }));
    return ranked.map(({ by, key, columns }) => {
      const rank = ties.as === null ? {} : { [ties.as]: 1 + ranked.findIndex((other) => other.by === by) };
      return { key, columns: { ...rank, ...Object.fromEntries(kept.map((name) => [name, columns[name]])) } };
    });
  }

  #rankedOf(columns: Ranked['columns'], by = rankedBy(this.#step.plan, columns) as number): Ranked {
    const { kept } = this.#step;
    const key = Object.fromEntries(Object.entries(columns).filter(([name]) => !kept.includes(name)));
    return { by, key: encodeKey(key as KeyColumns), columns };
  }
}

/**
 * Puts a row in its place among the `count` best ones: the higher value first, and of equal ones the lower key. Where ties are kept, those
 * with the last one's value are there too.
 */
export function insertRanked<One extends Omit<Ranked, 'columns'>>(
  ranked: One[],
  row: One,
  { count, ties }: { readonly count: number; readonly ties?: unknown },
): void {
  // What is below the last rank is told without a search.
  const last = ranked[count - 1];
  if (last !== undefined && (ties === undefined ? !isAbove(row, last) : row.by < last.by)) return;
  let low = 0;
  let high = ranked.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isAbove(row, ranked[middle] as One)) high = middle;
    else low = middle + 1;
  }
  ranked.splice(low, 0, row);
  const lowest = (ranked[count - 1] as One | undefined)?.by;
  while (ranked.length > count && (ties === undefined || ranked.at(-1)?.by !== lowest)) ranked.pop();
}

function isAbove(row: Omit<Ranked, 'columns'>, other: Omit<Ranked, 'columns'>): boolean {
  return row.by > other.by || (row.by === other.by && row.key < other.key);
}

/** The ranked rows of a window, by its end; without any it is closed. At most a thousand rows. */
type SavedWindow = readonly [endMs: number, rows: readonly Ranked['columns'][]];
