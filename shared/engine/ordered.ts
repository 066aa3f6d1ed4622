import type { Json } from '#shared/pipeline/aggregator.ts';
import type { OrderedWindow } from '#shared/pipeline/window.ts';
import { assert } from '#shared/schemas/error.ts';
import { endOfStreamMs } from '#shared/schemas/punctuation.ts';
import type { Row } from '#shared/schemas/row.ts';
import { type Accumulators, createAccumulators, decodeAccumulators, encodeAccumulators } from './accumulate.ts';
import type { CompiledAggregate } from './compile.ts';
import { type Emission, type EmissionContext, emitRow } from './emit.ts';
import { KeyedState } from './keyed-state.ts';
import { type Codec, readStored, type Stored } from './layers.ts';
import { type Operator, perEntry } from './operator.ts';
import type { Overflow } from './overflow.ts';
import { Timers } from './timers.ts';
import { inOrder, insertWaiting, takeUntil } from './waiting.ts';
import { alignDown, isClosed } from './window.ts';

interface WaitingValues {
  readonly timeMs: number;
  /** By aggregator. */
  readonly values: readonly unknown[];
}

/** The window of a key that records still go into. */
interface OpenWindow {
  readonly startMs: number;
  /** How many windows of the key were whole before it in the millisecond in which it begins: those have the bounds that it may come to have. */
  readonly before: number;
  lastMs: number;
  count: number;
  /** The row that was shown last has all of it. */
  isShown: boolean;
  readonly accumulators: Accumulators;
}

interface KeyEntry {
  /** In the order of event time. */
  waiting: WaitingValues[];
  open: OpenWindow | undefined;
  /** For when the heap has the key, the least last, as in `KeyedProcess`. */
  scheduled: number[];
}

/** What becomes of a key at one time. */
interface Turn {
  readonly key: string;
  readonly timeMs: number;
  readonly context: EmissionContext;
  readonly emission: Emission;
  /** Of a global window: where each key's row is in the emission. Of several that one block leads to only one can be written, so the last is made. */
  readonly places: Map<string, number>;
  /** Windows that were whole in this time, and had begun in it. */
  whole: number;
}

/**
 * Windows of a key that depend on which of its records comes first: sessions with a greatest length, every n records, and one window of
 * all with triggers. Records wait until the watermark, less the allowed lateness, has passed them, and are then taken in the order of event
 * time; at one time by what they hold. So the windows are a function of the set of records that are not late.
 */
export class OrderedAggregate implements Operator {
  readonly #step: CompiledAggregate;
  readonly #window: OrderedWindow;
  readonly #keys: KeyedState<KeyEntry>;
  readonly #byDue: Timers;
  /** What is passed when the stream is over, and not before. */
  readonly #overMs: number;
  #isRestoring = false;

  constructor(step: CompiledAggregate, window: OrderedWindow, overflow?: Overflow) {
    this.#step = step;
    this.#window = window;
    this.#keys = new KeyedState({ codec: codecOf(step), overflow, isMerged: false, bytesPerKey });
    this.#byDue = new Timers(overflow);
    this.#overMs = endOfStreamMs - 1 - step.plan.allowedLatenessMs;
  }

  get keyCount(): number {
    let count = this.#keys.olderCount;
    for (const entry of this.#keys.top.values()) if (!isEmpty(entry)) count += 1;
    return count;
  }

  /** Of what lies on the disk, one a key. */
  get openCount(): number {
    return this.keyCount;
  }

  add(key: string, _keyId: number, timeMs: number, values: readonly unknown[], watermarkMs: number): boolean {
    const { plan, inputs } = this.#step;
    if (isClosed(timeMs + 1, plan.allowedLatenessMs, watermarkMs)) return false;
    const entry = this.#entryOf(key);
    insertWaiting(entry.waiting, { timeMs, values: inputs.map((place) => values[place] ?? null) });
    this.#keys.noteChange(key);
    this.#keys.noteSize(entry);
    this.#schedule(key, entry);
    return true;
  }

  advance(watermarkMs: number, context: EmissionContext, emission: Emission): void {
    const places = new Map<string, number>();
    for (;;) {
      const next = this.#byDue.peek();
      if (next === undefined || !this.#isPassed(next.endMs, watermarkMs)) return;
      this.#byDue.pop();
      const { key } = next;
      const entry = this.#keys.load(key);
      assert(entry?.scheduled.pop() === next.endMs, `key ${key} is scheduled for ${next.endMs}`);
      for (let timeMs = this.#dueOf(entry); this.#isPassed(timeMs, watermarkMs); timeMs = this.#dueOf(entry)) {
        this.#keys.noteChange(key);
        this.#take(entry, { key, timeMs, context, emission, places, whole: 0 });
      }
      this.#schedule(key, entry);
      if (entry.scheduled.length === 0 && isEmpty(entry)) this.#keys.remove(key, createEntry);
    }
  }

  refresh(): void {
    // What is shown follows event time, so it is made when the watermark moves.
  }

  save(): Iterable<Json> {
    return saveEntries(this.#step, withState(this.#keys.hold(createEntry), this.#keys.codec), this.#keys.codec);
  }

  endSave(isStored: boolean): void {
    this.#keys.endSave(isStored);
  }

  *saveChanges(): Iterable<Json> {
    for (const [, entries] of this.#keys.changes()) yield* saveEntries(this.#step, entries, this.#keys.codec);
  }

  markSaved(): void {
    this.#keys.markSaved();
  }

  restore(saved: Json): void {
    this.#isRestoring = true;
    for (const [key, kept] of saved as unknown as readonly SavedKey[]) {
      const entry = this.#entryOf(key);
      setKept(this.#step, entry, kept);
      this.#schedule(key, entry);
      if (entry.scheduled.length === 0 && isEmpty(entry)) this.#keys.remove(key, createEntry);
    }
  }

  endRestore(): boolean {
    this.#isRestoring = false;
    this.#keys.endRestore();
    return true;
  }

  get bytesHeld(): number {
    return this.#keys.bytesHeld;
  }

  get bytesLeaving(): number {
    return this.#keys.bytesLeaving;
  }

  spill(): void {
    this.#keys.spill(createEntry, this.#isRestoring);
  }

  work(entryCount: number): void {
    this.#keys.work(entryCount);
  }

  close(): void {
    this.#keys.close();
    this.#byDue.close();
  }

  /** Takes the records of one time, then does what is due at that time behind them. */
  #take(entry: KeyEntry, turn: Turn): void {
    const taken = takeUntil(entry.waiting, turn.timeMs);
    // Of equal ones it does not matter which is first.
    for (const { values } of inOrder(taken.map((record) => ({ ...record, input: 0, at: '' }))))
      this.#takeValues(entry, values, turn);
    if (entry.open !== undefined && this.#endOf(entry.open) <= turn.timeMs) this.#end(entry, entry.open, turn);
  }

  #takeValues(entry: KeyEntry, values: readonly unknown[], turn: Turn): void {
    const { aggregators } = this.#step;
    const { timeMs } = turn;
    const window = this.#window;
    if (entry.open !== undefined && window.kind === 'session' && timeMs >= entry.open.startMs + window.maxLengthMs)
      this.#end(entry, entry.open, turn);
    entry.open ??= {
      startMs: timeMs,
      before: turn.whole,
      lastMs: timeMs,
      count: 0,
      isShown: false,
      accumulators: createAccumulators(this.#step),
    };
    const { open } = entry;
    for (const [at, aggregator] of aggregators.entries())
      open.accumulators[at] = aggregator.add(open.accumulators[at], values[at]);
    open.lastMs = timeMs;
    open.count += 1;
    open.isShown = false;
    if (window.kind === 'count' && open.count === window.count) {
      this.#show(open, turn, true);
      entry.open = undefined;
    } else if (window.kind === 'global' && open.count % (window.everyRecords ?? Number.POSITIVE_INFINITY) === 0) {
      this.#show(open, turn, false);
    }
  }

  /** When something is to be done with an open window without another record: behind the records of this time. */
  #endOf(open: OpenWindow): number {
    const window = this.#window;
    switch (window.kind) {
      case 'session':
        return sessionEnd(open, window);
      case 'count':
        if (window.ttlMs !== undefined) return Math.min(open.lastMs + window.ttlMs, this.#overMs);
        return window.incomplete === 'emit' ? this.#overMs : Number.POSITIVE_INFINITY;
      case 'global': {
        const goneMs = window.ttlMs === undefined ? this.#overMs : open.lastMs + window.ttlMs;
        if (open.isShown || window.everyMs === undefined) return goneMs;
        return Math.min(goneMs, alignDown(open.lastMs, window.everyMs) + window.everyMs - 1);
      }
    }
  }

  #end(entry: KeyEntry, open: OpenWindow, turn: Turn): void {
    const window = this.#window;
    if (window.kind === 'global') {
      const isOver = window.ttlMs === undefined && turn.timeMs >= this.#overMs;
      // A key that begins anew is shown in the same row, so this one is not its last.
      if (isOver || !open.isShown) this.#show(open, turn, isOver);
      if (isOver || (window.ttlMs !== undefined && turn.timeMs >= open.lastMs + window.ttlMs)) entry.open = undefined;
      return;
    }
    if (window.kind === 'session' || window.incomplete === 'emit') this.#show(open, turn, true);
    entry.open = undefined;
  }

  #show(open: OpenWindow, turn: Turn, final: boolean): void {
    const { key, context, emission } = turn;
    const { startMs, lastMs, accumulators } = open;
    open.isShown = true;
    const row = { key, final, accumulators };
    const window = this.#window;
    switch (window.kind) {
      case 'session':
        emitRow(emission, this.#step, context, { ...row, window: { startMs, endMs: sessionEnd(open, window) } });
        return;
      case 'count': {
        // Only windows that lie in one millisecond may have the bounds of others.
        const id = startMs < lastMs || open.before === 0 ? {} : { id: String(open.before).padStart(6, '0') };
        if (startMs === turn.timeMs) turn.whole += 1;
        emitRow(emission, this.#step, context, { ...row, window: { startMs, endMs: lastMs + 1 }, ...id });
        return;
      }
      case 'global': {
        emitRow(emission, this.#step, context, { ...row, window: { startMs: 0, endMs: 0 }, id: '' });
        const place = turn.places.get(key);
        if (place === undefined) turn.places.set(key, emission.rows.length - 1);
        else emission.rows[place] = emission.rows.pop() as Row;
      }
    }
  }

  #isPassed(timeMs: number, watermarkMs: number): boolean {
    return timeMs < Number.POSITIVE_INFINITY && isClosed(timeMs + 1, this.#step.plan.allowedLatenessMs, watermarkMs);
  }

  #dueOf({ waiting, open }: KeyEntry): number {
    return Math.min(
      waiting[0]?.timeMs ?? Number.POSITIVE_INFINITY,
      open === undefined ? Number.POSITIVE_INFINITY : this.#endOf(open),
    );
  }

  #schedule(key: string, entry: KeyEntry): void {
    const dueMs = this.#dueOf(entry);
    if (dueMs >= (entry.scheduled.at(-1) ?? Number.POSITIVE_INFINITY)) return;
    entry.scheduled.push(dueMs);
    this.#byDue.add(dueMs, key);
  }

  #entryOf(key: string): KeyEntry {
    let entry = this.#keys.load(key);
    if (entry === undefined) {
      entry = createEntry();
      this.#keys.set(key, entry);
    }
    return entry;
  }
}

/** Of the structures around what is kept. */
const bytesPerKey = 500;

function createEntry(): KeyEntry {
  return { waiting: [], open: undefined, scheduled: [] };
}

/** A gap behind the last record, and no further from the first than the greatest length. */
function sessionEnd(
  { startMs, lastMs }: OpenWindow,
  { gapMs, maxLengthMs }: Extract<OrderedWindow, { kind: 'session' }>,
): number {
  return Math.min(lastMs + gapMs, startMs + maxLengthMs);
}

function codecOf(step: CompiledAggregate): Codec<KeyEntry> {
  return {
    encode: (entry) => [keptOf(step, entry), entry.scheduled] as unknown as Json,
    decode: (encoded) => {
      const [kept, scheduled] = encoded as unknown as readonly [SavedKey[1], readonly number[]];
      const entry = createEntry();
      setKept(step, entry, kept);
      entry.scheduled = [...scheduled];
      return entry;
    },
    merge: () => {
      throw new Error('Bug in Millrace: what is kept of a key is of one part');
    },
    isGone: (entry) => isEmpty(entry) && entry.scheduled.length === 0,
  };
}

function* withState(
  entries: Iterable<readonly [key: string, stored: Stored<KeyEntry>]>,
  codec: Codec<KeyEntry>,
): Iterable<readonly [key: string, stored: Stored<KeyEntry>]> {
  for (const [key, stored] of entries) {
    const value = readStored(codec, stored);
    if (!isEmpty(value)) yield [key, { value }];
  }
}

function* saveEntries(
  step: CompiledAggregate,
  entries: Iterable<readonly [key: string, stored: Stored<KeyEntry> | undefined]>,
  codec: Codec<KeyEntry>,
): Iterable<Json> {
  for (const some of perEntry(entries))
    yield some.map(
      ([key, stored]): SavedKey => [key, stored === undefined ? null : keptOf(step, readStored(codec, stored))],
    ) as unknown as Json;
}

/** What `save` gave, with windows that are all to be shown again. */
export function notShown(saved: Json): Json {
  return (saved as unknown as readonly SavedKey[]).map(([key, kept]): SavedKey => {
    const [open, waiting] = kept ?? [];
    return open && waiting ? [key, [open.with(3, 0) as unknown as SavedWindow, waiting]] : [key, kept];
  }) as unknown as Json;
}

function keptOf(step: CompiledAggregate, { waiting, open }: KeyEntry): SavedKey[1] {
  if (waiting.length === 0 && open === undefined) return null;
  return [open === undefined ? null : savedOf(step, open), waiting.map(({ timeMs, values }) => [timeMs, values])];
}

function savedOf(step: CompiledAggregate, open: OpenWindow): SavedWindow {
  const { startMs, before, lastMs, count, isShown, accumulators } = open;
  return [startMs, lastMs, count, isShown ? 1 : 0, encodeAccumulators(step, accumulators), before];
}

function setKept(step: CompiledAggregate, entry: KeyEntry, kept: SavedKey[1]): void {
  const [open, waiting] = kept ?? [null, []];
  entry.waiting = waiting.map(([timeMs, values]) => ({ timeMs, values }));
  if (open === null) {
    entry.open = undefined;
    return;
  }
  const [startMs, lastMs, count, isShown, encoded, before] = open;
  const accumulators = decodeAccumulators(step, encoded);
  entry.open = { startMs, before, lastMs, count, isShown: isShown === 1, accumulators };
}

function isEmpty({ waiting, open }: KeyEntry): boolean {
  return waiting.length === 0 && open === undefined;
}

type SavedWindow = readonly [
  startMs: number,
  lastMs: number,
  count: number,
  isShown: 0 | 1,
  accumulators: readonly Json[],
  before: number,
];

/** All of a key; null when there is nothing any more. */
type SavedKey = readonly [
  key: string,
  kept:
    | readonly [open: SavedWindow | null, waiting: readonly (readonly [timeMs: number, values: readonly unknown[]])[]]
    | null,
];
