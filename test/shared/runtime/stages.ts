import { createMemoryBlobStore } from '#shared/adapters/memory/blob-store.ts';
import { createMemoryStateStore } from '#shared/adapters/memory/state-store.ts';
import { createMemoryTelemetry } from '#shared/adapters/telemetry/memory.ts';
import { type CompiledPipeline, compile } from '#shared/engine/compile/compile.ts';
import type { MemoryStage } from '#shared/engine/slots/memory-stage.ts';
import {
  type AnyOutput,
  milliseconds,
  session,
  shareOfTotal,
  sliding,
  sum,
  tumbling,
  type WindowSpec,
} from '#shared/pipeline/index.ts';
import type { Row } from '#shared/schemas/row.ts';
import { placed } from '../engine/slots/blocks.ts';
import { amounts, columns, pipelineOf, type Reading, readings, sink } from '../readings.ts';

const keyed = readings().keyBy((reading) => ({ key: reading.key }));

function aligned(window: Extract<WindowSpec, { kind: 'tumbling' | 'sliding' }>) {
  return keyed.window(window, {
    allowedLateness: milliseconds(0),
    refresh: milliseconds(5),
    placement: 'fargate',
  });
}

const visits: AnyOutput = keyed
  .window(session({ gap: milliseconds(10) }), { allowedLateness: milliseconds(0) })
  .aggregate('visits', columns)
  .to(sink);
const tens: AnyOutput = aligned(tumbling(milliseconds(10)))
  .aggregate('tens', { amounts, total: sum((reading: Reading) => reading.amount) })
  .derive({ share: shareOfTotal('total') })
  .to(sink);
const slides: AnyOutput = aligned(sliding(milliseconds(10), { every: milliseconds(5) }))
  .aggregate('slides', columns)
  .to(sink);

/** Every operator of the worker. */
export const pipeline: CompiledPipeline = compile(pipelineOf([visits, tens, slides]));

/** Stores in memory, as owner `a`; `limits` make chains and parts so short that a test sees the next ones. */
export function stores() {
  return {
    pipeline,
    state: createMemoryStateStore(),
    blobs: createMemoryBlobStore(),
    telemetry: createMemoryTelemetry(),
    owner: 'a',
    snapshotLimits: { deltasMax: 2, deltaBytesMin: 1_000_000, partCharsMax: 200 },
  };
}

/** Blocks 1 to `count` of a log that opens, fills and closes windows of a few keys. */
export function applyUpTo(stage: MemoryStage, count: number): void {
  for (let at = 1; at <= count; at += 1) {
    const outputs = ['a', 'b', `k${at}`].map((key, index) => ({
      record: at,
      index,
      at: 3 * at + index,
      amount: at,
      key,
    }));
    stage.apply(placed(pipeline, { at, watermark: 3 * at - 8, outputs }));
  }
}

/** The final rows that a stage has made and will make, as text. */
export function finalsOf(stage: MemoryStage, rowsBefore: readonly Row[] = [], compiled = pipeline): readonly string[] {
  stage.apply(placed(compiled, { at: 9_999, to: 9_999, watermark: 1_000_000 }));
  const rows = [...rowsBefore, ...stage.takeEmission().rows].filter((row) => row.final);
  return [...new Set(rows.map((row) => JSON.stringify(row)))].sort();
}
