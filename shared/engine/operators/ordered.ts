import type { CompiledAggregate } from '#shared/engine/compile/compile.ts';
import type { Overflow } from '#shared/engine/state/overflow.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import type { OrderedWindow } from '#shared/pipeline/window.ts';
import { endOfStreamMs } from '#shared/schemas/punctuation.ts';
import type { Row } from '#shared/schemas/row.ts';
import { type Accumulators, createAccumulators, decodeAccumulators, encodeAccumulators } from './accumulate.ts';
import { EarlyKeys } from './early-keys.ts';
import { type Emission, type EmissionContext, emitProvisional, emitRow, takeBack } from './emit.ts';
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
  /** A provisional row of it stands in the table. */
  isProvisional: boolean;
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
  readonly #early: EarlyKeys;
  /**
   * Of a global window: where the row of the key at hand is in the emission. Of several that one block leads to only one can be written, so
   * the last is made.
   */
  #rowPlace: number | undefined;
  /** The block at hand shows all open windows. */
  #isShowing = false;

  constructor(step: CompiledAggregate, window: OrderedWindow, overflow?: Overflow) {
    super(kindOf(step), { allowedLatenessMs: step.plan.allowedLatenessMs, overflow });
    this.#step = step;
    this.#window = window;
    this.#overMs = endOfStreamMs - 1 - step.plan.allowedLatenessMs;
    this.#early = new EarlyKeys(step, overflow);
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
    this.#isShowing = false;
    this.#early.advance(watermarkMs);
    super.advance(watermarkMs, context, emission);
  }

  refresh(context: EmissionContext, emission: Emission): void {
    this.#isShowing = this.#early.isDue(context.clockMs);
    if (this.#isShowing) emission.rest.push(this.#refresh(context, emission));
  }

  override save(): Iterable<Json> {
    return this.#early.saveBefore(super.save());
  }

  override saveChanges(): Iterable<Json> {
    return this.#early.saveBefore(super.saveChanges());
  }

  protected override restoreEntry(saved: Json): void {
    if (this.#early.restore(saved)) return;
    super.restoreEntry(saved);
    for (const [key, kept] of saved as unknown as readonly SavedKey<Kept>[]) {
      const shown = kept?.[0]?.[3];
      if (shown !== undefined && (shown & isShownBit) === 0) this.#early.note(key);
    }
  }

  override close(): void {
    super.close();
    this.#early.close();
  }

  /** Takes the records of one time, then does what is due at that time behind them. */
  protected take(key: string, entry: KeyEntry, timeMs: number, context: EmissionContext, emission: Emission): void {
    const turn = { key, timeMs, context, emission, whole: 0 };
    const taken = takeUntil(entry.waiting, timeMs);
    // Of equal ones it does not matter which is first.
    for (const { values } of inOrder(taken.map((record) => ({ ...record, input: 0, at: '' }))))
      this.#takeValues(entry, values, turn);
    if (entry.open !== undefined && this.#endOf(entry.open) <= timeMs) this.#end(entry, entry.open, turn);
  }

  protected override endTurn(key: string, context: EmissionContext, emission: Emission): void {
    // Of a row that this block has led to already, the one that is there is written over.
    if (this.#isShowing && this.#rowPlace !== undefined) this.#showOpen(key, context, emission);
    this.#rowPlace = undefined;
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
      isShown: true,
      isProvisional: false,
      accumulators: createAccumulators(this.#step),
    };
    const { open } = entry;
    if (open.isShown) this.#early.note(turn.key);
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
        // What was shown of the last ones is taken back when they give no row.
        return window.incomplete === 'emit' || this.#early.areShown || open.isProvisional
          ? this.#overMs
          : Number.POSITIVE_INFINITY;
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
    else this.#takeBack(open, turn);
    entry.open = undefined;
  }

  #show(open: OpenWindow, turn: Turn, final: boolean): void {
    const { key, context, emission } = turn;
    const { startMs, lastMs, accumulators } = open;
    open.isShown = true;
    this.#takeBack(open, turn);
    const row = { key, final, accumulators };
    const window = this.#window;
    switch (window.kind) {
      case 'session':
        emitRow(emission, this.#step, context, { ...row, window: { startMs, endMs: endOf(open, window) } });
        return;
      case 'count': {
        // Only windows that lie in one millisecond may have the bounds of others.
        const id = startMs < lastMs ? {} : idOf(open);
        if (startMs === turn.timeMs) turn.whole += 1;
        emitRow(emission, this.#step, context, { ...row, window: { startMs, endMs: endOf(open, window) }, ...id });
        return;
      }
      case 'global': {
        emitRow(emission, this.#step, context, { ...row, window: { startMs: 0, endMs: 0 }, id: '' });
        if (this.#rowPlace === undefined) this.#rowPlace = emission.rows.length - 1;
        else emission.rows[this.#rowPlace] = emission.rows.pop() as Row;
      }
    }
  }

  #takeBack(open: OpenWindow, { key, context, emission }: Pick<Turn, 'key' | 'context' | 'emission'>): void {
    if (!open.isProvisional) return;
    takeBack(emission, this.#step, context, { key, startMs: open.startMs, ...idOf(open) });
    open.isProvisional = false;
  }

  *#refresh(context: EmissionContext, emission: Emission): Generator<number> {
    for (const key of this.#early.take(context.clockMs)) {
      this.#showOpen(key, context, emission);
      this.#rowPlace = undefined;
      if (this.keys.isCrowded) yield* this.keys.makeRoom();
      yield 1;
    }
  }

  /** Shows the open window of a key, unless it is shown as it is. */
  #showOpen(key: string, context: EmissionContext, emission: Emission): void {
    const window = this.#window;
    const open = this.keys.load(key)?.open;
    if (open === undefined || open.isShown) return;
    const { startMs, lastMs, accumulators } = open;
    this.keys.noteChange(key);
    if (window.kind === 'global') {
      this.#show(open, { key, timeMs: lastMs, context, emission, whole: 0 }, false);
      return;
    }
    const endMs = endOf(open, window);
    emitProvisional(emission, this.#step, context, { key, window: { startMs, endMs }, accumulators, ...idOf(open) });
    open.isShown = true;
    open.isProvisional = true;
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

/** Tells a window apart from those that began in the same millisecond before it. */
function idOf({ before }: OpenWindow): { readonly id?: string } {
  return before === 0 ? {} : { id: String(before).padStart(6, '0') };
}

/** Where a window ends that has the records that it has so far. */
function endOf(open: OpenWindow, window: Exclude<OrderedWindow, { kind: 'global' }>): number {
  return window.kind === 'session' ? sessionEnd(open, window) : open.lastMs + 1;
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
    return open && waiting
      ? [key, [open.with(3, (open[3] as number) & isProvisionalBit) as unknown as SavedWindow, waiting]]
      : [key, kept];
  }) as unknown as Json;
}

function keptOf(step: CompiledAggregate, { waiting, open }: KeyEntry): Kept {
  return [open === undefined ? null : savedOf(step, open), waiting.map(({ timeMs, values }) => [timeMs, values])];
}

function savedOf(step: CompiledAggregate, open: OpenWindow): SavedWindow {
  const { startMs, before, lastMs, count, isShown, isProvisional, accumulators } = open;
  const shown = (isShown ? isShownBit : 0) | (isProvisional ? isProvisionalBit : 0);
  return [startMs, lastMs, count, shown, encodeAccumulators(step, accumulators), before];
}

function setKept(step: CompiledAggregate, entry: KeyEntry, kept: Kept | null): void {
  const [open, waiting] = kept ?? [null, []];
  entry.waiting = waiting.map(([timeMs, values]) => ({ timeMs, values }));
  if (open === null) {
    entry.open = undefined;
    return;
  }
  const [startMs, lastMs, count, shown, encoded, before] = open;
  const accumulators = decodeAccumulators(step, encoded);
  const isShown = (shown & isShownBit) !== 0;
  const isProvisional = (shown & isProvisionalBit) !== 0;
  entry.open = { startMs, before, lastMs, count, isShown, isProvisional, accumulators };
}

function isEmpty({ waiting, open }: KeyEntry): boolean {
  return waiting.length === 0 && open === undefined;
}

// What a saved window says of the rows that were shown of it.
const isShownBit = 1;
const isProvisionalBit = 2;

type SavedWindow = readonly [
  startMs: number,
  lastMs: number,
  count: number,
  shown: number,
  accumulators: readonly Json[],
  before: number,
];

/** What is saved of a key. */
type Kept = readonly [
  open: SavedWindow | null,
  waiting: readonly (readonly [timeMs: number, values: readonly unknown[]])[],
];
