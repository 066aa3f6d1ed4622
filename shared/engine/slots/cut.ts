import type { CompiledPipeline } from '#shared/engine/compile/compile.ts';
import { compareRecordPositions, compareSequences, logStart, sequenceInLog, subMax } from '#shared/schemas/position.ts';
import type { Checkpoint, Stage } from '#shared/schemas/state.ts';
import { originOf } from './row-origin.ts';

/** A slot's log as it was copied; undefined where the slot had none. */
export interface CopiedLog {
  readonly stage: Stage;
  readonly slot: number;
  readonly log: Checkpoint | undefined;
}

/** Rows of a step that are on their way from one slot to another. */
export interface RowsUnderWay {
  readonly step: string;
  readonly from: number;
  readonly to: number;
}

/**
 * Whether slots that were copied one after the other are a consistent cut: of the rows that go from slot to slot each one is in the state of
 * its reader exactly when it is behind its maker (Chandy and Lamport, "Distributed Snapshots", 1985, with channels that must be empty).
 * Gives rows that are not, if there are any: made, and not yet read everywhere; or read, and to be made once more by whoever goes on from
 * here, at other positions, so that no mark would drop them.
 */
export function rowsUnderWay(
  { rowSources }: Pick<CompiledPipeline, 'rowSources'>,
  logs: readonly CopiedLog[],
): RowsUnderWay | undefined {
  const makers = logs.filter(({ stage }) => stage === 'window');
  for (const step of rowSources.keys()) {
    for (const maker of makers)
      for (const reader of logs)
        if (!isSettled(step, maker, reader)) return { step, from: maker.slot, to: reader.slot };
  }
  return undefined;
}

function isSettled(step: string, maker: CopiedLog, reader: CopiedLog): boolean {
  const mark = reader.log?.sources[step]?.origins[originOf(maker.slot)]?.mark ?? null;
  if (maker.log === undefined) return mark === null;
  const rows = maker.log.rows?.[step];
  // Written before the step's rows were a stream, or by a version that did not note them.
  if (rows === undefined) return false;
  if (mark === null) return rows.madeAt === logStart;
  if (compareSequences(mark[0], sequenceInLog(maker.log.position)) > 0) return false;
  return rows.madeAt === logStart || compareRecordPositions(mark, [sequenceInLog(rows.madeAt), subMax]) >= 0;
}
