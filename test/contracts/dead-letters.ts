import { describe, expect, test } from 'vitest';
import type { DeadLetters } from '#shared/ports/dead-letters.ts';
import { type DeadLetter, deadLetterPayloadBytesMax } from '#shared/schemas/dead-letter.ts';

export interface DeadLettersHarness {
  readonly deadLetters: DeadLetters;
  /** All letters that were stored, in any order. */
  readonly stored: () => Promise<readonly DeadLetter[]>;
}

/** What every DeadLetters must do. */
export function deadLettersContract(name: string, open: () => Promise<DeadLettersHarness>): void {
  describe(name, () => {
    test('sending nothing stores nothing', async () => {
      const { deadLetters, stored } = await open();
      await deadLetters.send([]);
      expect(await stored()).toEqual([]);
    });

    test('a letter is stored with all its fields', async () => {
      const { deadLetters, stored } = await open();
      const letter: DeadLetter = {
        ...letterOf(0),
        partitionKey: 'pk',
        steps: ['by-ip', 'visits'],
        eventTimeMs: -1,
        payload: 'AAECAw==',
        key: { ip: '10.0.0.1', port: 80, secure: true },
      };
      await deadLetters.send([letter]);
      expect(await stored()).toEqual([letter]);
    });

    test('every one of many letters is stored', async () => {
      const { deadLetters, stored } = await open();
      const letters = Array.from({ length: 237 }, (_, index) => letterOf(index));
      await deadLetters.send(letters);
      expect(idsOf(await stored())).toEqual(idsOf(letters));
    });

    test('letters with the largest payloads are stored whole', async () => {
      const { deadLetters, stored } = await open();
      const payload = Buffer.alloc(deadLetterPayloadBytesMax, 7).toString('base64');
      const letters = Array.from({ length: 5 }, (_, index) => ({ ...letterOf(index), payload }));
      await deadLetters.send(letters);
      expect((await stored()).toSorted(byId)).toEqual(letters);
    });

    test('a letter that is sent again is stored again, with the same id', async () => {
      const { deadLetters, stored } = await open();
      await deadLetters.send([letterOf(0)]);
      await deadLetters.send([letterOf(0)]);
      expect(idsOf(await stored())).toEqual(['00000', '00000']);
    });

    test('characters that no queue takes as they are come back as they were', async () => {
      const { deadLetters, stored } = await open();
      const letter = {
        ...letterOf(0),
        message: 'a\u0000b\u001F\u007F\uD800c\uFFFE\uFFFF💧"\\',
        partitionKey: '\uFFFF',
      };
      await deadLetters.send([letter]);
      expect(await stored()).toEqual([letter]);
    });
  });
}

export function letterOf(index: number): DeadLetter {
  return {
    id: String(index).padStart(5, '0'),
    pipeline: 'traffic',
    reason: 'invalid',
    message: 'status: expected number',
    source: 'requests',
    origin: 'shardId-000000000000',
    sequence: '4959033827149025660855969253836157109592157598913658',
    sub: index,
  };
}

function idsOf(letters: readonly DeadLetter[]): string[] {
  return letters.map((letter) => letter.id).sort();
}

function byId(a: DeadLetter, b: DeadLetter): number {
  return a.id < b.id ? -1 : 1;
}
