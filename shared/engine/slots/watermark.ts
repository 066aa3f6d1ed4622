import type { CompiledPipeline, CompiledStep } from '#shared/engine/compile/compile.ts';
import type { SourcePlan } from '#shared/pipeline/plan.ts';
import type { Block, BlockOrigin } from '#shared/schemas/block.ts';
import {
  compareRecordPositions,
  compareSequences,
  type LogPosition,
  logStart,
  type RecordPosition,
} from '#shared/schemas/position.ts';
import { endOfStreamMs } from '#shared/schemas/punctuation.ts';
import type { Checkpoint, SourceProgress } from '#shared/schemas/state.ts';

/** What a slot knows of a raw shard. */
interface Origin {
  mark: RecordPosition | null;
  watermarkMs: number;
  lastMs: number;
  retired: boolean;
}

interface SourceState {
  readonly idleAfterMs: number | undefined;
  /** While all of it is silent, its watermark goes on with the clock. */
  readonly advances: boolean;
  watermarkMs: number;
  /** When it spoke last after a silence, or the log went on after a standstill: since then all of its shards are waited for again. */
  wokenMs: number;
  /** See `SourceProgress`. */
  readonly since: string | undefined;
  readonly roster: Map<string, { readonly parents: readonly string[]; readonly sinceMs: number }>;
  readonly origins: Map<string, Origin>;
}

/** A tick comes to every slot each minute, up to a minute late. A log without a block for longer is of a stack that was stopped. */
export const standstillMs = 2 * 60_000;

/** Rule 8: the part of a slot's state that is about its log: P, clock, W, roster and, per origin, mark and watermark. */
export class SlotLog {
  position: LogPosition = logStart;
  clockMs = 0;
  readonly #sources = new Map<string, SourceState>();
  /** Steps that several sources feed, by id. */
  readonly #joins = new Map<string, { readonly sources: readonly SourceState[]; watermarkMs: number }>();

  constructor(pipeline: CompiledPipeline, checkpoint: Checkpoint | undefined) {
    for (const [name, source] of pipeline.sources) {
      this.#sources.set(name, restoreSource(source.plan, checkpoint?.sources[name]));
    }
    // The slots whose rows these are never end, and what they are silent about has not happened: each is waited for, for ever.
    for (const name of pipeline.rowSources.keys())
      this.#sources.set(name, restoreSource({}, checkpoint?.sources[name]));
    for (const { plan, sources } of pipeline.steps) {
      if (sources.length === 1) continue;
      const watermarkMs = checkpoint?.joins?.[plan.id] ?? Number.NEGATIVE_INFINITY;
      this.#joins.set(plan.id, { sources: sources.map((name) => this.#source(name)), watermarkMs });
    }
    if (checkpoint === undefined) return;
    this.position = checkpoint.position;
    this.clockMs = checkpoint.clockMs;
  }

  /** W of a source; minus infinity before every origin was heard of. */
  watermarkOf(source: string): number {
    return this.#source(source).watermarkMs;
  }

  /** W of a step: its source's or, where there are several, the least of those that are waited for. */
  watermarkOfStep({ plan, sources }: CompiledStep): number {
    return this.#joins.get(plan.id)?.watermarkMs ?? this.watermarkOf(sources[0] as string);
  }

  /** Rule 8, before the outputs: the clock and the roster. Gives the mark that outputs must be above to be new. */
  open(block: Block, arrivalMs: number): RecordPosition | null {
    const stoodStill = this.clockMs > 0 && arrivalMs - this.clockMs > standstillMs;
    this.clockMs = Math.max(this.clockMs, arrivalMs);
    const source = this.#heard(block);
    for (const one of this.#sources.values()) {
      const speaksAgain = one === source && isSilent(one, this.clockMs);
      if (stoodStill || speaksAgain) one.wokenMs = this.clockMs;
    }
    if (block.origin === undefined) return null;
    // Of rows that were put before a restore nothing is new. A source of an earlier plan is one that nobody reads.
    if (source === undefined) return this.#sources.has(block.origin.source) ? block.origin.to : null;
    for (const [shard, parents] of Object.entries(block.origin.roster)) {
      if (!source.roster.has(shard)) source.roster.set(shard, { parents, sinceMs: this.clockMs });
    }
    return source.origins.get(block.origin.shard)?.mark ?? null;
  }

  /** Rule 8, after the outputs: the origin's mark and watermark, then W of every source, since the clock may have made one idle. */
  close(block: Block, position: LogPosition): void {
    const heard = this.#heard(block);
    if (block.origin !== undefined && heard !== undefined) cover(heard, block.origin, this.clockMs);
    for (const source of this.#sources.values()) {
      source.watermarkMs = Math.max(source.watermarkMs, minimumOverLive(source, this.clockMs));
      // Rule 10: only a tick brings the clock. What our own heartbeats moved would lead to the next ones, for ever.
      if (block.origin === undefined)
        source.watermarkMs = Math.max(source.watermarkMs, advancedWatermark(source, this.clockMs));
    }
    for (const join of this.#joins.values()) {
      const live = join.sources.filter((source) => !isSilent(source, this.clockMs));
      const awaited = live.length > 0 ? live : join.sources.filter(({ advances }) => advances);
      if (awaited.length === 0) continue;
      // A source that was silent and speaks again may be far behind.
      join.watermarkMs = Math.max(join.watermarkMs, Math.min(...awaited.map((source) => source.watermarkMs)));
    }
    this.position = position;
  }

  save(): Pick<Checkpoint, 'position' | 'clockMs' | 'sources' | 'joins'> {
    const sources: Record<string, SourceProgress> = {};
    for (const [name, source] of this.#sources) {
      sources[name] = {
        watermarkMs: finiteOrNull(source.watermarkMs),
        ...(Number.isFinite(source.wokenMs) && { wokenMs: source.wokenMs }),
        ...(source.since !== undefined && { since: source.since }),
        roster: Object.fromEntries(source.roster),
        origins: Object.fromEntries(
          [...source.origins].map(([shard, origin]) => [
            shard,
            { ...origin, watermarkMs: finiteOrNull(origin.watermarkMs) },
          ]),
        ),
      };
    }
    const joins = Object.fromEntries([...this.#joins].map(([id, join]) => [id, finiteOrNull(join.watermarkMs)]));
    return { position: this.position, clockMs: this.clockMs, sources, ...(this.#joins.size === 0 ? {} : { joins }) };
  }

  /** The source of which a block tells something: none of an earlier plan, which this one does not read, and none before a restore. */
  #heard({ origin }: Block): SourceState | undefined {
    const source = origin && this.#sources.get(origin.source);
    if (source?.since === undefined || origin === undefined) return source;
    return compareSequences(origin.to[0], source.since) < 0 ? undefined : source;
  }

  #source(name: string): SourceState {
    const source = this.#sources.get(name);
    if (source === undefined)
      throw new Error(`Bug in Millrace: a block of source ${name}, which the plan does not have`);
    return source;
  }
}

function cover({ origins, roster }: SourceState, from: BlockOrigin, clockMs: number): void {
  const known = origins.get(from.shard);
  if (known === undefined || known.mark === null) {
    // Rule 9: an origin's first block retires its ancestors for good.
    for (const ancestor of ancestorsOf(from.shard, roster)) retire(origins, ancestor, clockMs);
  }
  const origin = known ?? { mark: null, watermarkMs: Number.NEGATIVE_INFINITY, lastMs: clockMs, retired: false };
  if (origin.mark === null || compareRecordPositions(from.to, origin.mark) > 0) origin.mark = from.to;
  origin.watermarkMs = Math.max(origin.watermarkMs, from.watermarkMs ?? Number.NEGATIVE_INFINITY);
  // Rule 9: late blocks of a retired origin are deduplicated and revive nothing.
  if (!origin.retired) origin.lastMs = clockMs;
  origins.set(from.shard, origin);
}

/**
 * The least watermark of the origins that are waited for; when none is, of those that spoke since all were waited for: they may have become
 * idle with those that did not.
 */
function minimumOverLive(source: SourceState, clockMs: number): number {
  const minimum = leastOverLive(source, clockMs);
  if (minimum !== Number.POSITIVE_INFINITY) return minimum;
  const spoke = [...source.origins.values()].filter(({ lastMs, retired }) => !retired && lastMs >= source.wokenMs);
  return spoke.length === 0 ? Number.NEGATIVE_INFINITY : Math.min(...spoke.map(({ watermarkMs }) => watermarkMs));
}

/**
 * Of a source that is silent and goes on: as far as it had come when it was heard of last, and as much further as the clock has gone since: a record that came now with no
 * more delay than the newest ones had would not be late.
 */
function advancedWatermark(source: SourceState, clockMs: number): number {
  if (!source.advances || !isSilent(source, clockMs)) return Number.NEGATIVE_INFINITY;
  let newestMs = Number.NEGATIVE_INFINITY;
  let lastMs = Number.NEGATIVE_INFINITY;
  for (const origin of source.origins.values()) {
    newestMs = Math.max(newestMs, origin.watermarkMs);
    lastMs = Math.max(lastMs, origin.lastMs);
  }
  // What is over does not go on; and nothing comes of a source of which nothing was heard.
  if (newestMs >= endOfStreamMs || newestMs === Number.NEGATIVE_INFINITY) return newestMs;
  return newestMs + clockMs - lastMs;
}

/** It was heard of, and none of its origins is waited for any more. */
function isSilent(source: SourceState, clockMs: number): boolean {
  return source.roster.size > 0 && leastOverLive(source, clockMs) === Number.POSITIVE_INFINITY;
}

/** As `minimumOverLive`, but plus infinity when none is waited for. */
function leastOverLive(source: SourceState, clockMs: number): number {
  const isIdle = (sinceMs: number): boolean =>
    source.idleAfterMs !== undefined && clockMs - Math.max(sinceMs, source.wokenMs) > source.idleAfterMs;
  let minimum = Number.POSITIVE_INFINITY;
  for (const [shard, { parents, sinceMs }] of source.roster) {
    const origin = source.origins.get(shard);
    if (origin !== undefined) {
      if (!origin.retired && !isIdle(origin.lastMs)) minimum = Math.min(minimum, origin.watermarkMs);
      continue;
    }
    const known = parents.filter((parent) => source.roster.has(parent) || source.origins.has(parent));
    if (known.length === 0) {
      // Rule 9: a listed root that was not seen yet counts as minus infinity.
      if (!isIdle(sinceMs)) return Number.NEGATIVE_INFINITY;
      continue;
    }
    // Rule 9: unseen children of a retired origin hold at the parents' watermark. While the parents live, they hold it themselves.
    const retired = known.filter((parent) => source.origins.get(parent)?.retired === true);
    if (retired.length === 0) continue;
    const heldSinceMs = Math.max(sinceMs, ...retired.map((parent) => source.origins.get(parent)?.lastMs ?? 0));
    if (!isIdle(heldSinceMs))
      minimum = Math.min(minimum, ...retired.map((parent) => inheritedWatermark(source, parent)));
  }
  return minimum;
}

/** An origin that was retired unseen stands where its own parents stood. */
function inheritedWatermark(source: SourceState, shard: string): number {
  const origin = source.origins.get(shard);
  if (origin !== undefined && origin.mark !== null) return origin.watermarkMs;
  const parents = (source.roster.get(shard)?.parents ?? []).filter((parent) => source.origins.has(parent));
  return parents.length === 0
    ? Number.NEGATIVE_INFINITY
    : Math.min(...parents.map((parent) => inheritedWatermark(source, parent)));
}

function ancestorsOf(shard: string, roster: SourceState['roster']): readonly string[] {
  const found = new Set<string>();
  const visit = (child: string): void => {
    for (const parent of roster.get(child)?.parents ?? []) {
      if (found.has(parent)) continue;
      found.add(parent);
      visit(parent);
    }
  };
  visit(shard);
  return [...found];
}

function retire(origins: Map<string, Origin>, shard: string, clockMs: number): void {
  const origin = origins.get(shard);
  if (origin === undefined) {
    origins.set(shard, { mark: null, watermarkMs: Number.NEGATIVE_INFINITY, lastMs: clockMs, retired: true });
  } else if (!origin.retired) {
    origin.retired = true;
    origin.lastMs = clockMs;
  }
}

function restoreSource(
  { idleAfterMs, whenSilent }: Pick<SourcePlan, 'idleAfterMs' | 'whenSilent'>,
  saved: SourceProgress | undefined,
): SourceState {
  return {
    idleAfterMs,
    advances: whenSilent === 'advance',
    watermarkMs: saved?.watermarkMs ?? Number.NEGATIVE_INFINITY,
    wokenMs: saved?.wokenMs ?? Number.NEGATIVE_INFINITY,
    since: saved?.since,
    roster: new Map(Object.entries(saved?.roster ?? {})),
    origins: new Map(
      Object.entries(saved?.origins ?? {}).map(([shard, origin]) => [
        shard,
        { ...origin, watermarkMs: origin.watermarkMs ?? Number.NEGATIVE_INFINITY },
      ]),
    ),
  };
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
