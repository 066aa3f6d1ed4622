import { compile } from '#shared/engine/compile/compile.ts';
import { tickBlocks } from '#shared/engine/transform/exchange.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { Clock } from '#shared/ports/clock.ts';
import type { Exchange } from '#shared/ports/exchange.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import { putBlocks } from './put-blocks.ts';

/** Puts a tick into every slot: the only way in which the wall clock enters the log (rule 10). */
export function createTick(options: {
  readonly pipeline: Pipeline;
  readonly exchange: Exchange;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}): { readonly tick: () => Promise<void> } {
  const pipeline = compile(options.pipeline);
  return { tick: () => putBlocks(options, tickBlocks(pipeline)) };
}
