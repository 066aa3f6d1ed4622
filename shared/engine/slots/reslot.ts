import type { CompiledAggregate, CompiledPipeline } from '#shared/engine/compile/compile.ts';
import { groupOf, slotOf } from '#shared/engine/keys/key.ts';
import {
  type Accumulators,
  createAccumulators,
  decodeAccumulators,
  encodeAccumulators,
} from '#shared/engine/operators/accumulate.ts';
import { isSavedCadence } from '#shared/engine/operators/early-keys.ts';
import type { SavedSlice, SavedWindows } from '#shared/engine/operators/saved-slice.ts';
import { gridOf } from '#shared/engine/operators/window.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { identityOf } from '#shared/pipeline/contract.ts';
import { sinksOf } from '#shared/pipeline/plan.ts';
import { keyOfTop } from '#shared/pipeline/rows.ts';
import { isAligned } from '#shared/pipeline/window.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { encodeKey } from '#shared/schemas/key.ts';
import { type LogPosition, sequenceInLog } from '#shared/schemas/position.ts';
import type { Checkpoint, SourceProgress, Stage, StepProgress, StoredCell } from '#shared/schemas/state.ts';
import { totalGroup } from '#shared/schemas/state.ts';
import { decodeCell, type SavedCellKey } from './cells.ts';
import { type StateEntry, stepOf } from './memory-stage.ts';

// State of S slots as that of another number. Slots are ranges of the key's hash, so one becomes several, or several become one. Each child
// has the marks of its parent. Parents of one child must have seen the same of every raw shard: a mark is one number, and below it
// everything was counted.

/** The slots of `before` that the slot of `after` is made of. */
export function parentsOf(slot: number, before: number, after: number): readonly number[] {
  if (after >= before) return [Math.floor((slot * before) / after)];
  const count = before / after;
  return Array.from({ length: count }, (_, index) => slot * count + index);
}

/** What every raw shard's records of the sources were seen up to, as text; equal texts have seen the same. */
export function marksOf({ sources }: Pick<Checkpoint, 'sources'>, rawSources: readonly string[]): string {
  const marks = rawSources.flatMap((source) =>
    Object.entries(sources[source]?.origins ?? {}).map(
      ([shard, { mark }]) => `${source}/${shard} ${mark?.join('/') ?? ''}`,
    ),
  );
  return marks.sort().join('\n');
}

export interface MoveOptions {
  readonly slot: number;
  readonly position: LogPosition;
  readonly isFirst: boolean;
  readonly rawSources: readonly string[];
}

/**
 * The log of a slot that the parents' logs become, at `position`. Counts are sums, so of several children the first has them all. What is
 * not of `rawSources` are rows of steps, none of which is under way: the slots that made them begin anew, with positions above the old ones,
 * and tell all others anew how far they are. What they put before is not heard any more, wherever it is found. Throws `SAVEPOINT_REFUSED` for parents that have not seen the same.
 */
export function moveLog(
  { slots, groups }: Pick<CompiledPipeline, 'slots' | 'groups'>,
  parents: readonly Checkpoint[],
  { slot, position, isFirst, rawSources }: MoveOptions,
): Checkpoint {
  const [first, ...others] = parents;
  if (first === undefined) throw new Error('Bug in Millrace: a slot is made of at least one');
  if (others.some((other) => marksOf(other, rawSources) !== marksOf(first, rawSources))) {
    throw new MillraceError(
      'SAVEPOINT_REFUSED',
      `the slots that slot ${slot} of ${slots} would be made of have not seen the same of every raw shard. Pause the producers and take a savepoint with --drained.`,
    );
  }
  const sum = (of: (log: Checkpoint) => number): number =>
    isFirst ? parents.reduce((all, log) => all + of(log), 0) : 0;
  const joins = joinsOf(parents);
  return {
    version: 1,
    plan: first.plan,
    slots,
    groups,
    position,
    clockMs: Math.max(...parents.map(({ clockMs }) => clockMs)),
    sources: Object.fromEntries(
      Object.keys(first.sources).map((name) => {
        const moved = moveSource(parents.map(({ sources }) => sources[name]));
        return [name, rawSources.includes(name) ? moved : { ...withoutOrigins(moved), since: sequenceInLog(position) }];
      }),
    ),
    ...(joins === undefined ? {} : { joins }),
    counts: {
      counted: sum(({ counts }) => counts.counted),
      late: sum(({ counts }) => counts.late),
      shared: sum(({ counts }) => counts.shared),
      duplicates: sum(({ counts }) => counts.duplicates),
    },
    steps: Object.fromEntries(
      Object.keys(first.steps).map((id) => [
        id,
        moveStep(
          parents.map(({ steps }) => steps[id]),
          isFirst,
        ),
      ]),
    ),
  };
}

/**
 * The log of a slot of which the savepoint has no state, at `position`: it does not hear the rows either that the deployment has put behind the
 * savepoint. Undefined where the stage reads no rows, and the slot may begin as a new one.
 */
export function beginLog(
  pipeline: CompiledPipeline,
  { stage, plan, position }: { readonly stage: Stage; readonly plan: string; readonly position: LogPosition },
): Checkpoint | undefined {
  const read = pipeline.steps.filter((step) => step.stage === stage).flatMap(({ sources }) => sources);
  const rows = [...new Set(read)].filter((name) => pipeline.rowSources.has(name));
  if (rows.length === 0) return undefined;
  const { slots, groups } = pipeline;
  const source = { watermarkMs: null, roster: {}, origins: {}, since: sequenceInLog(position) };
  const sources = Object.fromEntries(rows.map((name) => [name, source]));
  const counts = { counted: 0, late: 0, shared: 0, duplicates: 0 };
  return { version: 1, plan, slots, groups, position, clockMs: 0, sources, counts, steps: {} };
}

/** Without the origins: for raw streams that were made anew, whose shards have the names of others. W stays. */
export function leaveOrigins(log: Checkpoint): Checkpoint {
  const sources = Object.entries(log.sources).map(([name, source]) => [name, withoutOrigins(source)] as const);
  return { ...log, sources: Object.fromEntries(sources) };
}

/**
 * The entries of the window stage that belong to the slot, with totals made anew. Throws `SAVEPOINT_REFUSED` for a step whose state does
 * not lie by key.
 */
export function moveEntries(
  pipeline: CompiledPipeline,
  slot: number,
  entries: readonly StateEntry[],
): readonly StateEntry[] {
  const moved: StateEntry[] = [];
  const totals = new Map<string, SliceTotals>();
  for (const [id, entry] of entries) {
    const step = pipeline.steps.find(({ plan }) => plan.id === id);
    if (step === undefined && pipeline.steps.every(({ plan }) => plan.id !== stepOf(id))) continue;
    const isOwn = (key: string): boolean => slotOf(key, pipeline.slots) === slot;
    if (step?.op === 'aggregate' && isAligned(step.plan.window)) {
      const ofStep = totals.get(id) ?? new SliceTotals(step);
      totals.set(id, ofStep);
      if (!Array.isArray(entry)) moved.push([id, entry]);
      else moved.push([id, ofStep.take(entry as unknown as SavedSlice, isOwn) as unknown as Json]);
    } else if (step?.op === 'top') {
      if (isOwn(encodeKey(keyOfTop(id)))) moved.push([id, entry]);
    } else if (isSavedCadence(entry)) {
      moved.push([id, entry as Json]);
    } else if (step !== undefined && isByKey(step.op)) {
      moved.push([id, (entry as readonly (readonly [string, ...Json[]])[]).filter(([key]) => isOwn(key))]);
    } else {
      throw new MillraceError(
        'SAVEPOINT_REFUSED',
        `the state of ${id} does not lie by key, so it cannot be moved to another number of slots. Restore it with the slots it has.`,
      );
    }
  }
  // The last entry of a slice says when it changed and what its total is.
  for (const [id, ofStep] of totals) for (const slice of ofStep.slices()) moved.push([id, slice as unknown as Json]);
  return moved;
}

/** These save lists whose elements begin with their key. A kind of step that is yet to come is refused until somebody looks. */
function isByKey(op: string): boolean {
  return op === 'aggregate' || op === 'join' || op === 'process' || op === 'running';
}

/** The totals of a step's open windows by their names, in the slot whose entries these are. */
export function totalsOfWindows(step: CompiledAggregate, entries: readonly Json[]): ReadonlyMap<number, Accumulators> {
  const totals = new Map<number, Accumulators>();
  const { window } = step.plan;
  if (!isAligned(window)) return totals;
  const grid = gridOf(window);
  for (const entry of entries) {
    if (Array.isArray(entry)) continue;
    for (const nameMs of (entry as unknown as SavedWindows).opened) totals.set(nameMs, createAccumulators(step));
  }
  for (const entry of entries) {
    if (!Array.isArray(entry)) continue;
    const [sliceMs, , total] = entry as unknown as SavedSlice;
    if (total === null) continue;
    for (const [nameMs, into] of totals) {
      const { startMs, endMs } = grid.rangeOf(nameMs);
      if (sliceMs >= startMs && sliceMs < endMs) mergeTotal(step, into, decodeAccumulators(step, total));
    }
  }
  return totals;
}

/** The cells of the aggregate stage that belong to the slot, in its key groups, at `position`. */
export function moveCells(
  pipeline: CompiledPipeline,
  slot: number,
  cells: readonly StoredCell[],
  position: LogPosition,
): readonly StoredCell[] {
  const moved = new Map<
    string,
    { readonly step: CompiledAggregate; readonly paneMs: number; readonly group: number; readonly keys: SavedCellKey[] }
  >();
  const totals = new Map<string, { touchedMs: number; readonly accumulators: Accumulators }>();
  for (const { id, body } of cells) {
    const step = pipeline.steps.find(({ plan }) => plan.id === id.step);
    if (step?.op !== 'aggregate' || id.group === totalGroup) continue;
    for (const saved of decodeCell(body).keys) {
      const [key, touchedMs, encoded] = saved;
      if (slotOf(key, pipeline.slots) !== slot) continue;
      const group = groupOf(key, pipeline.groups);
      const name = `${id.step}/${id.paneMs}/${group}`;
      const cell = moved.get(name) ?? { step, paneMs: id.paneMs, group, keys: [] };
      cell.keys.push(saved);
      moved.set(name, cell);
      if (step.totals.length === 0) continue;
      const pane = `${id.step}/${id.paneMs}/${totalGroup}`;
      const total = totals.get(pane) ?? { touchedMs, accumulators: createAccumulators(step) };
      total.touchedMs = Math.max(total.touchedMs, touchedMs);
      mergeTotal(step, total.accumulators, decodeAccumulators(step, encoded));
      totals.set(pane, total);
      moved.set(pane, {
        step,
        paneMs: id.paneMs,
        group: totalGroup,
        keys: [['', total.touchedMs, encodeAccumulators(step, total.accumulators)]],
      });
    }
  }
  return [...moved.values()].map(({ step, paneMs, group, keys }) => ({
    id: { step: step.plan.id, slot, paneMs, group },
    position,
    body: JSON.stringify([identityOf(step.contract), ...keys]),
  }));
}

/** Only steps whose rows go into the table, and have a time to live there, have totals. */
export function ttlMsOf(step: CompiledAggregate): number | undefined {
  return sinksOf(step.plan).table?.ttlMs;
}

class SliceTotals {
  readonly #step: CompiledAggregate;
  readonly #slices = new Map<number, { touchedMs: number; readonly total: Accumulators }>();

  constructor(step: CompiledAggregate) {
    this.#step = step;
  }

  take([startMs, touchedMs, , keys]: SavedSlice, isOwn: (key: string) => boolean): SavedSlice {
    const slice = this.#slices.get(startMs) ?? { touchedMs, total: createAccumulators(this.#step) };
    slice.touchedMs = Math.max(slice.touchedMs, touchedMs);
    this.#slices.set(startMs, slice);
    const own = keys.filter(([key]) => isOwn(key));
    for (const [, , encoded] of own) mergeTotal(this.#step, slice.total, decodeAccumulators(this.#step, encoded));
    return [startMs, touchedMs, null, own];
  }

  *slices(): Iterable<SavedSlice> {
    for (const [startMs, { touchedMs, total }] of this.#slices)
      yield [startMs, touchedMs, this.#step.totals.length === 0 ? null : encodeAccumulators(this.#step, total), []];
  }
}

function mergeTotal(step: CompiledAggregate, into: Accumulators, from: Accumulators): void {
  for (const index of step.totals) into[index] = step.aggregators[index]?.merge(into[index], from[index]);
}

function moveSource(parents: readonly (SourceProgress | undefined)[]): SourceProgress {
  const present = parents.filter((parent) => parent !== undefined);
  const watermarks = present.map(({ watermarkMs }) => watermarkMs ?? Number.NEGATIVE_INFINITY);
  // The highest: a window that has closed in one of them must not open again.
  const watermarkMs = Math.max(...watermarks);
  const wokenMs = Math.max(...present.map((parent) => parent.wokenMs ?? Number.NEGATIVE_INFINITY));
  const [first] = present;
  return {
    watermarkMs: Number.isFinite(watermarkMs) ? watermarkMs : null,
    ...(Number.isFinite(wokenMs) && { wokenMs }),
    roster: Object.assign({}, ...present.map(({ roster }) => roster)),
    origins: Object.fromEntries(
      Object.entries(first?.origins ?? {}).map(([shard, origin]) => {
        const all = present.flatMap(({ origins }) => origins[shard] ?? []);
        const watermark = Math.max(...all.map((one) => one.watermarkMs ?? Number.NEGATIVE_INFINITY));
        return [
          shard,
          {
            ...origin,
            watermarkMs: Number.isFinite(watermark) ? watermark : null,
            lastMs: Math.max(...all.map(({ lastMs }) => lastMs)),
            retired: all.some(({ retired }) => retired),
          },
        ];
      }),
    ),
  };
}

function withoutOrigins(source: SourceProgress): SourceProgress {
  return { ...source, roster: {}, origins: {} };
}

function joinsOf(parents: readonly Checkpoint[]): Checkpoint['joins'] | undefined {
  const ids = Object.keys(parents[0]?.joins ?? {});
  if (ids.length === 0) return undefined;
  return Object.fromEntries(
    ids.map((id) => {
      const highest = Math.max(...parents.map(({ joins }) => joins?.[id] ?? Number.NEGATIVE_INFINITY));
      return [id, Number.isFinite(highest) ? highest : null];
    }),
  );
}

function moveStep(parents: readonly (StepProgress | undefined)[], isFirst: boolean): StepProgress {
  const present = parents.filter((parent) => parent !== undefined);
  const sum = (of: (step: StepProgress) => number): number =>
    isFirst ? present.reduce((all, step) => all + of(step), 0) : 0;
  const contract = present[0]?.contract;
  const threw = sum((step) => step.threw ?? 0);
  return {
    ...(contract === undefined ? {} : { contract }),
    counted: sum(({ counted }) => counted),
    late: sum(({ late }) => late),
    ...(threw === 0 ? {} : { threw }),
    open: [...new Set(present.flatMap(({ open }) => open))].sort((a, b) => a - b),
    emittedMs: Math.min(...present.map(({ emittedMs }) => emittedMs)),
    pending: [],
  };
}
