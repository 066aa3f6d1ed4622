import { type CompiledPipeline, compile } from '#shared/engine/compile/compile.ts';
import { type CellEffects, CellStage } from '#shared/engine/slots/cells.ts';
import type { PlacedBlock } from '#shared/engine/slots/slot.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { Clock } from '#shared/ports/clock.ts';
import type { DeadLetters } from '#shared/ports/dead-letters.ts';
import type { ExchangeRecord } from '#shared/ports/exchange-reader.ts';
import type { ResultStore } from '#shared/ports/result-store.ts';
import type { ShardDirectory } from '#shared/ports/shard-directory.ts';
import type { StateStore } from '#shared/ports/state-store.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { logStart } from '#shared/schemas/position.ts';
import type { StoredCell } from '#shared/schemas/state.ts';
import { createAdmission } from './admission.ts';
import { BlockDecoder } from './block-codec.ts';
import { placeBlocks } from './exchange-batch.ts';
import { createGenerations } from './generations.ts';

export interface AggregateOptions {
  readonly pipeline: Pipeline;
  readonly state: StateStore;
  readonly results: ResultStore;
  readonly deadLetters: DeadLetters;
  /** The shards of the exchange stream. */
  readonly directory: ShardDirectory;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

export interface Aggregate {
  /** Takes one batch of one exchange shard into the state and the rows. Throws when it must be sent again as a whole. */
  readonly process: (batch: { readonly shardId: string; readonly records: readonly ExchangeRecord[] }) => Promise<void>;
}

/** A conflict means that somebody else has the same batch; they cannot go on for ever. */
const slotTriesMax = 8;

/** The aggregate stage. Keeps no state between batches: nothing of a failed attempt's memory is used again (rule 11). */
export function createAggregate(options: AggregateOptions): Aggregate {
  const pipeline = compile(options.pipeline);
  const generationOf = createGenerations(options.directory, options.state);
  const admit = createAdmission(options.pipeline, options.state);
  const decoder = new BlockDecoder();
  return {
    process: async ({ shardId, records }) => {
      await admit();
      const startMs = options.clock.now();
      const generation = await generationOf(shardId);
      const bySlot = new Map<number, PlacedBlock[]>();
      for (const { placed } of placeBlocks({ records, shardId, generation }, { slots: pipeline.slots, decoder })) {
        const { slot } = placed.block;
        const blocks = bySlot.get(slot);
        if (blocks === undefined) bySlot.set(slot, [placed]);
        else blocks.push(placed);
      }
      // Rule 11: per slot, on its own; the batch succeeds when all slots did.
      await Promise.all([...bySlot].map(([slot, blocks]) => processSlot(options, pipeline, slot, blocks)));
      options.telemetry.metric('processing_latency_ms', options.clock.now() - startMs, {
        stage: 'aggregate',
        shard: shardId,
      });
    },
  };
}

async function processSlot(
  options: AggregateOptions,
  pipeline: CompiledPipeline,
  slot: number,
  blocks: readonly PlacedBlock[],
): Promise<void> {
  for (let tries = 1; tries <= slotTriesMax; tries += 1) {
    if (await trySlot(options, pipeline, slot, blocks)) return;
    options.telemetry.metric('retries_total', 1, { operation: 'slot' });
  }
  throw new MillraceError(
    'STORE_CONFLICT',
    `slot ${slot} met ${slotTriesMax} conflicting writes in a row; the batch will be sent again.`,
  );
}

/** One attempt, in the one safe order: cells, letters, totals, rows, marks, checkpoint. False when somebody else wrote in between. */
async function trySlot(
  options: AggregateOptions,
  pipeline: CompiledPipeline,
  slot: number,
  blocks: readonly PlacedBlock[],
): Promise<boolean> {
  const { state, results, deadLetters, telemetry } = options;
  // Rule 11: a strongly consistent read of the slot's checkpoint, anew in every attempt.
  const checkpoint = await state.readCheckpoint('aggregate', slot);
  const stage = new CellStage(pipeline, slot, checkpoint);
  let applied = 0;
  for (const block of blocks) if (stage.judge(block)) applied += 1;
  if (applied === 0) return true;
  const effects = stage.finish(await loadCells(state, stage));
  if (!(await writeCells(state, effects))) return false;
  if (stage.reader.letters.length > 0) await deadLetters.send(stage.reader.letters);
  // Rule 14: rows stand before the checkpoint that would forget them.
  // Totals first: who reads between the two finds a row that is less of the total than it will be, and never more than all of it.
  const totals = await results.writeTotals(effects.emission.totals);
  const rows = await results.writeRows(effects.emission.rows);
  if (stage.reader.lateMarks.length > 0) await state.addLateMarks(stage.reader.lateMarks);
  const outcome = await state.writeCheckpoint({
    stage: 'aggregate',
    slot,
    checkpoint: effects.checkpoint,
    // Rule 13: on condition that the stored P is the one read.
    condition: { kind: 'unchanged', position: checkpoint?.position },
  });
  if (rows.fenced + totals.fenced > 0)
    telemetry.metric('fenced_writes_total', rows.fenced + totals.fenced, { stage: 'aggregate' });
  if (outcome === 'written') {
    report(options, stage, checkpoint?.counts ?? { counted: 0, late: 0, shared: 0, duplicates: 0 });
    return true;
  }
  // Rule 13: a conflict is a success only if the stored P is at least mine.
  const stored = await state.readCheckpoint('aggregate', slot);
  return (stored?.position ?? logStart) >= effects.checkpoint.position;
}

async function loadCells(state: StateStore, stage: CellStage): Promise<readonly StoredCell[]> {
  const { cells, panes } = stage.needed();
  const [single, whole] = await Promise.all([
    cells.length === 0 ? [] : state.readCells(cells),
    Promise.all(panes.map((pane) => state.listCells(pane))),
  ]);
  return [...single, ...whole.flat()].filter((cell) => cell !== undefined);
}

/** Rule 12: each cell on condition that the stored P is the one read. */
async function writeCells(state: StateStore, effects: CellEffects): Promise<boolean> {
  const outcomes = await Promise.all(effects.cells.map((write) => state.writeCell(write)));
  return outcomes.every((outcome) => outcome === 'written');
}

function report(
  { telemetry }: AggregateOptions,
  { reader }: CellStage,
  before: { readonly late: number; readonly duplicates: number },
): void {
  const labels = { stage: 'aggregate', slot: String(reader.slot) };
  const { late, duplicates } = reader.counts;
  if (late > before.late) telemetry.metric('late_records_total', late - before.late, labels);
  if (duplicates > before.duplicates)
    telemetry.metric('duplicates_suppressed_total', duplicates - before.duplicates, labels);
}
