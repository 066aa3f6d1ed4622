import type { MemoryStage } from '#shared/engine/slots/memory-stage.ts';
import type { Clock } from '#shared/ports/clock.ts';

/** Bytes of blocks that are applied before what they gave is written. What a block takes in memory is some times as much. */
const bytesPerWrite = 1_024 * 1_024;
/** So many rows of a slot are written before its next block is applied: a backlog may close a window with every block. */
const emittedMax = 10_000;
/** Blocks are small where records are alike, and slow where state lies on the disk: without a turn for others the lease is not renewed. */
export const turnMsMax = 500;

/** How long a reader applies blocks before it writes, and the others of its thread have their turn. */
export class Turn {
  readonly #clock: Clock;
  #bytes = 0;
  #sinceMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.now();
  }

  /** Whether it is over with a block of so many bytes that was applied. */
  isOver({ emittedCount, hasMoreToShow }: MemoryStage, bytes: number): boolean {
    this.#bytes += bytes;
    if (emittedCount >= emittedMax || this.#bytes >= bytesPerWrite || hasMoreToShow) return true;
    return this.#clock.now() - this.#sinceMs >= turnMsMax;
  }

  begin(): void {
    this.#bytes = 0;
    this.#sinceMs = this.#clock.now();
  }
}
