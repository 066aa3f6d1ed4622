import { zstdCompressSync } from 'node:zlib';
import type { StateStore, WriteOutcome } from '#shared/ports/state-store.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import type { NotedLookups } from '#shared/schemas/lookup.ts';
import { type LogPosition, logStart } from '#shared/schemas/position.ts';
import {
  type CellId,
  type Checkpoint,
  cellBytesMax,
  encodeCounts,
  type LateMark,
  type OriginCounts,
  type RecordedContract,
  type Stage,
  type StoredCell,
} from '#shared/schemas/state.ts';

/** All that a memory state store holds, as plain values: for a test to look at, and to start another store from. */
export interface StateDump {
  readonly checkpoints: readonly { readonly stage: Stage; readonly slot: number; readonly checkpoint: Checkpoint }[];
  readonly cells: readonly { readonly cell: StoredCell; readonly expiresMs: number }[];
  readonly origins: readonly { readonly source: string; readonly shard: string; readonly counts: OriginCounts }[];
  readonly lateMarks: readonly LateMark[];
  readonly lookups: readonly (readonly [shard: string, lookups: NotedLookups])[];
  readonly generations: readonly (readonly [shardId: string, generation: number])[];
  readonly contract?: RecordedContract;
}

export type MemoryStateStore = StateStore & { readonly dump: () => StateDump };

/**
 * State of one pipeline in memory. Nothing expires. `createMemoryStateStore(other.dump())` is a copy of `other`.
 *
 * Checkpoints, counts and marks are kept as JSON, as a table keeps them: what is read never shares anything with what was
 * written. Cells are flat and frozen, so they are handed out as they are.
 */
export function createMemoryStateStore(from?: StateDump): MemoryStateStore {
  const checkpoints = new Map<string, StoredCheckpoint>();
  const panes = new Map<string, Map<number, KeptCell>>();
  const origins = new Map<string, string>();
  const lateMarks = new Map<string, LateMark>();
  const generations = new Map<string, number>(from?.generations);
  const lookups = new Map<string, NotedLookups>(from?.lookups);

  let contract = from?.contract;
  for (const { stage, slot, checkpoint } of from?.checkpoints ?? []) {
    checkpoints.set(`${stage}#${slot}`, storedCheckpoint(stage, slot, checkpoint));
  }
  for (const { cell, expiresMs } of from?.cells ?? []) keepCell(panes, cell, expiresMs);
  for (const { source, shard, counts } of from?.origins ?? [])
    origins.set(JSON.stringify([source, shard]), encodeCounts(counts));
  for (const mark of from?.lateMarks ?? []) lateMarks.set(nameOfMark(mark), copyOfMark(mark));

  const listOrigins = () =>
    [...origins].map(([name, json]) => {
      const [source, shard] = JSON.parse(name) as [string, string];
      return { source, shard, counts: JSON.parse(json) as OriginCounts };
    });

  return {
    readCheckpoint: async (stage, slot) => {
      const stored = checkpoints.get(`${stage}#${slot}`);
      return stored && (JSON.parse(stored.json) as Checkpoint);
    },
    writeCheckpoint: async ({ stage, slot, checkpoint, condition }) => {
      const name = `${stage}#${slot}`;
      const stored = checkpoints.get(name);
      const isNotAbove = (stored?.position ?? logStart) <= checkpoint.position;
      const holds =
        condition.kind === 'unchanged'
          ? stored?.position === condition.position
          : stored?.revision === condition.revision && isNotAbove;
      if (!holds) return 'conflict';
      checkpoints.set(name, storedCheckpoint(stage, slot, checkpoint));
      return 'written';
    },

    readCells: async (ids) => ids.map((id) => panes.get(nameOfPane(id))?.get(id.group)?.cell),
    listCells: async (pane) => {
      const cells = [...(panes.get(nameOfPane(pane))?.values() ?? [])].map((kept) => kept.cell);
      return cells.sort((a, b) => a.id.group - b.id.group);
    },
    writeCell: async ({ cell, read, expiresMs }): Promise<WriteOutcome> => {
      checkSize(cell);
      if (panes.get(nameOfPane(cell.id))?.get(cell.id.group)?.cell.position !== read) return 'conflict';
      keepCell(panes, cell, expiresMs);
      return 'written';
    },

    readOrigin: async (source, shard) => {
      const json = origins.get(JSON.stringify([source, shard]));
      return json === undefined ? undefined : (JSON.parse(json) as OriginCounts);
    },
    writeOrigin: async ({ source, shard, counts, read }) => {
      const name = JSON.stringify([source, shard]);
      if (origins.get(name) !== (read && encodeCounts(read))) return 'conflict';
      origins.set(name, encodeCounts(counts));
      return 'written';
    },
    listOrigins: async () => listOrigins(),

    readLookups: async (source, shard) => lookups.get(JSON.stringify([source, shard])),
    writeLookups: async ({ source, shard, lookups: noted, read }) => {
      const name = JSON.stringify([source, shard]);
      if (lookups.get(name)?.id !== read) return 'conflict';
      lookups.set(name, Object.freeze({ id: noted.id, from: noted.from, to: noted.to, body: noted.body }));
      return 'written';
    },

    addLateMarks: async (marks) => {
      for (const mark of marks) lateMarks.set(nameOfMark(mark), copyOfMark(mark));
    },
    listLateMarks: async () => [...lateMarks.values()],

    readContract: async () => contract,
    writeContract: async (request) => {
      if (contract?.plan !== request.read?.plan || contract?.body !== request.read?.body) return 'conflict';
      contract = Object.freeze({ plan: request.contract.plan, body: request.contract.body });
      return 'written';
    },

    readGenerations: async () => new Map(generations),
    recordGeneration: async (shardId, generation) => {
      if (!generations.has(shardId)) generations.set(shardId, generation);
    },

    dump: () => ({
      checkpoints: [...checkpoints.values()].map(({ stage, slot, json }) => ({
        stage,
        slot,
        checkpoint: JSON.parse(json) as Checkpoint,
      })),
      cells: [...panes.values()].flatMap((groups) => [...groups.values()]),
      origins: listOrigins(),
      lateMarks: [...lateMarks.values()],
      lookups: [...lookups],
      generations: [...generations],
      ...(contract && { contract }),
    }),
  };
}

interface StoredCheckpoint {
  readonly stage: Stage;
  readonly slot: number;
  readonly position: LogPosition;
  readonly revision: string | undefined;
  readonly json: string;
}

function storedCheckpoint(stage: Stage, slot: number, checkpoint: Checkpoint): StoredCheckpoint {
  const { position, revision } = checkpoint;
  return { stage, slot, position, revision, json: JSON.stringify(checkpoint) };
}

interface KeptCell {
  readonly cell: StoredCell;
  readonly expiresMs: number;
}

function nameOfPane(pane: Omit<CellId, 'group'>): string {
  return `${pane.step}#${pane.slot}#${pane.paneMs}`;
}

function keepCell(panes: Map<string, Map<number, KeptCell>>, cell: StoredCell, expiresMs: number): void {
  const name = nameOfPane(cell.id);
  let groups = panes.get(name);
  if (groups === undefined) {
    groups = new Map();
    panes.set(name, groups);
  }
  const { step, slot, paneMs, group } = cell.id;
  const id = Object.freeze({ step, slot, paneMs, group });
  groups.set(group, { cell: Object.freeze({ id, position: cell.position, body: cell.body }), expiresMs });
}

/** The limit of the real table, which stores bodies compressed; most are so small that nothing needs to be measured. */
function checkSize({ id, body }: StoredCell): void {
  if (body.length * 3 <= cellBytesMax || Buffer.byteLength(body) <= cellBytesMax) return;
  const bytes = zstdCompressSync(body).byteLength;
  if (bytes <= cellBytesMax) return;
  throw new MillraceError(
    'STATE_ITEM_TOO_LARGE',
    `step ${id.step}, slot ${id.slot}, key group ${id.group}: the state item has ${bytes} bytes, at most ${cellBytesMax} are allowed. Raise expectedKeys of the step, which makes more and smaller key groups.`,
  );
}

function nameOfMark({ source, origin, position, stage }: LateMark): string {
  return JSON.stringify([stage, source, origin, position[0], position[1]]);
}

function copyOfMark({ source, origin, position, stage, shares }: LateMark): LateMark {
  return Object.freeze({ source, origin, position: Object.freeze([position[0], position[1]] as const), stage, shares });
}
