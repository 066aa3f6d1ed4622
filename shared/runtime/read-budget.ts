/** What one read gives at most: 10 MiB. */
export const readBytesMax = 10 * 1_024 * 1_024;
/** Six reads of full size, or many small ones. */
const budgetBytesDefault = 64 * 1_024 * 1_024;

/**
 * Bounds the bytes that the readers of one worker have read and not yet applied. A reader takes what it expects before it reads, says
 * what it got, and gives it back when it has applied it; those that find no room wait in turn. So a replay of many shards at full speed
 * takes no more memory than one of a few, and a slow shard holds its own batch and no more.
 */
export class ReadBudget {
  readonly #bytesMax: number;
  readonly #turns: object[] = [];
  #bytes = 0;
  #waiting: (() => void)[] = [];

  constructor(bytesMax: number = budgetBytesDefault) {
    this.#bytesMax = bytesMax;
  }

  /** Read and not yet applied, or expected. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Waits for room, or until `isOver`, and gives what was taken: nothing if it is over. `onChange` is called whenever another reader has
   * got on, which is all that one who waits can do.
   */
  async take(bytes: number, it: { readonly isOver: () => boolean; readonly onChange: () => void }): Promise<number> {
    const turn = {};
    this.#turns.push(turn);
    try {
      while (!it.isOver() && !(this.#turns[0] === turn && this.#hasRoom(bytes))) {
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
        it.onChange();
      }
      const taken = it.isOver() ? 0 : bytes;
      this.#bytes += taken;
      return taken;
    } finally {
      this.#turns.splice(this.#turns.indexOf(turn), 1);
      this.wake();
    }
  }

  /** What was taken was another number. More than there is room for is there all the same; who comes next waits the longer. */
  replace(taken: number, bytes: number): number {
    this.#bytes += bytes - taken;
    this.wake();
    return bytes;
  }

  /** Those who wait look again whether it is over. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #hasRoom(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#bytesMax;
  }
}
