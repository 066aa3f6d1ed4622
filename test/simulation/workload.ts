import type { OverflowLimits } from '#shared/engine/state/overflow.ts';
import { lookupTablesOf } from '#shared/pipeline/enrich.ts';
import { sinksOf, stepsOf } from '#shared/pipeline/plan.ts';
import type { SnapshotLimits } from '#shared/runtime/snapshots.ts';
import type { LookupItem } from '#shared/schemas/lookup.ts';
import { createRandom, type Random } from '#shared/testing/random.ts';
import { drawItem } from './enriched.ts';
import { type Move, movesOf } from './move.ts';
import { type SimPipeline, simPipelines } from './pipelines.ts';
import { outOfOrdernessMs, type SimValue } from './records.ts';

/** What the world does, in this order, while everything else goes on. */
export type Action =
  | {
      readonly kind: 'put';
      readonly source: string;
      readonly at: number;
      readonly data: string | Uint8Array;
      readonly label: string;
    }
  | { readonly kind: 'promise'; readonly source: string; readonly shard: number; readonly watermarkMs: number }
  | { readonly kind: 'reshard'; readonly stream: string; readonly op: 'split' | 'merge'; readonly shard: number }
  | { readonly kind: 'tick' }
  | { readonly kind: 'deploy' }
  /** Of which another deployment goes on. */
  | { readonly kind: 'savepoint'; readonly move: Move }
  | { readonly kind: 'wait'; readonly ms: number }
  /** An item of the tables that records are looked up in changes, or is gone. */
  | { readonly kind: 'item'; readonly key: string; readonly item: LookupItem | undefined };

export const faultKinds = [
  'crash-before',
  'crash-after',
  'lost-response',
  'refused',
  'zombie',
  'put-refused',
  'put-doubled',
  'put-delayed',
  'put-throttled',
  'redelivery',
  'rewind',
  'hang',
  'worker-joins',
  'worker-leaves',
  'blob-torn',
  'blob-lost',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** One seed's world: all that chance decides before the first step. */
export interface Scenario {
  readonly seed: number;
  readonly sim: SimPipeline;
  /** Whether records may come late; then the logs decide what is right. */
  readonly mayBeLate: boolean;
  /** With our own Kinesis and its event source mapping, instead of the adversary's. */
  readonly onModel: boolean;
  readonly rawShards: number;
  readonly exchangeShards: number;
  readonly outputsPerChunkMax: number;
  readonly blockBytesMax: number;
  readonly batchRecordsMax: number;
  /** How much of what a batch looks up is noted at once. */
  readonly noteCharsMax: number;
  readonly keysPerRead: number;
  readonly stepMsMax: number;
  readonly checkpointEveryMs: number;
  /** How often at most slots are told of the watermarks of rows that are a stream again. */
  readonly heartbeatEveryMs: number;
  readonly snapshotLimits: SnapshotLimits;
  /** How many keys a worker looks at in one go, of what a block closes or shows. */
  readonly keysAtOnceMax: number;
  /** What memory a worker has for its state; undefined: enough. */
  readonly overflowLimits: OverflowLimits | undefined;
  /** How many workers there should be, and after how long without progress one loses its shards. */
  readonly workers: number;
  readonly leasePeriodMs: number;
  /** How far the workers' clocks may be off, and how much faster or slower they may go. */
  readonly skewMsMax: number;
  readonly driftMax: number;
  /** How eagerly the actions are done, against the rest of the world: low drains as it goes, high builds a backlog. */
  readonly haste: number;
  /** How often readers look at the rows, against everything else. */
  readonly polls: number;
  readonly rates: Readonly<Partial<Record<FaultKind, number>>>;
  readonly faultsMax: number;
  readonly actions: readonly Action[];
}

/** Leads the generator to where a rule matters. */
export interface Bias {
  readonly pipelines?: readonly string[];
  readonly slots?: readonly number[];
  readonly idle?: boolean;
  readonly late?: boolean;
  readonly faults?: Readonly<Partial<Record<FaultKind, number>>>;
  /** At least so many reshards of each stream. */
  readonly rawReshards?: number;
  readonly exchangeReshards?: number;
  /** Of the views' streams. */
  readonly rowReshards?: number;
  readonly outputsPerChunkMax?: number;
  readonly workers?: number;
  readonly keysAtOnceMax?: number;
  /** Whether memory is short. */
  readonly overflow?: boolean;
  readonly driftMax?: number;
  readonly onModel?: boolean;
  /** How often readers look. */
  readonly polls?: number;
  /** How likely a savepoint is, where there may be one. */
  readonly moves?: number;
}

/** The exchange's name among the streams; the raw ones have their source's. */
export const exchangeName = 'exchange';

/** The names of the views' streams. */
export function rowStreamsOf({ pipeline }: SimPipeline): readonly (readonly [view: string, stream: string])[] {
  const views = stepsOf(pipeline.plan).filter((step) => sinksOf(step).stream !== undefined);
  return views.map(({ id }) => [id, `rows-${id}`]);
}

export const startMs = Date.UTC(2026, 0, 1);

function overflowOf(random: Random, isShort = random.chance(0.5)): OverflowLimits | undefined {
  const limits = { bytesMax: random.pick([1, 2_000, 10_000]), timersInMemoryMax: random.pick([1, 4]) };
  return isShort ? limits : undefined;
}

export function createScenario(seed: number, bias: Bias = {}): Scenario {
  const scenario = createStill(seed, bias);
  const moves = movesOf(scenario, bias.moves ?? 0.15);
  const random = createRandom(seed, 'savepoint');
  const places = moves.map(() => random.below(scenario.actions.length + 1)).sort((a, b) => a - b);
  const actions = scenario.actions.flatMap((action, index) => [...savepointsAt(index), action]);
  return { ...scenario, actions: [...actions, ...savepointsAt(scenario.actions.length)] };

  function savepointsAt(place: number): readonly Action[] {
    return moves.flatMap((move, index) => (places[index] === place ? [{ kind: 'savepoint', move }] : []));
  }
}

/** The scenario without a savepoint. */
function createStill(seed: number, bias: Bias): Scenario {
  const random = createRandom(seed, 'workload');
  const candidates = simPipelines.filter(
    ({ pipeline, hasIdle }) =>
      (bias.pipelines?.includes(pipeline.id) ?? true) &&
      (bias.slots?.includes(pipeline.plan.slots) ?? true) &&
      hasIdle === (bias.idle ?? hasIdle),
  );
  let sim = random.pick(candidates);
  // Idle shards make lateness a matter of timing, so they are the rarer half.
  if (sim.hasIdle && bias.idle === undefined && random.chance(0.5))
    sim = random.pick(candidates.filter((one) => !one.hasIdle));
  // What is late depends on when a step began, so a deploy is checked where nothing is.
  const mayBeLate = sim.earlier === undefined && (bias.late ?? (sim.hasIdle || random.chance(0.3)));
  const harsh = random.pick([0, 0.01, 0.03, 0.08]);
  const rates: Partial<Record<FaultKind, number>> = {};
  for (const kind of faultKinds) if (random.chance(0.6)) rates[kind] = harsh * random.pick([0.3, 1, 2]);
  // Only when a worker begins are snapshots read.
  rates['blob-lost'] = (rates['blob-lost'] ?? 0) * 5;
  const stepMsMax = random.pick([0, 5, 40, sim.hasIdle ? 2_000 : 300]);
  return {
    seed,
    sim,
    mayBeLate,
    onModel: bias.onModel ?? random.chance(0.2),
    rawShards: random.between(1, 3),
    exchangeShards: random.between(1, Math.min(3, sim.pipeline.plan.slots + 1)),
    // A plan that changes in the middle of a record stops until the one before has put the rest of it.
    outputsPerChunkMax: sim.earlier === undefined ? (bias.outputsPerChunkMax ?? random.pick([1, 2, 3, 5, 50])) : 50,
    blockBytesMax: sim.earlier === undefined ? random.pick([1_000_000, 1_000_000, 700]) : 1_000_000,
    batchRecordsMax: random.pick([1, 3, 8, 20]),
    stepMsMax,
    // Enough for one raw record.
    noteCharsMax: createRandom(seed, 'notes').pick([8_000_000, 600]),
    keysPerRead: createRandom(seed, 'reads').pick([1, 400]),
    checkpointEveryMs: random.pick([1, 300, 3_000]),
    snapshotLimits: {
      deltasMax: random.pick([0, 1, 3, 40]),
      deltaShareMax: random.pick([0.5, 0.5, 3]),
      deltaBytesMin: random.pick([0, 64 * 1_024]),
      partCharsMax: random.pick([100, 500, 4_000_000]),
    },
    keysAtOnceMax: bias.keysAtOnceMax ?? createRandom(seed, 'parts').pick([1, 2, 10_000]),
    overflowLimits: overflowOf(createRandom(seed, 'overflow'), bias.overflow),
    workers: bias.workers ?? random.pick([1, 2, 3]),
    // A worker that cannot take its turns within a period would lose all it has taken.
    leasePeriodMs: Math.max(random.pick([500, 3_000, 10_000]), stepMsMax * 50),
    skewMsMax: random.pick([0, 0, 3_600_000]),
    driftMax: bias.driftMax ?? random.pick([1, 1, 3, 100]),
    haste: random.pick([0.2, 1, 5]),
    polls: bias.polls ?? 0.3,
    rates: { ...rates, ...bias.faults },
    faultsMax: random.pick([5, 20, 60]),
    actions: createActions(random, sim, mayBeLate, bias),
    heartbeatEveryMs: random.pick([0, 0, 1_000]),
  };
}

function createActions(random: Random, sim: SimPipeline, mayBeLate: boolean, bias: Bias): readonly Action[] {
  const actions: Action[] = [];
  const recordCount = random.pick([3, 8, 16, 30]);
  const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].slice(0, random.between(1, 8));
  // Coarse times meet the edges of windows and sessions.
  const grainMs = random.pick([1_000, 1_000, 500, 1]);
  const paceMs = random.pick([1_000, 2_000, 5_000]);
  const lateChance = mayBeLate ? random.pick([0.02, 0.1, 0.3]) : 0;
  const rawReshards = Math.max(bias.rawReshards ?? 0, random.pick([0, 0, 1, 3]));
  const exchangeReshards = Math.max(bias.exchangeReshards ?? 0, random.pick([0, 0, 1, 3]));
  // On the grain, so that a watermark may stand exactly at an end.
  let baseMs = startMs + Math.floor(random.below(20_000) / grainMs) * grainMs;
  for (let id = 1; id <= recordCount; id += 1) {
    const source = random.pick(sim.sources);
    baseMs += Math.floor(random.below(paceMs + 1) / grainMs) * grainMs;
    const lagMs = random.below(outOfOrdernessMs + 1) + (random.chance(lateChance) ? random.below(30_000) : 0);
    const timeMs = Math.max(
      Math.floor((baseMs - lagMs) / grainMs) * grainMs,
      mayBeLate ? 0 : baseMs - outOfOrdernessMs,
    );
    const { data, label } = createData(random, { id, timeMs, key: random.pick(keys), keys });
    actions.push({ kind: 'put', source, at: random.below(1_000_000), data, label });
    if (random.chance(0.03))
      actions.push({ kind: 'promise', source, shard: random.below(8), watermarkMs: baseMs - outOfOrdernessMs });
    if (sim.hasIdle && random.chance(0.15)) actions.push({ kind: 'tick' });
    // Long enough for idleness, and some for a log to have stood still.
    if (sim.hasIdle && random.chance(0.1))
      actions.push({ kind: 'wait', ms: random.between(5_000, random.pick([90_000, 90_000, 90_000, 300_000])) });
  }
  const insert = (action: Action): void => void actions.splice(random.below(actions.length + 1), 0, action);
  for (let count = 0; count < rawReshards; count += 1) insert(createReshard(random, random.pick(sim.sources)));
  for (let count = 0; count < exchangeReshards; count += 1) insert(createReshard(random, exchangeName));
  if (sim.earlier !== undefined) insert({ kind: 'deploy' });
  if (lookupTablesOf(sim.pipeline.plan).length > 0) insertItems(actions, random, keys);
  const rowStreams = rowStreamsOf(sim).map(([, stream]) => stream);
  if (rowStreams.length === 0) return actions;
  const rowReshards = Math.max(bias.rowReshards ?? 0, random.pick([0, 1, 3]));
  for (let count = 0; count < rowReshards; count += 1) insert(createReshard(random, random.pick(rowStreams)));
  return actions;
}

/** The tables have most items at the beginning, and they change as often as records come. */
function insertItems(actions: Action[], random: Random, keys: readonly string[]): void {
  const changes = actions.length;
  for (let version = 1; version <= changes; version += 1)
    actions.splice(random.below(actions.length + 1), 0, { kind: 'item', ...drawItem(random, keys, version) });
  for (const key of keys) actions.unshift({ kind: 'item', ...drawItem(random, [key], 0) });
}

function createReshard(random: Random, stream: string): Action {
  return { kind: 'reshard', stream, op: random.chance(0.6) ? 'split' : 'merge', shard: random.below(8) };
}

/** A raw record of one line or two, or one that cannot be counted. */
function createData(
  random: Random,
  record: { readonly id: number; readonly timeMs: number; readonly key: string; readonly keys: readonly string[] },
): { readonly data: string | Uint8Array; readonly label: string } {
  const { id, timeMs, key, keys } = record;
  if (random.chance(0.02)) return { data: new Uint8Array([0xc3, 0x28, id]), label: `#${id} bytes that are no text` };
  if (random.chance(0.02)) return { data: `{"id":${id}`, label: `#${id} undecodable` };
  if (random.chance(0.02)) return { data: JSON.stringify({ id, at: 'soon' }), label: `#${id} invalid` };
  const tags = Array.from({ length: random.pick([0, 1, 2, 5]) }, () => random.pick(keys));
  const amount = random.chance(0.1) ? 13 : random.below(100);
  const throws = random.chance(0.03) ? random.pick(['filter', 'map', 'key', 'flatMap', 'kill']) : undefined;
  const value: SimValue = { id, at: timeMs, key, amount, tags, ...(throws === undefined ? {} : { throws }) };
  const label = `#${id} ${key} at ${(timeMs - startMs) / 1_000}s${throws === undefined ? '' : ` ${throws === 'kill' ? 'kills' : `throws in ${throws}`}`}`;
  if (!random.chance(0.1)) return { data: JSON.stringify(value), label };
  const second = { ...value, id: id + 500, key: random.pick(keys) };
  return {
    data: `${JSON.stringify(value)}\n\n${JSON.stringify(second)}\n`,
    label: `${label}, #${second.id} ${second.key}`,
  };
}
