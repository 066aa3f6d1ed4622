import type { CompiledAggregate } from '#shared/engine/compile/compile.ts';
import { type Codec, readStored, type Stored } from '#shared/engine/state/layers.ts';
import type { Overflow } from '#shared/engine/state/overflow.ts';
import { Timers } from '#shared/engine/state/timers.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import type { SessionWindow } from '#shared/pipeline/window.ts';
import {
  type Accumulators,
  addValues,
  createAccumulators,
  decodeAccumulators,
  encodeAccumulators,
  mergeAccumulators,
} from './accumulate.ts';
import { EarlyKeys } from './early-keys.ts';
import { type Emission, type EmissionContext, emitProvisional, emitRow, takeBack } from './emit.ts';
import { KeyedOperator } from './keyed-operator.ts';
import { perEntry, type StepInput } from './operator.ts';
import { isClosed } from './window.ts';

interface Session {
  startMs: number;
  /** `gap` after the last record. */
  endMs: number;
  /** An end that it has or had, under which there is a timer. */
  timerMs: number;
  accumulators: Accumulators;
  /** Starts under which it, or what became a part of it, was shown. */
  shownStarts: number[];
  /** It is shown as it is. */
  isShown: boolean;
}

/** The open sessions of a key, ascending, no two of which touch. */
interface SessionsOfKey {
  readonly sessions: Session[];
  /** These are all. Otherwise older layers may have others, which may touch these. */
  isWhole: boolean;
}

/**
 * Session windows. A record joins the open sessions it touches, which may bridge several into one, and is late only if the session that
 * results is closed (Flink's rule: windows that touch are merged before lateness is judged).
 *
 *     gap 10:   1    7        17     ends at 27; exactly `gap` apart is still one session
 *
 * A record that alone would not be late is not late whatever it touches. So it is put to what memory has of its key, and what the disk has
 * is merged with that when the session may have ended.
 */
export class SessionAggregate extends KeyedOperator<SessionsOfKey> {
  readonly #step: CompiledAggregate;
  readonly #gapMs: number;
  readonly #allowedLatenessMs: number;
  readonly #timers: Timers;
  readonly #early: EarlyKeys;

  constructor(step: CompiledAggregate, window: SessionWindow, overflow?: Overflow) {
    super({ codec: codecOf(step), overflow, bytesPerKey, gone });
    this.#step = step;
    this.#gapMs = window.gapMs;
    // A record at the watermark is not late and, being at the end, would still touch the session: with no lateness at all, a session
    // and its continuation would be one or two rows depending on which block came first.
    this.#allowedLatenessMs = Math.max(step.plan.allowedLatenessMs, 1);
    this.#timers = new Timers(overflow);
    this.#early = new EarlyKeys(step, overflow);
  }

  /** Of what lies on the disk, a session a key. */
  get openCount(): number {
    let count = this.keys.olderCount;
    for (const { sessions } of this.keys.top.values()) count += sessions.length;
    return count;
  }

  add({ key: { text: key }, timeMs, values, watermarkMs }: StepInput): boolean {
    let startMs = timeMs;
    let endMs = timeMs + this.#gapMs;
    const ofKey = this.#sessionsOf(key, isClosed(endMs, this.#allowedLatenessMs, watermarkMs));
    const open = ofKey?.sessions ?? [];
    const only = open[0];
    // Nearly all records come into the one open session of their key.
    if (
      ofKey !== undefined &&
      only !== undefined &&
      open.length === 1 &&
      only.startMs <= endMs &&
      only.endMs >= timeMs
    ) {
      if (only.endMs > endMs) endMs = only.endMs;
      if (isClosed(endMs, this.#allowedLatenessMs, watermarkMs)) return false;
      this.keys.noteChange(key);
      addValues(this.#step, only.accumulators, values);
      if (only.startMs > startMs) only.startMs = startMs;
      only.endMs = endMs;
      if (only.isShown) this.#noteUnshown(key, only);
      this.keys.noteSize(ofKey);
      return true;
    }
    const touched = open.filter((session) => session.startMs <= timeMs + this.#gapMs && session.endMs >= timeMs);
    for (const session of touched) {
      startMs = Math.min(startMs, session.startMs);
      endMs = Math.max(endMs, session.endMs);
    }
    if (isClosed(endMs, this.#allowedLatenessMs, watermarkMs)) return false;
    this.keys.noteChange(key);
    const [first, ...others] = touched;
    if (first === undefined) {
      const accumulators = createAccumulators(this.#step);
      const session = { startMs, endMs, timerMs: endMs, accumulators, shownStarts: [], isShown: false };
      addValues(this.#step, accumulators, values);
      this.#early.note(key);
      this.#timers.add(endMs, key);
      open.push(session);
      open.sort((a, b) => a.startMs - b.startMs);
      if (ofKey === undefined) this.keys.set(key, { sessions: open, isWhole: this.keys.isAllOnTop });
    } else {
      addValues(this.#step, first.accumulators, values);
      first.startMs = startMs;
      first.endMs = endMs;
      for (const other of others) {
        takeIn(this.#step, first, other);
        open.splice(open.indexOf(other), 1);
      }
      this.#noteUnshown(key, first);
    }
    if (ofKey !== undefined) this.keys.noteSize(ofKey);
    return true;
  }

  advance(watermarkMs: number, context: EmissionContext, emission: Emission): void {
    this.#early.advance(watermarkMs);
    const next = this.#timers.peek();
    if (next !== undefined && isClosed(next.endMs, this.#allowedLatenessMs, watermarkMs))
      emission.rest.push(this.#close(watermarkMs, context, emission));
  }

  refresh(context: EmissionContext, emission: Emission): void {
    if (this.#early.isDue(context.clockMs)) emission.rest.push(this.#refresh(context, emission));
  }

  save(): Iterable<Json> {
    return this.#early.saveBefore(saveEntries(0, present(this.keys.hold(), this.keys.codec), this.keys.codec));
  }

  saveChanges(): Iterable<Json> {
    return this.#early.saveBefore(this.#changes());
  }

  protected restoreEntry(entry: Json): void {
    if (this.#early.restore(entry)) return;
    const { part = 0, keys } = listOf(entry);
    this.keys.startPart(part);
    for (const [key, saved, isWhole = true] of keys) {
      const sessions = saved.map((one) => {
        const session = sessionOf(this.#step, one);
        this.#timers.add(session.endMs, key);
        if (!session.isShown) this.#early.note(key);
        return session;
      });
      const ofKey = { sessions, isWhole };
      if (isWhole && sessions.length === 0) this.keys.remove(key);
      else this.keys.set(key, ofKey);
      this.keys.noteSize(ofKey);
    }
  }

  override close(): void {
    super.close();
    this.#timers.close();
    this.#early.close();
  }

  *#changes(): Iterable<Json> {
    for (const [part, entries] of this.keys.changes()) yield* saveEntries(part, entries, this.keys.codec);
  }

  #noteUnshown(key: string, session: Session): void {
    if (session.isShown) this.#early.note(key);
    session.isShown = false;
  }

  /** What memory has of a key or, if all is asked for, what there is. */
  #sessionsOf(key: string, isAllWanted: boolean): SessionsOfKey | undefined {
    const own = this.keys.peek(key);
    if (!isAllWanted || own?.isWhole === true || this.keys.isAllOnTop) return own;
    const all = this.keys.load(key);
    if (all !== undefined) all.isWhole = true;
    return all;
  }

  *#close(watermarkMs: number, context: EmissionContext, emission: Emission): Generator<number> {
    for (;;) {
      const timer = this.#timers.peek();
      if (timer === undefined || !isClosed(timer.endMs, this.#allowedLatenessMs, watermarkMs)) return;
      this.#timers.pop();
      const { key } = timer;
      const ofKey = this.#sessionsOf(key, true);
      for (const session of [...(ofKey?.sessions ?? [])]) {
        if (!isClosed(session.endMs, this.#allowedLatenessMs, watermarkMs)) {
          // It has grown since its timer was set.
          if (session.timerMs > timer.endMs) continue;
          session.timerMs = session.endMs;
          this.#timers.add(session.endMs, key);
          continue;
        }
        const { accumulators } = session;
        for (const startMs of session.shownStarts) takeBack(emission, this.#step, context, { key, startMs });
        emitRow(emission, this.#step, context, { key, window: session, final: true, accumulators });
        ofKey?.sessions.splice(ofKey.sessions.indexOf(session), 1);
        this.keys.noteChange(key);
      }
      if (ofKey?.sessions.length === 0) this.keys.remove(key);
      if (this.keys.isCrowded) yield* this.keys.makeRoom();
      yield 1;
    }
  }

  /** A session of which the disk may have a part is shown whole. */
  *#refresh(context: EmissionContext, emission: Emission): Generator<number> {
    for (const key of this.#early.take(context.clockMs)) {
      for (const session of this.#sessionsOf(key, true)?.sessions ?? []) {
        if (session.isShown) continue;
        const { startMs, accumulators } = session;
        for (const shownMs of session.shownStarts)
          if (shownMs !== startMs) takeBack(emission, this.#step, context, { key, startMs: shownMs });
        emitProvisional(emission, this.#step, context, { key, window: session, accumulators });
        session.shownStarts = [startMs];
        session.isShown = true;
        this.keys.noteChange(key);
      }
      if (this.keys.isCrowded) yield* this.keys.makeRoom();
      yield 1;
    }
  }
}

/** Of the structures around a session's accumulators. */
const bytesPerKey = 400;

function gone(): SessionsOfKey {
  return { sessions: [], isWhole: true };
}

function codecOf(step: CompiledAggregate): Codec<SessionsOfKey> {
  return {
    encode: ({ sessions, isWhole }) =>
      [isWhole ? 1 : 0, sessions.map((session) => [session.timerMs, ...savedOf(step, session)])] as Json,
    decode: (encoded) => {
      const [isWhole, sessions] = encoded as unknown as readonly [number, readonly EncodedSession[]];
      return {
        isWhole: isWhole === 1,
        sessions: sessions.map(([timerMs, ...saved]) => ({ ...sessionOf(step, saved), timerMs })),
      };
    },
    merge: (parts) => {
      const whole = parts.findLastIndex(({ isWhole }) => isWhole);
      const sessions = parts.slice(Math.max(whole, 0)).flatMap((part) => part.sessions);
      return { isWhole: whole >= 0, sessions: joinTouching(step, sessions) };
    },
    isGone: ({ sessions, isWhole }) => isWhole && sessions.length === 0,
  };
}

/** Copies of the sessions, those that touch made one. */
function joinTouching(step: CompiledAggregate, sessions: readonly Session[]): Session[] {
  const joined: Session[] = [];
  for (const session of [...sessions].sort((a, b) => a.startMs - b.startMs)) {
    let last = joined.at(-1);
    if (last === undefined || last.endMs < session.startMs) {
      last = { ...session, accumulators: createAccumulators(step), shownStarts: [] };
      joined.push(last);
    }
    takeIn(step, last, session);
  }
  return joined;
}

/** One of their timers is enough: the first. */
function takeIn(step: CompiledAggregate, into: Session, from: Session): void {
  into.startMs = Math.min(into.startMs, from.startMs);
  into.endMs = Math.max(into.endMs, from.endMs);
  into.timerMs = Math.min(into.timerMs, from.timerMs);
  into.shownStarts = [...into.shownStarts, ...from.shownStarts];
  into.isShown &&= from.isShown;
  mergeAccumulators(step, into.accumulators, from.accumulators);
}

/** Without what was shown it was not shown. */
function savedOf(step: CompiledAggregate, { startMs, endMs, accumulators, ...early }: Session): SavedSession {
  const saved = [startMs, endMs, encodeAccumulators(step, accumulators)] as const;
  return early.shownStarts.length === 0 ? saved : [...saved, [early.isShown ? 1 : 0, ...early.shownStarts]];
}

function sessionOf(step: CompiledAggregate, [startMs, endMs, encoded, early]: SavedSession): Session {
  const [isShown = 0, ...shownStarts] = early ?? [];
  const accumulators = decodeAccumulators(step, encoded);
  return { startMs, endMs, timerMs: endMs, accumulators, shownStarts, isShown: isShown === 1 };
}

/** What `save` or `saveChanges` gave, with sessions that are all to be shown again; those that stand in a table are known still. */
export function notShown(saved: Json): Json {
  const { part, keys } = listOf(saved);
  const unshown = keys.map(([key, sessions, ...isWhole]) => [
    key,
    sessions.map(([startMs, endMs, accumulators, early]) =>
      early === undefined ? [startMs, endMs, accumulators] : [startMs, endMs, accumulators, early.with(0, 0)],
    ),
    ...isWhole,
  ]);
  return (part === undefined ? unshown : { part, keys: unshown }) as unknown as Json;
}

function* present(
  entries: Iterable<readonly [key: string, stored: Stored<SessionsOfKey>]>,
  codec: Codec<SessionsOfKey>,
): Iterable<readonly [key: string, stored: Stored<SessionsOfKey>]> {
  for (const [key, stored] of entries) {
    const value = readStored(codec, stored);
    if (!codec.isGone(value)) yield [key, { value }];
  }
}

function* saveEntries(
  part: number,
  entries: Iterable<readonly [key: string, stored: Stored<SessionsOfKey> | undefined]>,
  codec: Codec<SessionsOfKey>,
): Iterable<Json> {
  for (const some of perEntry(entries)) {
    const keys = some.map(([key, stored]) => {
      if (stored === undefined) return [key, []] as const;
      const [isWhole, sessions] = codec.encode(readStored(codec, stored)) as unknown as EncodedOfKey;
      const saved = sessions.map(([, ...session]) => session);
      return isWhole === 1 || part === 0 ? ([key, saved] as const) : ([key, saved, false] as const);
    });
    yield (part === 0 ? keys : { part, keys }) as unknown as Json;
  }
}

function listOf(entry: Json): SavedSessions {
  return (Array.isArray(entry) ? { keys: entry } : entry) as unknown as SavedSessions;
}

type EncodedSession = readonly [timerMs: number, ...session: SavedSession];
type EncodedOfKey = readonly [isWhole: number, sessions: readonly EncodedSession[]];

/** Open sessions of some keys; a whole one without any is gone. Of the first part it is the keys alone, and they are whole. */
interface SavedSessions {
  readonly part?: number;
  readonly keys: readonly (readonly [key: string, sessions: readonly SavedSession[], isWhole?: boolean])[];
}

type SavedSession = readonly [
  startMs: number,
  endMs: number,
  accumulators: readonly Json[],
  /** Where it was shown: whether it is shown as it is, and its `shownStarts`. */
  early?: readonly [isShown: number, ...shownStarts: number[]],
];
