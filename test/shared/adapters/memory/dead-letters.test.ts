import { createMemoryDeadLetters } from '#shared/adapters/memory/dead-letters.ts';
import { deadLettersContract } from '#test/contracts/dead-letters.ts';

deadLettersContract('dead letters in memory:', async () => {
  const deadLetters = createMemoryDeadLetters();
  return { deadLetters, stored: async () => deadLetters.letters };
});
