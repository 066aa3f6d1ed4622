/** The first time; then it is twice as long each time, up to the cadence. */
const firstMs = 1_000;

/** When state is stored again: soon after the beginning, so that who dies again and again, and each time soon, gets on all the same. */
export class SaveCadence {
  readonly #everyMsMax: number;
  #everyMs: number;
  /** When it was stored last, or else when that began to be waited for. */
  savedMs: number;

  constructor(everyMsMax: number, beganMs: number) {
    this.#everyMsMax = everyMsMax;
    this.#everyMs = Math.min(firstMs, everyMsMax);
    this.savedMs = beganMs;
  }

  isDue(nowMs: number): boolean {
    return nowMs - this.savedMs >= this.#everyMs;
  }

  /** It was stored. */
  note(nowMs: number): void {
    this.savedMs = nowMs;
    this.#everyMs = Math.min(2 * this.#everyMs, this.#everyMsMax);
  }
}
