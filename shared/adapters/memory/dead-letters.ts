import type { DeadLetters } from '#shared/ports/dead-letters.ts';
import type { DeadLetter } from '#shared/schemas/dead-letter.ts';

export type MemoryDeadLetters = DeadLetters & {
  /** Every letter as it was sent, repeats included. */
  readonly letters: readonly DeadLetter[];
};

/** Dead letters in memory. */
export function createMemoryDeadLetters(): MemoryDeadLetters {
  const letters: DeadLetter[] = [];
  return {
    letters,
    send: async (sent) => {
      letters.push(...sent);
    },
  };
}
