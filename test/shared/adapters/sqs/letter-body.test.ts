import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeLetter } from '#shared/adapters/sqs/letter-body.ts';
import { type DeadLetter, deadLetterBytesMax } from '#shared/schemas/dead-letter.ts';
import { letterOf } from '#test/contracts/dead-letters.ts';

const decode = (body: string): DeadLetter => JSON.parse(body) as DeadLetter;
const large = (bytes: number): string => Buffer.alloc(bytes, 5).toString('base64');

test('a letter that fits to the byte is left as it is', () => {
  const room = deadLetterBytesMax - JSON.stringify({ ...letterOf(0), payload: '' }).length;
  const letter = { ...letterOf(0), payload: 'A'.repeat(room) };
  expect(decode(encodeLetter(letter, deadLetterBytesMax))).toEqual(letter);
});

test('a payload that is too large is cut at its end, and the message says so', () => {
  const letter = { ...letterOf(0), payload: large(1_200_000) };
  const cut = decode(encodeLetter(letter, deadLetterBytesMax));
  const kept = Buffer.from(cut.payload ?? '', 'base64');
  expect(letter.payload.startsWith(cut.payload ?? 'none')).toBe(true);
  expect(cut.message).toContain(letter.message);
  expect(cut.message).toContain(`first ${kept.length} of 1200000 bytes`);
  expect(kept.length).toBeGreaterThan(780_000);
  expect({ ...cut, message: '', payload: '' }).toEqual({ ...letter, message: '', payload: '' });
});

test('a key that is too large goes after the payload, and the position stays', () => {
  const letter = { ...letterOf(7), payload: large(10), key: { text: 'k'.repeat(1_200_000) }, steps: ['s'] };
  const cut = decode(encodeLetter(letter, deadLetterBytesMax));
  const { message, ...rest } = cut;
  const { message: _, ...position } = letterOf(7);
  expect(rest).toEqual(position);
  expect(message).toMatch(/key and its steps are left out.*first 0 of 10 bytes/);
});

test('a message that is too large is cut', () => {
  const letter = { ...letterOf(0), message: 'm'.repeat(1_200_000) };
  const cut = decode(encodeLetter(letter, deadLetterBytesMax));
  expect(cut.message).toMatch(/^m{4096}… \(This letter is too large/);
});

test('any letter fits, keeps its position and has a payload that can be decoded', () => {
  const property = fc.property(
    fc.nat(40_000),
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.nat(1_500),
    fc.nat(2_500),
    (payloadBytes, text, messageTimes, keyTimes) => {
      const letter = {
        ...letterOf(1),
        message: text.repeat(messageTimes),
        payload: large(payloadBytes),
        key: { text: text.repeat(keyTimes) },
      };
      const limit = 32_768;
      const body = encodeLetter(letter, limit);
      expect(Buffer.byteLength(body)).toBeLessThanOrEqual(limit);
      const cut = decode(body);
      expect([cut.id, cut.origin, cut.sequence, cut.sub]).toEqual([
        letter.id,
        letter.origin,
        letter.sequence,
        letter.sub,
      ]);
      expect((cut.payload?.length ?? 0) % 4).toBe(0);
    },
  );
  fc.assert(property, { numRuns: 100 });
});
