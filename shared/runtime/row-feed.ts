import type { CompiledPipeline } from '#shared/engine/compile/compile.ts';
import type { MemoryStage } from '#shared/engine/slots/memory-stage.ts';
import type { Clock } from '#shared/ports/clock.ts';
import type { Exchange } from '#shared/ports/exchange.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import type { Block } from '#shared/schemas/block.ts';
import { assert } from '#shared/schemas/error.ts';
import { putBlocks } from './put-blocks.ts';

export interface RowFeedOptions {
  readonly pipeline: CompiledPipeline;
  readonly exchange?: Exchange;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** How often at most all slots are told that the watermarks of rows have moved. By default it follows the number of slots. */
  readonly heartbeatEveryMs?: number;
  /** Nothing more is put once this says so. */
  readonly isAbandoned: () => boolean;
  readonly onProgress: () => void;
}

/** The way of one reader's rows that are a stream again, into the exchange that it reads. */
export class RowFeed {
  readonly #options: RowFeedOptions;
  readonly #heartbeatEveryMs: number;
  /** When all slots were told last how far the watermarks of rows are. */
  #toldMs = Number.NEGATIVE_INFINITY;
  /** Records since then. */
  #readCount = 0;

  constructor(options: RowFeedOptions) {
    this.#options = options;
    this.#heartbeatEveryMs = options.heartbeatEveryMs ?? heartbeatEveryMsOf(options.pipeline.slots);
  }

  /**
   * Puts what the stages have made since the last time. A snapshot is written only behind this, so what it has forgotten was accepted, as
   * with the rows before a checkpoint (rule 14); what comes after it is put again by whoever goes on from it.
   */
  async put(stages: readonly MemoryStage[]): Promise<void> {
    const queues = stages.flatMap((stage) => [...stage.origins].map((origin) => origin.chunks()));
    const longest = Math.max(0, ...queues.map((queue) => queue.length));
    // Rule 4: one unacknowledged chunk per origin, and one of each at a time.
    for (let at = 0; at < longest && !this.#options.isAbandoned(); at += 1) {
      const blocks = queues.flatMap((queue) => queue[at]?.blocks ?? []);
      await this.#put(blocks);
      this.#options.onProgress();
    }
  }

  /**
   * Rule 5, once all rows are accepted: tells every slot how far the watermarks of the rows of all of the reader's stages are. `readCount`
   * records were read before; none, when the reader has come to the end of its shard.
   *
   * A successor tells anew what was told behind its snapshot. So until a reader has come to the end it tells no more than it has read: else
   * readers that keep dying would put more into the exchange than they take out.
   */
  async tell(stages: readonly MemoryStage[], readCount: number): Promise<void> {
    const { clock, pipeline } = this.#options;
    this.#readCount += readCount;
    if (this.#options.isAbandoned() || clock.now() - this.#toldMs < this.#heartbeatEveryMs) return;
    if (readCount > 0 && this.#readCount < pipeline.slots * stages.length) return;
    const heartbeats = stages.flatMap((stage) => stage.heartbeats());
    if (heartbeats.length === 0) return;
    await this.#put(heartbeats);
    this.#toldMs = clock.now();
    this.#readCount = 0;
  }

  async #put(blocks: readonly Block[]): Promise<void> {
    const { exchange, clock, telemetry } = this.#options;
    assert(exchange !== undefined, 'steps have rows that are a stream again, and there is a way into the exchange');
    await putBlocks({ exchange, clock, telemetry }, blocks);
  }
}

/** Each slot tells every other one, so a slot takes in ten of these blocks a second at most, of the thousand that a shard takes. */
function heartbeatEveryMsOf(slots: number): number {
  return Math.max(1_000, slots * 100);
}
