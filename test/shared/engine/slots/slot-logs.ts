import { type CompiledPipeline, compile } from '#shared/engine/compile/compile.ts';
import { SlotLog } from '#shared/engine/slots/watermark.ts';
import { milliseconds, tumbling } from '#shared/pipeline/index.ts';
import type { Checkpoint } from '#shared/schemas/state.ts';
import { columns, pipelineOf, readings, sink } from '../../readings.ts';
import { placed, type TestBlock, tick } from './blocks.ts';

export function compiled(options: Parameters<typeof readings>[0] = {}): CompiledPipeline {
  const output = readings(options)
    .keyBy((reading) => ({ key: reading.key }))
    .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
    .aggregate('step', columns)
    .to(sink);
  return compile(pipelineOf([output]));
}

export type Step = TestBlock | { readonly tick: number; readonly at: number };

/** W behind each block, one after another. */
export function watermarks(steps: readonly Step[], options: Parameters<typeof readings>[0] = {}): readonly number[] {
  const pipeline = compiled(options);
  const log = new SlotLog(pipeline, undefined);
  return steps.map((step) => apply(log, pipeline, step));
}

/** The same, with the log saved as JSON and restored between any two blocks. */
export function restored(steps: readonly Step[], options: Parameters<typeof readings>[0] = {}): readonly number[] {
  const pipeline = compiled(options);
  let saved: Checkpoint | undefined;
  return steps.map((step) => {
    const log = new SlotLog(pipeline, saved);
    const watermarkMs = apply(log, pipeline, step);
    saved = JSON.parse(JSON.stringify(log.save()));
    return watermarkMs;
  });
}

export function apply(log: SlotLog, pipeline: CompiledPipeline, step: Step, source = 'readings'): number {
  const { block, position, arrivalMs } = 'tick' in step ? tick(pipeline, step.at, step.tick) : placed(pipeline, step);
  log.open(block, arrivalMs);
  log.close(block, position);
  return log.watermarkOf(source);
}

export type Case = readonly [claim: string, steps: readonly Step[], expected: readonly number[]];

/** Before anything is known. */
export const none = Number.NEGATIVE_INFINITY;
export const two = { a: [], b: [] };
/** a was split into b and c. */
export const split = { a: [], b: ['a'], c: ['a'] };
