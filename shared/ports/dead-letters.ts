import type { DeadLetter } from '#shared/schemas/dead-letter.ts';

/** Where records go that cannot be counted. At least once: a retried batch sends its letters again, with the same ids. */
export interface DeadLetters {
  /** Resolves when every letter is stored; rejects with `DEAD_LETTERS_UNAVAILABLE` when one may not be. */
  readonly send: (letters: readonly DeadLetter[]) => Promise<void>;
}
