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
import type { CompiledAggregate } from './compile.ts';
import { type Emission, type EmissionContext, emitRow } from './emit.ts';
import { MinHeap } from './heap.ts';
import { ChangedKeys, type Operator, perEntry } from './operator.ts';
import { isClosed } from './window.ts';

interface Session {
  startMs: number;
  /** `gap` after the last record. */
  endMs: number;
  accumulators: Accumulators;
  /** An earlier session has taken it in, or a restored one its place. */
  gone: boolean;
}

/**
 * Session windows in memory. A record joins the open sessions it touches, which may bridge several into one, and is late only if
 * the session that results is closed (Flink's rule: windows that touch are merged before lateness is judged).
 *
 *     gap 10:   1    7        17     ends at 27; exactly `gap` apart is still one session
 */
export class SessionAggregate implements Operator {
  readonly #step: CompiledAggregate;
  readonly #gapMs: number;
  readonly #allowedLatenessMs: number;
  /** Open sessions of each key, ascending. */
  readonly #sessions = new Map<string, Session[]>();
  /** Every session is in here once, under an end that it has or had; one that has grown since goes back with its new end. */
  readonly #byEnd = new MinHeap<{ readonly endMs: number; readonly key: string; readonly session: Session }>(
    (a, b) => a.endMs - b.endMs,
  );

  readonly #changed = new ChangedKeys();

  constructor(step: CompiledAggregate, window: SessionWindow) {
    this.#step = step;
    this.#gapMs = window.gapMs;
    // A record at the watermark is not late and, being at the end, would still touch the session: with no lateness at all, a session
    // and its continuation would be one or two rows depending on which block came first.
    this.#allowedLatenessMs = Math.max(step.plan.allowedLatenessMs, 1);
  }

  get keyCount(): number {
    return this.#sessions.size;
  }

  get openCount(): number {
    let count = 0;
    for (const sessions of this.#sessions.values()) count += sessions.length;
    return count;
  }

  add(key: string, _keyId: number, timeMs: number, values: readonly unknown[], watermarkMs: number): boolean {
    const open = this.#sessions.get(key) ?? [];
    let startMs = timeMs;
    let endMs = timeMs + this.#gapMs;
    const touched = open.filter((session) => session.startMs <= timeMs + this.#gapMs && session.endMs >= timeMs);
    for (const session of touched) {
      startMs = Math.min(startMs, session.startMs);
      endMs = Math.max(endMs, session.endMs);
    }
    if (isClosed(endMs, this.#allowedLatenessMs, watermarkMs)) return false;
    this.#changed.add(key);
    const [first, ...others] = touched;
    if (first === undefined) {
      const session = { startMs, endMs, accumulators: createAccumulators(this.#step), gone: false };
      addValues(this.#step, session.accumulators, values);
      open.push(session);
      open.sort((a, b) => a.startMs - b.startMs);
      this.#sessions.set(key, open);
      this.#byEnd.push({ endMs, key, session });
      return true;
    }
    addValues(this.#step, first.accumulators, values);
    first.startMs = startMs;
    first.endMs = endMs;
    for (const other of others) {
      mergeAccumulators(this.#step, first.accumulators, other.accumulators);
      other.gone = true;
      open.splice(open.indexOf(other), 1);
    }
    return true;
  }

  advance(watermarkMs: number, context: EmissionContext, emission: Emission): void {
    for (;;) {
      const next = this.#byEnd.peek();
      if (next === undefined || !isClosed(next.endMs, this.#allowedLatenessMs, watermarkMs)) return;
      this.#byEnd.pop();
      const { key, session } = next;
      if (session.gone) continue;
      if (session.endMs > next.endMs) {
        this.#byEnd.push({ endMs: session.endMs, key, session });
        continue;
      }
      emitRow(emission, this.#step, context, { key, window: session, final: true, accumulators: session.accumulators });
      const open = this.#sessions.get(key) ?? [];
      if (open.length <= 1) this.#sessions.delete(key);
      else open.splice(open.indexOf(session), 1);
      this.#changed.add(key);
    }
  }

  refresh(): void {
    // A session's bounds change until it closes, so there is nothing to show before.
  }

  *save(): Iterable<Json> {
    yield* this.#saveKeys(this.#sessions.keys());
  }

  *saveChanges(): Iterable<Json> {
    yield* this.#saveKeys(this.#changed);
  }

  markSaved(): void {
    this.#changed.markSaved();
  }

  restore(entry: Json): void {
    for (const [key, saved] of entry as unknown as SavedSessions) {
      for (const session of this.#sessions.get(key) ?? []) session.gone = true;
      this.#sessions.delete(key);
      if (saved.length > 0) this.#sessions.set(key, this.#restoreKey(key, saved));
    }
  }

  *#saveKeys(keys: Iterable<string>): Iterable<SavedSessions> {
    for (const some of perEntry(keys)) yield some.map((key) => [key, this.#saveKey(key)]);
  }

  #saveKey(key: string): readonly SavedSession[] {
    return (this.#sessions.get(key) ?? []).map((session) => [
      session.startMs,
      session.endMs,
      encodeAccumulators(this.#step, session.accumulators),
    ]);
  }

  #restoreKey(key: string, saved: readonly SavedSession[]): Session[] {
    return saved.map(([startMs, endMs, encoded]) => {
      const session = { startMs, endMs, accumulators: decodeAccumulators(this.#step, encoded), gone: false };
      this.#byEnd.push({ endMs, key, session });
      return session;
    });
  }
}

/** All open sessions of some keys; a key without any is gone. */
type SavedSessions = readonly (readonly [key: string, sessions: readonly SavedSession[]])[];

type SavedSession = readonly [startMs: number, endMs: number, accumulators: readonly Json[]];
