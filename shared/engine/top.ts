import type { Json } from '#shared/pipeline/aggregator.ts';
import { rankColumn } from '#shared/pipeline/rows.ts';
import { encodeKey, type KeyColumns } from '#shared/schemas/key.ts';
import type { CompiledTop } from './compile.ts';
import { type Emission, type EmissionContext, expiryOf } from './emit.ts';
import type { Operator } from './operator.ts';
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

  add(_key: string, _keyId: number, timeMs: number, values: readonly unknown[], watermarkMs: number): boolean {
    const endMs = timeMs + 1;
    if (isClosed(endMs, 0, watermarkMs)) return false;
    const ranked = this.#windows.get(endMs) ?? [];
    insertRanked(ranked, this.#rankedOf(values[this.#step.input] as Ranked['columns']), this.#step.plan.count);
    this.#windows.set(endMs, ranked);
    this.#changed.add(endMs);
    return true;
  }

  advance(watermarkMs: number, context: EmissionContext, emission: Emission): void {
    const { id, window, windowMs = 0 } = this.#step.plan;
    for (const [endMs, ranked] of [...this.#windows].sort(([a], [b]) => a - b)) {
      if (!isClosed(endMs, 0, watermarkMs)) return;
      for (const [index, { columns }] of ranked.entries()) {
        emission.rows.push({
          view: id,
          key: encodeKey({ [rankColumn]: index + 1 }),
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

  #rankedOf(columns: Ranked['columns']): Ranked {
    const { plan, columns: columnNames } = this.#step;
    const key = Object.fromEntries(Object.entries(columns).filter(([name]) => !columnNames.includes(name)));
    return { by: columns[plan.by] as number, key: encodeKey(key as KeyColumns), columns };
  }
}

/** Puts a row in its place among the `count` best ones: the higher value first, and of equal ones the lower key. */
export function insertRanked<One extends Omit<Ranked, 'columns'>>(ranked: One[], row: One, count: number): void {
  let place = ranked.length;
  while (place > 0 && isAbove(row, ranked[place - 1] as One)) place -= 1;
  if (place >= count) return;
  ranked.splice(place, 0, row);
  if (ranked.length > count) ranked.pop();
}

function isAbove(row: Omit<Ranked, 'columns'>, other: Omit<Ranked, 'columns'>): boolean {
  return row.by > other.by || (row.by === other.by && row.key < other.key);
}

/** The ranked rows of a window, by its end; without any it is closed. At most a thousand rows. */
type SavedWindow = readonly [endMs: number, rows: readonly Ranked['columns'][]];
