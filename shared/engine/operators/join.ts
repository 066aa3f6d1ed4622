import type { CompiledJoin, JoinSide } from '#shared/engine/compile/compile.ts';
import { type Codec, readStored, type Stored } from '#shared/engine/state/layers.ts';
import type { Overflow } from '#shared/engine/state/overflow.ts';
import { Timers } from '#shared/engine/state/timers.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { foreverMs } from '#shared/pipeline/join.ts';
import { toIso } from '#shared/schemas/time.ts';
import { type Emission, type EmissionContext, expiryOf } from './emit.ts';
import { KeyedOperator } from './keyed-operator.ts';
import { perEntry, type StepInput } from './operator.ts';
import { isClosed } from './window.ts';

const sides = ['left', 'right'] as const;
type Side = (typeof sides)[number];

/** A record of one side while records of the other side may join it. */
interface Held {
  readonly timeMs: number;
  /** Its position: no other output of this side has it, and it is the same in every attempt. */
  readonly id: string;
  readonly values: readonly unknown[];
  isMatched: boolean;
}

/** What is held of one key, each side in the order of event time. */
type HeldOfKey = Readonly<Record<Side, Held[]>>;

/**
 * A join in an interval of event time (Flink's interval join): a right record at u joins the left records at t of its key
 * with t + lower <= u <= t + upper. Records meet as they come, whichever is first.
 *
 * A record is late when it lies more than the allowed lateness behind the watermark, the least of both sources'. Nothing earlier is
 * forgotten: a record is held until all that may join it would be late. So all pairs of records that are not late are found, each when
 * its second record comes, and what is forgotten unmatched has no partner in all of the log.
 *
 *     within [0, 10], lateness 5:   a left record at 20 is late from 26 on, and held until 36, when one at 30 would be late
 */
export class IntervalJoin extends KeyedOperator<HeldOfKey> {
  readonly #step: CompiledJoin;
  /** When what is held of a key, side and time may be forgotten: the side's first letter stands before the key. */
  readonly #timers: Timers;
  /** Pairs since `advance` was called last: those of the block at hand. */
  #pairs: { readonly key: string; readonly left: Held; readonly right: Held }[] = [];
  /** The times at which what is held has changed since the last save; undefined before the first, when all is new. */
  #changed: Map<string, Readonly<Record<Side, Set<number>>>> | undefined;
  /** When the base began that is being made. */
  #changedBefore: Map<string, Readonly<Record<Side, Set<number>>>> | undefined;

  constructor(step: CompiledJoin, overflow?: Overflow) {
    super({ codec, overflow, bytesPerKey, gone });
    this.#step = step;
    this.#timers = new Timers(overflow);
  }

  /** Of what lies on the disk, a record a key. */
  get openCount(): number {
    let count = this.keys.olderCount;
    for (const { left, right } of this.keys.top.values()) count += left.length + right.length;
    return count;
  }

  add({ key: { text: key }, timeMs, values, watermarkMs, route, origin, sequence, sub }: StepInput): boolean {
    const { plan, left, right } = this.#step;
    if (isClosed(timeMs + 1, plan.allowedLatenessMs, watermarkMs)) return false;
    const side = route === left.route ? 'left' : 'right';
    const { inputs } = side === 'left' ? left : right;
    const id = `${origin}/${sequence}/${sub}`;
    const record = { timeMs, id, values: inputs.map((input) => values[input]), isMatched: false };
    const ofKey = this.keys.take(key);
    if (side === 'left') {
      for (const partner of within(ofKey.right, timeMs + plan.lowerMs, timeMs + plan.upperMs))
        this.#pair(key, record, partner);
    } else {
      for (const partner of within(ofKey.left, timeMs - plan.upperMs, timeMs - plan.lowerMs))
        this.#pair(key, partner, record);
    }
    const held = ofKey[side];
    const place = placeBehind(held, timeMs);
    if (held[place - 1]?.timeMs !== timeMs) this.#setTimer(key, side, timeMs);
    held.splice(place, 0, record);
    this.keys.noteSize(ofKey);
    this.#noteChange(key, side, timeMs);
    return true;
  }

  advance(watermarkMs: number, context: EmissionContext, emission: Emission): void {
    for (const { key, left, right } of this.#pairs) this.#emit(emission, context, key, left, right);
    this.#pairs = [];
    emission.rest.push(this.#close(watermarkMs, context, emission));
  }

  refresh(): void {
    // Every row is final when it is made.
  }

  save(): Iterable<Json> {
    this.#changedBefore = this.#changed;
    this.#changed = new Map();
    return saveMoments(momentsOf(this.keys.hold()));
  }

  override endSave(isStored: boolean): void {
    super.endSave(isStored);
    const before = this.#changedBefore;
    this.#changedBefore = undefined;
    if (isStored) return;
    const since = this.#changed;
    this.#changed = before;
    for (const [key, ofKey] of since ?? [])
      for (const side of sides) for (const timeMs of ofKey[side]) this.#noteChange(key, side, timeMs);
  }

  saveChanges(): Iterable<Json> {
    return saveMoments(this.#changedMoments());
  }

  override markSaved(): void {
    this.#changed = new Map();
    super.markSaved();
  }

  protected restoreEntry(entry: Json): void {
    for (const [key, side, timeMs, records] of entry as unknown as readonly Moment[]) {
      const held = this.keys.take(key)[side];
      const place = placeBehind(held, timeMs - 1);
      const restored = records.map(([id, isMatched, values]) => ({ timeMs, id, values, isMatched }));
      held.splice(place, placeBehind(held, timeMs) - place, ...restored);
      if (records.length > 0) this.#setTimer(key, side, timeMs);
      else this.#dropIfEmpty(key);
    }
  }

  override endRestore(): boolean {
    this.#changed = new Map();
    return super.endRestore();
  }

  override close(): void {
    super.close();
    this.#timers.close();
  }

  *#close(watermarkMs: number, context: EmissionContext, emission: Emission): Generator<number> {
    for (;;) {
      const timer = this.#timers.peek();
      if (timer === undefined || !isClosed(timer.endMs, this.#step.plan.allowedLatenessMs, watermarkMs)) return;
      this.#timers.pop();
      const side = timer.key.startsWith('l') ? 'left' : 'right';
      this.#forget(timer.key.slice(1), side, watermarkMs, context, emission);
      if (this.keys.isCrowded) yield* this.keys.makeRoom();
      yield 1;
    }
  }

  #setTimer(key: string, side: Side, timeMs: number): void {
    // What is never forgotten needs nobody to remember when.
    if (this.#step.plan.upperMs === foreverMs) return;
    this.#timers.add(this.#endOf(side, timeMs), `${side.charAt(0)}${key}`);
  }

  *#changedMoments(): Iterable<Moment> {
    for (const [key, changed] of this.#changed ?? []) {
      const ofKey = this.keys.read(key) ?? gone();
      for (const side of sides) for (const timeMs of changed[side]) yield momentOf(key, side, timeMs, ofKey);
    }
  }

  #noteChange(key: string, side: Side, timeMs: number): void {
    if (this.#changed === undefined) return;
    let ofKey = this.#changed.get(key);
    if (ofKey === undefined) {
      ofKey = { left: new Set(), right: new Set() };
      this.#changed.set(key, ofKey);
    }
    ofKey[side].add(timeMs);
  }

  #pair(key: string, left: Held, right: Held): void {
    if (!left.isMatched) this.#noteChange(key, 'left', left.timeMs);
    if (!right.isMatched) this.#noteChange(key, 'right', right.timeMs);
    left.isMatched = true;
    right.isMatched = true;
    this.#pairs.push({ key, left, right });
  }

  /** Behind the last time at which a record of the other side may join one at `timeMs`. */
  #endOf(side: Side, timeMs: number): number {
    const { lowerMs, upperMs } = this.#step.plan;
    return timeMs + (side === 'left' ? upperMs : -lowerMs) + 1;
  }

  /** Forgets a key's records that nothing can join any more; in an outer join the unmatched ones give rows. */
  #forget(key: string, side: Side, watermarkMs: number, context: EmissionContext, emission: Emission): void {
    const ofKey = this.keys.load(key);
    if (ofKey === undefined) return;
    const { kind, allowedLatenessMs } = this.#step.plan;
    const held = ofKey[side];
    const showsUnmatched = kind === 'full' || (kind === 'left' && side === 'left');
    for (let record = held[0]; record !== undefined; record = held[0]) {
      if (!isClosed(this.#endOf(side, record.timeMs), allowedLatenessMs, watermarkMs)) break;
      held.shift();
      this.#noteChange(key, side, record.timeMs);
      if (record.isMatched || !showsUnmatched) continue;
      if (side === 'left') this.#emit(emission, context, key, record, undefined);
      else this.#emit(emission, context, key, undefined, record);
    }
    this.#dropIfEmpty(key);
  }

  #dropIfEmpty(key: string): void {
    const ofKey = this.keys.peek(key);
    if (ofKey !== undefined && isGone(ofKey)) this.keys.remove(key);
  }

  #emit(
    emission: Emission,
    context: EmissionContext,
    key: string,
    left: Held | undefined,
    right: Held | undefined,
  ): void {
    const { plan } = this.#step;
    const times = [left, right].flatMap((record) => (record === undefined ? [] : [record.timeMs]));
    emission.rows.push({
      view: plan.id,
      key,
      windowStartMs: Math.min(...times),
      windowEndMs: Math.max(...times),
      id: idOf(left, right),
      final: true,
      position: context.position,
      columns: {
        leftTime: left === undefined ? null : toIso(left.timeMs),
        rightTime: right === undefined ? null : toIso(right.timeMs),
        ...columnsOfSide(this.#step.left, left),
        ...columnsOfSide(this.#step.right, right),
      },
      expiresMs: expiryOf(this.#step, context.clockMs),
    });
  }
}

/** Of the structures around what is held. */
const bytesPerKey = 500;

function gone(): HeldOfKey {
  return { left: [], right: [] };
}

function isGone({ left, right }: HeldOfKey): boolean {
  return left.length === 0 && right.length === 0;
}

const codec: Codec<HeldOfKey> = {
  encode: ({ left, right }) =>
    [left, right].map((held) =>
      held.map(({ timeMs, id, isMatched, values }) => [timeMs, id, isMatched, values]),
    ) as Json,
  decode: (encoded) => {
    const [left, right] = (encoded as unknown as readonly (readonly EncodedHeld[])[]).map((held) =>
      held.map(([timeMs, id, isMatched, values]): Held => ({ timeMs, id, isMatched, values })),
    );
    return { left: left ?? [], right: right ?? [] };
  },
  isGone,
};

type EncodedHeld = readonly [timeMs: number, id: string, isMatched: boolean, values: readonly unknown[]];

function* momentsOf(entries: Iterable<readonly [key: string, stored: Stored<HeldOfKey>]>): Iterable<Moment> {
  for (const [key, stored] of entries) {
    const ofKey = readStored(codec, stored);
    for (const side of sides)
      for (const timeMs of new Set(ofKey[side].map((record) => record.timeMs)))
        yield momentOf(key, side, timeMs, ofKey);
  }
}

function momentOf(key: string, side: Side, timeMs: number, ofKey: HeldOfKey): Moment {
  const records = [...within(ofKey[side], timeMs, timeMs)];
  return [key, side, timeMs, records.map(({ id, isMatched, values }) => [id, isMatched, values])];
}

function* saveMoments(moments: Iterable<Moment>): Iterable<Json> {
  for (const some of perEntry(moments)) yield some as unknown as Json;
}

/** The held records of [fromMs, toMs]. */
function* within(held: readonly Held[], fromMs: number, toMs: number): Generator<Held> {
  for (let place = placeBehind(held, fromMs - 1); place < held.length; place += 1) {
    const record = held[place] as Held;
    if (record.timeMs > toMs) return;
    yield record;
  }
}

/** The place behind all records at or before `timeMs`. Most records are newer than all before them, so the end is looked at first. */
function placeBehind(held: readonly Held[], timeMs: number): number {
  let low = 0;
  let high = held.length;
  if (high > 0 && (held[high - 1] as Held).timeMs <= timeMs) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((held[middle] as Held).timeMs <= timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A pair is in one row however often it is written, and no other pair or lone record is. */
function idOf(left: Held | undefined, right: Held | undefined): string {
  return `${left?.id ?? ''}+${right?.id ?? ''}`;
}

function columnsOfSide(side: JoinSide, record: Held | undefined): Readonly<Record<string, unknown>> {
  return Object.fromEntries(side.columns.map((column, index) => [column, record?.values[index] ?? null]));
}

/** What is held of a key, side and time, as it is saved; without records it is gone. */
type Moment = readonly [
  key: string,
  side: Side,
  timeMs: number,
  records: readonly (readonly [id: string, isMatched: boolean, values: readonly unknown[]])[],
];
