import type { CompiledAggregate, CompiledProcess, CompiledStep } from '#shared/engine/compile/compile.ts';
import type { EarlyRows } from '#shared/pipeline/window.ts';
import type { LogPosition } from '#shared/schemas/position.ts';
import type { Row, TotalPartial } from '#shared/schemas/row.ts';
import type { RowBatch, RowFile } from '#shared/schemas/row-file.ts';
import { type Accumulators, encodeTotal, mergeAll, resultsOf } from './accumulate.ts';
import { bestOf } from './best-rows.ts';
import type { WindowRange } from './window.ts';

/** What a stage has decided to show. */
export interface Emission {
  readonly rows: Row[];
  /** What running rows were and are, for the steps that read them. */
  readonly changes: Row[];
  readonly totals: TotalPartial[];
  /** Files that are full or whose time has come. */
  readonly files: RowFile[];
  readonly batches: RowBatch[];
  readonly failures: CallbackFailure[];
  /**
   * Each makes more of it, and changes the state that it is made of: nothing else may happen to that before all are through. At a pause it
   * says how many keys it has looked at, or rows it has made, since the last one.
   */
  readonly rest: Generator<number>[];
  /** Looked at in one go. */
  readonly keysAtOnceMax: number;
}

/** A callback of a process step that threw, in the stage that keeps its state. */
export interface CallbackFailure {
  readonly step: CompiledProcess;
  /** The position of the record, or of the one that led to the timer. */
  readonly source: string;
  readonly origin: string;
  readonly sequence: string;
  readonly sub: number;
  readonly key: string;
  readonly timeMs: number;
  readonly isTimer: boolean;
  readonly message: string;
}

/** A window may have more rows than memory holds, and a key that lies on the disk takes some 30 µs: while it is looked at nothing else is done. */
const keysAtOnceMaxDefault = 10_000;
/** A pause costs as much as a row, and whether there are enough need not be asked after each. */
const rowsPerPauseMax = 100;

export function createEmission(keysAtOnceMax = keysAtOnceMaxDefault): Emission {
  return { rows: [], changes: [], totals: [], files: [], batches: [], failures: [], rest: [], keysAtOnceMax };
}

/** Puts the next part of the rest in the place of what was shown; false when there was none. */
export function emitMore(emission: Emission): boolean {
  if (emission.rest.length === 0) return false;
  for (const shown of [emission.rows, emission.totals, emission.files, emission.batches]) shown.length = 0;
  emitRest(emission);
  return true;
}

/** Shows the next part of the rest beside what was shown. */
export function emitRest({ rest, keysAtOnceMax }: Emission): void {
  let left = keysAtOnceMax;
  for (let steps = rest[0]; steps !== undefined; steps = rest[0]) {
    for (let step = steps.next(); step.done !== true; step = steps.next()) {
      left -= step.value;
      if (left <= 0) return;
    }
    rest.shift();
  }
}

/** Where and when an emission is made. */
export interface EmissionContext {
  readonly slot: number;
  /** The position of the state that the rows are made from (rule 14). */
  readonly position: LogPosition;
  readonly clockMs: number;
}

/** What one key has in one window. */
interface KeyInWindow {
  readonly key: string;
  readonly window: WindowRange;
  readonly accumulators: Accumulators;
  /** Tells rows of one key and the same window apart, or says that there is no window. */
  readonly id?: string;
}

/** Makes its row. */
export function emitRow(
  emission: Emission,
  step: CompiledAggregate,
  context: EmissionContext,
  row: KeyInWindow & { readonly final: boolean },
): void {
  emission.rows.push(rowOf(step, context, row));
}

/** Shows what a window whose end is not known yet has so far. */
export function emitProvisional(
  emission: Emission,
  step: CompiledAggregate,
  context: EmissionContext,
  row: KeyInWindow,
): void {
  emission.rows.push({ ...rowOf(step, context, { ...row, final: false }), provisional: 'shown' });
}

function rowOf(step: CompiledAggregate, context: EmissionContext, row: KeyInWindow & { readonly final: boolean }): Row {
  const made: Row = {
    view: step.plan.id,
    key: row.key,
    windowStartMs: row.window.startMs,
    windowEndMs: row.window.endMs,
    final: row.final,
    position: context.position,
    columns: resultsOf(step, row.accumulators),
    expiresMs: expiryOf(step, context.clockMs),
  };
  return row.id === undefined ? made : { ...made, id: row.id };
}

/** Takes back what `emitProvisional` has shown of the window that was thought to begin there. */
export function takeBack(
  emission: Emission,
  step: CompiledAggregate,
  context: EmissionContext,
  { key, startMs, id }: { readonly key: string; readonly startMs: number; readonly id?: string },
): void {
  emission.rows.push({
    view: step.plan.id,
    key,
    windowStartMs: startMs,
    windowEndMs: startMs,
    ...(id === undefined ? {} : { id }),
    final: false,
    provisional: 'gone',
    position: context.position,
    columns: {},
    expiresMs: expiryOf(step, context.clockMs),
  });
}

/** Makes a slot's partial of a window's total over all keys. */
export function emitTotal(
  emission: Emission,
  step: CompiledAggregate,
  context: EmissionContext,
  total: { readonly window: WindowRange; readonly final: boolean; readonly accumulators: Accumulators },
): void {
  emission.totals.push({
    view: step.plan.id,
    slot: context.slot,
    windowStartMs: total.window.startMs,
    windowEndMs: total.window.endMs,
    final: total.final,
    position: context.position,
    columns: encodeTotal(step, total.accumulators),
    expiresMs: expiryOf(step, context.clockMs),
  });
}

/** Makes the rows of a window, with a pause after some, and if there are any before them its total, of which `totals` are the parts. */
export function* emitContents(
  emission: Emission,
  step: CompiledAggregate,
  context: EmissionContext,
  of: {
    readonly window: WindowRange;
    readonly final: boolean;
    readonly contents: Iterable<readonly [key: string, accumulators: Accumulators]>;
    readonly totals: readonly Accumulators[];
  },
): Generator<number> {
  const { window, final, totals } = of;
  const rowsPerPause = Math.min(emission.keysAtOnceMax, rowsPerPauseMax);
  const isRanked = final && step.ranking !== undefined;
  const contents = isRanked ? bestOf(of.contents, step, step.ranking) : of.contents;
  let isTotalDue = totals.length > 0;
  const emitTotalOnce = (): void => {
    if (isTotalDue) emitTotal(emission, step, context, { window, final, accumulators: mergeAll(step, totals) });
    isTotalDue = false;
  };
  // Also those whose rows are not made have a part of the total.
  if (isRanked) emitTotalOnce();
  for (const [key, accumulators] of contents) {
    emitTotalOnce();
    emitRow(emission, step, context, { key, window, final, accumulators });
    if (emission.rows.length % rowsPerPause === 0) yield rowsPerPause;
  }
}

/** When a row may be removed from the table, where it goes to one. */
export function expiryOf({ sinks }: CompiledStep, clockMs: number): number {
  return clockMs + (sinks.table?.ttlMs ?? 0);
}

/** How often the rows of open windows show what has changed; undefined where only other triggers do. */
export function shownEvery({ emit, refreshMs, early, window }: CompiledAggregate['plan']): EarlyRows | undefined {
  if (window.kind === 'global')
    return window.everyArrivalMs === undefined ? undefined : { everyMs: window.everyArrivalMs, time: 'arrival' };
  return emit === 'on-update' ? { everyMs: refreshMs, time: 'arrival' } : early;
}

/** A row that fills is refreshed at a cadence on the slot's clock, which is the same in every attempt. */
export function isRefreshDue({ plan }: CompiledAggregate, shownMs: number, clockMs: number): boolean {
  const every = shownEvery(plan);
  return every?.time === 'arrival' && clockMs >= shownMs + every.everyMs;
}
