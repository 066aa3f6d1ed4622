import { type Codec, readStored, type Stored } from '#shared/engine/state/layers.ts';
import type { Overflow } from '#shared/engine/state/overflow.ts';
import { type Timer, Timers } from '#shared/engine/state/timers.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { assert } from '#shared/schemas/error.ts';
import type { Emission, EmissionContext } from './emit.ts';
import { KeyedOperator } from './keyed-operator.ts';
import { perEntry } from './operator.ts';
import { isClosed } from './window.ts';

/** What is kept of a key, and when the key is to be looked at. */
export interface ScheduledEntry {
  /** For when the heap has the key, the least last. One that comes too early is looked at and put back, so there are never many. */
  scheduled: number[];
}

/** All of a key; null when there is nothing any more. */
export type SavedKey<Kept> = readonly [key: string, kept: Kept | null];

/** What an operator keeps of a key, and how it is stored. */
export interface KeptKind<Entry extends ScheduledEntry, Kept> {
  readonly create: () => Entry;
  /** Nothing is kept of it. */
  readonly isEmpty: (entry: Entry) => boolean;
  /** Of one that is not empty. */
  readonly save: (entry: Entry) => Kept;
  /** Puts what was saved in the place of what the entry has; null: nothing. */
  readonly restore: (entry: Entry, kept: Kept | null) => void;
}

/** Of the structures around what is kept. */
const bytesPerKey = 500;

/**
 * An operator whose keys are looked at in the order of event time. The order of a slot's log is not that, and differs from run to run: so
 * what comes waits until the watermark, less the allowed lateness, has passed it. What becomes of a key is then a function of the set of
 * records that are not late.
 */
export abstract class KeysInOrder<Entry extends ScheduledEntry, Kept> extends KeyedOperator<Entry> {
  readonly #kind: KeptKind<Entry, Kept>;
  readonly #allowedLatenessMs: number;
  /** When a key is to be looked at: each of these times is in the key's `scheduled`, and the key stays until they are over. */
  readonly #byDue: Timers;

  constructor(
    kind: KeptKind<Entry, Kept>,
    { allowedLatenessMs, overflow }: { readonly allowedLatenessMs: number; readonly overflow: Overflow | undefined },
  ) {
    super({ codec: codecOf(kind), overflow, bytesPerKey, gone: kind.create });
    this.#kind = kind;
    this.#allowedLatenessMs = allowedLatenessMs;
    this.#byDue = new Timers(overflow);
  }

  /** When something is to be done next; plus infinity: never. */
  protected abstract dueOf(entry: Entry): number;
  /** Does what is due for a key at one time. */
  protected abstract take(
    key: string,
    entry: Entry,
    timeMs: number,
    context: EmissionContext,
    emission: Emission,
  ): void;

  /** All that is due for a key is done. */
  protected endTurn(_key: string, _context: EmissionContext, _emission: Emission): void {}

  override get keyCount(): number {
    let count = this.keys.olderCount;
    for (const entry of this.keys.top.values()) if (!this.#kind.isEmpty(entry)) count += 1;
    return count;
  }

  advance(watermarkMs: number, context: EmissionContext, emission: Emission): void {
    if (this.#nextDue(watermarkMs) !== undefined) emission.rest.push(this.#takeDue(watermarkMs, context, emission));
  }

  save(): Iterable<Json> {
    return this.#saveEntries(this.#withState(this.keys.hold()));
  }

  *saveChanges(): Iterable<Json> {
    for (const [, entries] of this.keys.changes()) yield* this.#saveEntries(entries);
  }

  protected restoreEntry(saved: Json): void {
    for (const [key, kept] of saved as unknown as readonly SavedKey<Kept>[]) {
      const entry = this.keys.take(key);
      this.#kind.restore(entry, kept);
      this.#settle(key, entry);
    }
  }

  override close(): void {
    super.close();
    this.#byDue.close();
  }

  /** The key has something more that waits. */
  protected noteWaiting(key: string, entry: Entry): void {
    this.keys.noteChange(key);
    this.keys.noteSize(entry);
    this.#schedule(key, entry);
  }

  #nextDue(watermarkMs: number): Timer | undefined {
    const next = this.#byDue.peek();
    return next !== undefined && this.#isPassed(next.endMs, watermarkMs) ? next : undefined;
  }

  /** All that is due for a key is done before the next one's turn, and before a pause. */
  *#takeDue(watermarkMs: number, context: EmissionContext, emission: Emission): Generator<number> {
    for (let next = this.#nextDue(watermarkMs); next !== undefined; next = this.#nextDue(watermarkMs)) {
      this.#byDue.pop();
      const { key } = next;
      const entry = this.keys.load(key);
      assert(entry?.scheduled.pop() === next.endMs, `key ${key} is scheduled for ${next.endMs}`);
      let count = 1;
      for (let timeMs = this.dueOf(entry); this.#isPassed(timeMs, watermarkMs); timeMs = this.dueOf(entry)) {
        this.keys.noteChange(key);
        this.take(key, entry, timeMs, context, emission);
        count += 1;
      }
      this.endTurn(key, context, emission);
      this.#settle(key, entry);
      if (this.keys.isCrowded) yield* this.keys.makeRoom();
      yield count;
    }
  }

  #isPassed(timeMs: number, watermarkMs: number): boolean {
    return timeMs < Number.POSITIVE_INFINITY && isClosed(timeMs + 1, this.#allowedLatenessMs, watermarkMs);
  }

  #settle(key: string, entry: Entry): void {
    this.#schedule(key, entry);
    if (entry.scheduled.length === 0 && this.#kind.isEmpty(entry)) this.keys.remove(key);
  }

  #schedule(key: string, entry: Entry): void {
    const dueMs = this.dueOf(entry);
    if (dueMs >= (entry.scheduled.at(-1) ?? Number.POSITIVE_INFINITY)) return;
    entry.scheduled.push(dueMs);
    this.#byDue.add(dueMs, key);
  }

  *#withState(entries: Entries<Entry>): Entries<Entry> {
    for (const [key, stored] of entries) {
      const value = readStored(this.keys.codec, stored);
      if (!this.#kind.isEmpty(value)) yield [key, { value }];
    }
  }

  *#saveEntries(entries: Iterable<readonly [key: string, stored: Stored<Entry> | undefined]>): Iterable<Json> {
    for (const some of perEntry(entries))
      yield some.map(
        ([key, stored]): SavedKey<Kept> => [
          key,
          stored === undefined ? null : keptOf(this.#kind, readStored(this.keys.codec, stored)),
        ],
      ) as unknown as Json;
  }
}

type Entries<Entry> = Iterable<readonly [key: string, stored: Stored<Entry>]>;

function keptOf<Entry extends ScheduledEntry, Kept>(kind: KeptKind<Entry, Kept>, entry: Entry): Kept | null {
  return kind.isEmpty(entry) ? null : kind.save(entry);
}

function codecOf<Entry extends ScheduledEntry, Kept>(kind: KeptKind<Entry, Kept>): Codec<Entry> {
  return {
    encode: (entry) => [keptOf(kind, entry), entry.scheduled] as unknown as Json,
    decode: (encoded) => {
      const [kept, scheduled] = encoded as unknown as readonly [Kept | null, readonly number[]];
      const entry = kind.create();
      kind.restore(entry, kept);
      entry.scheduled = [...scheduled];
      return entry;
    },
    isGone: (entry) => kind.isEmpty(entry) && entry.scheduled.length === 0,
  };
}
