import type { CompiledAggregate } from '#shared/engine/compile/compile.ts';
import type { Overflow } from '#shared/engine/state/overflow.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import type { OrderedWindow } from '#shared/pipeline/window.ts';
import { endOfStreamMs } from '#shared/schemas/punctuation.ts';
import type { Row } from '#shared/schemas/row.ts';
import { type Accumulators, createAccumulators, decodeAccumulators, encodeAccumulators } from './accumulate.ts';
import { type Emission, type EmissionContext, emitRow } from './emit.ts';
import { type KeptKind, KeysInOrder, type SavedKey, type ScheduledEntry } from './keys-in-order.ts';
import type { StepInput } from './operator.ts';
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

interface KeyEntry extends ScheduledEntry {
  /** In the order of event time. */
  waiting: WaitingValues[];
  open: OpenWindow | undefined;
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
export class OrderedAggregate extends KeysInOrder<KeyEntry, Kept> {
  readonly #step: CompiledAggregate;
  readonly #window: OrderedWindow;
  /** What is passed when the stream is over, and not before. */
  readonly #overMs: number;
  /** Of the watermark at hand; see `Turn`. */
  #places = new Map<string, number>();

  constructor(step: CompiledAggregate, window: OrderedWindow, overflow?: Overflow) {
    super(kindOf(step), { allowedLatenessMs: step.plan.allowedLatenessMs, overflow });
    this.#step = step;
    this.#window = window;
    this.#overMs = endOfStreamMs - 1 - step.plan.allowedLatenessMs;
  }

  /** Of what lies on the disk, one a key. */
  get openCount(): number {
    return this.keyCount;
  }

  add({ key: { text: key }, timeMs, values, watermarkMs }: StepInput): boolean {
    const { plan, inputs } = this.#step;
    if (isClosed(timeMs + 1, plan.allowedLatenessMs, watermarkMs)) return false;
    const entry = this.keys.take(key);
    insertWaiting(entry.waiting, { timeMs, values: inputs.map((place) => values[place] ?? null) });
    this.noteWaiting(key, entry);
    return true;
  }

  override advance(watermarkMs: number, context: EmissionContext, emission: Emission): void {
    this.#places = new Map();
    super.advance(watermarkMs, context, emission);
  }

  refresh(): void {
    // What is shown follows event time, so it is made when the watermark moves.
  }

  /** Takes the records of one time, then does what is due at that time behind them. */
  protected take(key: string, entry: KeyEntry, timeMs: number, context: EmissionContext, emission: Emission): void {
    const turn = { key, timeMs, context, emission, places: this.#places, whole: 0 };
    const taken = takeUntil(entry.waiting, timeMs);
    // Of equal ones it does not matter which is first.
    for (const { values } of inOrder(taken.map((record) => ({ ...record, input: 0, at: '' }))))
      this.#takeValues(entry, values, turn);
    if (entry.open !== undefined && this.#endOf(entry.open) <= timeMs) this.#end(entry, entry.open, turn);
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

  protected dueOf({ waiting, open }: KeyEntry): number {
    return Math.min(
      waiting[0]?.timeMs ?? Number.POSITIVE_INFINITY,
      open === undefined ? Number.POSITIVE_INFINITY : this.#endOf(open),
    );
  }
}

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

function kindOf(step: CompiledAggregate): KeptKind<KeyEntry, Kept> {
  return {
    create: createEntry,
    isEmpty,
    save: (entry) => keptOf(step, entry),
    restore: (entry, kept) => setKept(step, entry, kept),
  };
}

/** What `save` gave, with windows that are all to be shown again. */
export function notShown(saved: Json): Json {
  return (saved as unknown as readonly SavedKey<Kept>[]).map(([key, kept]): SavedKey<Kept> => {
    const [open, waiting] = kept ?? [];
    return open && waiting ? [key, [open.with(3, 0) as unknown as SavedWindow, waiting]] : [key, kept];
  }) as unknown as Json;
}

function keptOf(step: CompiledAggregate, { waiting, open }: KeyEntry): Kept {
  return [open === undefined ? null : savedOf(step, open), waiting.map(({ timeMs, values }) => [timeMs, values])];
}

function savedOf(step: CompiledAggregate, open: OpenWindow): SavedWindow {
  const { startMs, before, lastMs, count, isShown, accumulators } = open;
  return [startMs, lastMs, count, isShown ? 1 : 0, encodeAccumulators(step, accumulators), before];
}

function setKept(step: CompiledAggregate, entry: KeyEntry, kept: Kept | null): void {
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

/** What is saved of a key. */
type Kept = readonly [
  open: SavedWindow | null,
  waiting: readonly (readonly [timeMs: number, values: readonly unknown[]])[],
];
