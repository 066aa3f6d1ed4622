import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import {
  type AggregatePlan,
  feedingStepsOf,
  inputsOf,
  type JoinPlan,
  type ProcessPlan,
  type RunningPlan,
  type SelectPlan,
  type StepPlan,
  sourcesOf,
  sourcesOfInput,
  stepsOf,
  type TopPlan,
} from '#shared/pipeline/plan.ts';
import { isOrdered } from '#shared/pipeline/window.ts';
import type { Block, BlockOrigin } from '#shared/schemas/block.ts';
import { compareRecordPositions, type RecordPosition } from '#shared/schemas/position.ts';
import { endOfStreamMs } from '#shared/schemas/punctuation.ts';
import type { OracleCell, Verdict } from './oracle.ts';
import { windowsAt } from './window-oracle.ts';

/** A block of a slot's log, with the time at which the exchange took it. */
export interface LogEntry {
  readonly block: Block;
  readonly arrivalMs: number;
}

/**
 * What the logs decide, read straight from rules 7 to 10 and apart from the engine: for each step the outputs that come late, and
 * the windows that hold the others. `logs` has, by slot, all accepted blocks in the order of generation and sequence number.
 */
export function logOracle(pipeline: Pipeline, logs: ReadonlyMap<number, readonly LogEntry[]>): Verdict {
  const late = new Map<string, Set<string>>();
  const cells = new Map<string, OracleCell[]>();
  for (const step of stepsOf(pipeline.plan)) {
    late.set(step.id, new Set());
    cells.set(step.id, []);
  }
  for (const log of logs.values()) {
    const sources = new Map([
      ...sourcesOf(pipeline.plan).map(
        ({ id, idleAfterMs, whenSilent }) => [id, new SourceLog(idleAfterMs, whenSilent === 'advance')] as const,
      ),
      // The slots of a step whose rows are a stream again are always waited for.
      ...feedingStepsOf(pipeline.plan).map(({ id }) => [id, new SourceLog(undefined, false)] as const),
    ]);
    const judges = stepsOf(pipeline.plan).map(judgeOf);
    for (const entry of log) readBlock(entry, sources, judges, late);
    for (const judge of judges) cells.get(judge.step.id)?.push(...judge.cells());
  }
  return { late, cells };
}

function readBlock(
  { block, arrivalMs }: LogEntry,
  sources: ReadonlyMap<string, SourceLog>,
  judges: readonly Judge[],
  late: ReadonlyMap<string, Set<string>>,
): void {
  const { origin } = block;
  for (const [name, source] of sources) source.tell(arrivalMs, origin?.source === name);
  const source = origin === undefined ? undefined : sources.get(origin.source);
  if (origin !== undefined && source !== undefined) {
    source.list(origin.roster);
    const known = source.heard.get(origin.shard);
    for (const route of block.routes) {
      for (const [index, sub] of route.sub.entries()) {
        const sequence = route.sequences[route.sequence[index] ?? 0] ?? '';
        // Rule 8: an output counts only if its position is above the mark.
        if (known !== undefined && compareRecordPositions([sequence, sub], known.mark) <= 0) continue;
        const id = `${origin.source}/${origin.shard}/${sequence}/${sub}`;
        const key = route.keys[route.key[index] ?? 0] ?? '';
        for (const judge of judges) {
          if (!inputsOf(judge.step).some(({ input }) => input === route.route)) continue;
          // Rule 8: judged against W as it was before this block.
          if (!judge.take({ id, key, timeMs: route.timeMs[index] ?? 0 }, judge.watermarkMs))
            late.get(judge.step.id)?.add(id);
        }
      }
    }
    source.hear(origin);
  }
  for (const one of sources.values()) one.advance(origin === undefined);
  for (const judge of judges) {
    // Both inputs of a join may be of one source.
    const names = new Set(inputsOf(judge.step).flatMap(sourcesOfInput));
    const awaited = [...names].flatMap((name) => sources.get(name) ?? []);
    const speaking = awaited.filter((one) => awaited.length === 1 || !one.isSilent());
    const live = speaking.length > 0 ? speaking : awaited.filter((one) => one.goesOn);
    if (live.length > 0)
      judge.watermarkMs = Math.max(judge.watermarkMs, Math.min(...live.map((one) => one.watermarkMs)));
    judge.close(judge.watermarkMs);
  }
}

interface Heard {
  mark: RecordPosition;
  watermarkMs: number;
  lastMs: number;
}

/** Longer than this no log is without a tick while its stack runs. */
const runsWithinMs = 120_000;

/** Rules 8 to 10 for one source in one slot. */
class SourceLog {
  clockMs = 0;
  watermarkMs = Number.NEGATIVE_INFINITY;
  readonly heard = new Map<string, Heard>();
  readonly #idleAfterMs: number | undefined;
  /** Parents, and the clock when first listed. */
  readonly #listed = new Map<string, { readonly parents: readonly string[]; readonly atMs: number }>();
  /** The clock when it was retired. */
  readonly #retired = new Map<string, number>();
  /** Nobody is idle before `idleAfter` from here. */
  #awakeFromMs = Number.NEGATIVE_INFINITY;
  readonly goesOn: boolean;

  constructor(idleAfterMs: number | undefined, goesOn: boolean) {
    this.#idleAfterMs = idleAfterMs;
    this.goesOn = goesOn;
  }

  /** Rule 10: the time, which comes with every block, and whether the block is its own. */
  tell(arrivalMs: number, isOwn: boolean): void {
    const pauseMs = this.clockMs === 0 ? 0 : arrivalMs - this.clockMs;
    this.clockMs = Math.max(this.clockMs, arrivalMs);
    if (pauseMs > runsWithinMs || (isOwn && this.isSilent())) this.#awakeFromMs = this.clockMs;
  }

  list(roster: BlockOrigin['roster']): void {
    for (const [shard, parents] of Object.entries(roster)) {
      if (!this.#listed.has(shard)) this.#listed.set(shard, { parents, atMs: this.clockMs });
    }
  }

  hear(origin: BlockOrigin): void {
    const before = this.heard.get(origin.shard);
    if (before === undefined) for (const ancestor of this.#ancestors(origin.shard)) this.#retire(ancestor);
    const watermarkMs = origin.watermarkMs ?? Number.NEGATIVE_INFINITY;
    this.heard.set(origin.shard, {
      mark: before !== undefined && compareRecordPositions(before.mark, origin.to) > 0 ? before.mark : origin.to,
      watermarkMs: Math.max(before?.watermarkMs ?? Number.NEGATIVE_INFINITY, watermarkMs),
      lastMs: this.clockMs,
    });
  }

  advance(isTick: boolean): void {
    const waitedFor = [...this.#listed.keys()].flatMap((shard) => this.#standing(shard));
    const standing = waitedFor.length > 0 ? waitedFor : this.#heardAwake();
    if (standing.length > 0) this.watermarkMs = Math.max(this.watermarkMs, Math.min(...standing));
    if (waitedFor.length === 0 && this.goesOn && isTick && this.#listed.size > 0)
      this.watermarkMs = Math.max(this.watermarkMs, this.#newestGoneOn());
  }

  /** Where those stand that were heard of since all were waited for: all that is known of a source that is silent again. */
  #heardAwake(): readonly number[] {
    return [...this.heard].flatMap(([shard, { watermarkMs, lastMs }]) =>
      this.#retired.has(shard) || lastMs < this.#awakeFromMs ? [] : [watermarkMs],
    );
  }

  /** Nobody is waited for: from the newest watermark on, time is the clock's since anybody was heard of or retired. */
  #newestGoneOn(): number {
    const newestMs = Math.max(...[...this.heard.values()].map(({ watermarkMs }) => watermarkMs));
    const shards = [...new Set([...this.heard.keys(), ...this.#retired.keys()])];
    const sinceMs = Math.max(...shards.map((shard) => this.#retired.get(shard) ?? this.heard.get(shard)?.lastMs ?? 0));
    return Number.isFinite(newestMs) ? newestMs + this.clockMs - sinceMs : newestMs;
  }

  /** It was heard of, and nobody of it is waited for any more. */
  isSilent(): boolean {
    return this.#listed.size > 0 && [...this.#listed.keys()].every((shard) => this.#standing(shard).length === 0);
  }

  /** The watermark at which a listed shard holds the minimum; nothing when it is not waited for. */
  #standing(shard: string): readonly number[] {
    if (this.#retired.has(shard)) return [];
    const heard = this.heard.get(shard);
    if (heard !== undefined) return this.#isIdleSince(heard.lastMs) ? [] : [heard.watermarkMs];
    const atMs = this.#listed.get(shard)?.atMs ?? 0;
    const parents = this.#parentsOf(shard);
    // Rule 9: a listed root that was not seen yet counts as minus infinity.
    if (parents.length === 0) return this.#isIdleSince(atMs) ? [] : [Number.NEGATIVE_INFINITY];
    // Rule 9: unseen children of a retired origin hold at the parents' watermark.
    const retired = parents.filter((parent) => this.#retired.has(parent));
    if (retired.length === 0) return [];
    const heldSinceMs = Math.max(atMs, ...retired.map((parent) => this.#retired.get(parent) ?? 0));
    return this.#isIdleSince(heldSinceMs) ? [] : [Math.min(...retired.map((parent) => this.#lastOf(parent)))];
  }

  /** The watermark of an origin or, when it was never heard of, of those that it came from. */
  #lastOf(shard: string): number {
    const heard = this.heard.get(shard);
    if (heard !== undefined) return heard.watermarkMs;
    const parents = this.#parentsOf(shard);
    return parents.length === 0 ? Number.NEGATIVE_INFINITY : Math.min(...parents.map((parent) => this.#lastOf(parent)));
  }

  #isIdleSince(lastMs: number): boolean {
    const sinceMs = Math.max(lastMs, this.#awakeFromMs);
    return this.#idleAfterMs !== undefined && this.clockMs - sinceMs > this.#idleAfterMs;
  }

  #retire(shard: string): void {
    if (!this.#retired.has(shard)) this.#retired.set(shard, this.clockMs);
  }

  /** Parents that anybody has ever listed or heard of. */
  #parentsOf(shard: string): readonly string[] {
    return (this.#listed.get(shard)?.parents ?? []).filter(
      (parent) => this.#listed.has(parent) || this.heard.has(parent),
    );
  }

  #ancestors(shard: string): ReadonlySet<string> {
    const found = new Set<string>();
    const waiting = [...(this.#listed.get(shard)?.parents ?? [])];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (found.has(next)) continue;
      found.add(next);
      waiting.push(...(this.#listed.get(next)?.parents ?? []));
    }
    return found;
  }
}

export interface Candidate {
  readonly id: string;
  readonly key: string;
  readonly timeMs: number;
}

export interface Judge {
  readonly step: StepPlan;
  /** The step's: no source that feeds it and is waited for is further behind. */
  watermarkMs: number;
  /** False when the output is late. */
  take(output: Candidate, watermarkMs: number): boolean;
  close(watermarkMs: number): void;
  cells(): readonly OracleCell[];
}

/** Says which outputs of a step are late, and which windows hold the others. They are given in the order of their judgement. */
export function judgeOf(step: StepPlan): Judge {
  if (step.op === 'select' || step.op === 'running') return new TolerantJudge(step);
  if (step.op === 'join' || step.op === 'process' || step.op === 'top') return new RecordJudge(step);
  if (isOrdered(step.window)) return new RecordJudge(step);
  return step.window.kind === 'session' ? new SessionJudge(step) : new AlignedJudge(step);
}

/** Whether a record is late depends on the watermark alone, and what is not late meets all that is not late. */
class RecordJudge implements Judge {
  readonly step: AggregatePlan | JoinPlan | ProcessPlan | TopPlan;
  watermarkMs = Number.NEGATIVE_INFINITY;

  constructor(step: AggregatePlan | JoinPlan | ProcessPlan | TopPlan) {
    this.step = step;
  }

  take({ timeMs }: Candidate, watermarkMs: number): boolean {
    return timeMs + this.step.allowedLatenessMs >= watermarkMs;
  }

  close(): void {
    // Nothing is kept.
  }

  cells(): readonly OracleCell[] {
    return [];
  }
}

/** Without windows and order nothing is late. */
class TolerantJudge implements Judge {
  readonly step: SelectPlan | RunningPlan;
  watermarkMs = Number.NEGATIVE_INFINITY;

  constructor(step: SelectPlan | RunningPlan) {
    this.step = step;
  }

  take(): boolean {
    return true;
  }

  close(): void {
    // Nothing is kept.
  }

  cells(): readonly OracleCell[] {
    return [];
  }
}

class AlignedJudge implements Judge {
  readonly step: AggregatePlan;
  watermarkMs = Number.NEGATIVE_INFINITY;
  readonly #cells = new Map<string, OracleCell & { readonly outputIds: string[] }>();

  constructor(step: AggregatePlan) {
    this.step = step;
  }

  take({ id, key, timeMs }: Candidate, watermarkMs: number): boolean {
    const open = windowsAt(this.step, timeMs).filter(
      ([, endMs]) => watermarkMs < Math.min(endMs + this.step.allowedLatenessMs, endOfStreamMs),
    );
    for (const [startMs, endMs] of open) {
      const name = `${startMs}/${endMs}/${key}`;
      const cell = this.#cells.get(name) ?? { key, startMs, endMs, outputIds: [] };
      cell.outputIds.push(id);
      this.#cells.set(name, cell);
    }
    return open.length > 0;
  }

  close(): void {
    // Whether a window takes an output depends on the watermark alone.
  }

  cells(): readonly OracleCell[] {
    return [...this.#cells.values()];
  }
}

class SessionJudge implements Judge {
  readonly step: AggregatePlan;
  watermarkMs = Number.NEGATIVE_INFINITY;
  readonly #gapMs: number;
  #open: OracleCell[] = [];
  readonly #closed: OracleCell[] = [];

  constructor(step: AggregatePlan) {
    this.step = step;
    this.#gapMs = step.window.kind === 'session' ? step.window.gapMs : 0;
  }

  take({ id, key, timeMs }: Candidate, watermarkMs: number): boolean {
    const touches = (cell: OracleCell): boolean =>
      cell.key === key && cell.startMs <= timeMs + this.#gapMs && cell.endMs >= timeMs;
    const touched = this.#open.filter(touches);
    const merged = {
      key,
      startMs: Math.min(timeMs, ...touched.map((cell) => cell.startMs)),
      endMs: Math.max(timeMs + this.#gapMs, ...touched.map((cell) => cell.endMs)),
      outputIds: [...touched.flatMap((cell) => cell.outputIds), id],
    };
    if (this.#isClosed(merged, watermarkMs)) return false;
    this.#open = [...this.#open.filter((cell) => !touches(cell)), merged];
    return true;
  }

  close(watermarkMs: number): void {
    this.#closed.push(...this.#open.filter((cell) => this.#isClosed(cell, watermarkMs)));
    this.#open = this.#open.filter((cell) => !this.#isClosed(cell, watermarkMs));
  }

  cells(): readonly OracleCell[] {
    return [...this.#closed, ...this.#open];
  }

  /** A record at the watermark is not late, and at the end it touches: a session is closed only when no such record can come. */
  #isClosed({ endMs }: OracleCell, watermarkMs: number): boolean {
    return watermarkMs > endMs && watermarkMs >= endMs + this.step.allowedLatenessMs;
  }
}
