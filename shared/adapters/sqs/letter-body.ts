import { Buffer } from 'node:buffer';
import type { DeadLetter } from '#shared/schemas/dead-letter.ts';
import { assert } from '#shared/schemas/error.ts';

/**
 * A letter as the body of a message of at most `bytesMax` bytes. One that is too large is cut, and its message says so: first
 * its payload, which the position finds again in the stream, then its key and its steps, at last the message itself.
 */
export function encodeLetter(letter: DeadLetter, bytesMax: number): string {
  const body = encode(letter);
  const excess = Buffer.byteLength(body) - bytesMax;
  if (excess <= 0) return body;
  const { payload = '', key: _key, steps: _steps, ...rest } = letter;
  const bare = {
    ...rest,
    message: `${cutText(letter.message, messageCharactersMax)}${note('its key and its steps are left out')}`,
  };
  const candidates: readonly DeadLetter[] = [
    withPayload(letter, payload.length - excess - noteCharacters),
    withPayload(payload === '' ? bare : { ...bare, payload }, 0),
  ];
  const fitting = candidates.map(encode).find((candidate) => Buffer.byteLength(candidate) <= bytesMax);
  assert(fitting !== undefined, `a dead letter without payload, key and steps fits into ${bytesMax} bytes`);
  return fitting;
}

/** Of a message that no payload can be taken from any more. */
const messageCharactersMax = 4_096;

/** Room for what is added to the message when the payload is cut. */
const noteCharacters = 200;

/** Base64 is cut between its groups of four characters, so that what is left can still be decoded. */
function withPayload(letter: DeadLetter, characters: number): DeadLetter {
  const { payload = '', ...rest } = letter;
  if (payload === '') return letter;
  const kept = payload.slice(0, Math.max(0, characters - (characters % 4)));
  const bytes = `its payload is cut to the first ${Buffer.byteLength(kept, 'base64')} of ${Buffer.byteLength(payload, 'base64')} bytes`;
  const message = `${letter.message}${note(bytes)}`;
  return kept === '' ? { ...rest, message } : { ...rest, message, payload: kept };
}

function note(what: string): string {
  return ` (This letter is too large for the queue: ${what}.)`;
}

function cutText(text: string, characters: number): string {
  return text.length <= characters ? text : `${text.slice(0, characters)}…`;
}

/**
 * JSON in the characters that SQS takes, https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html.
 * JSON escapes control characters and lone surrogates by itself; two more must be.
 */
function encode(letter: DeadLetter): string {
  return JSON.stringify(letter).replace(/[\uFFFE\uFFFF]/g, (character) => `\\u${character.charCodeAt(0).toString(16)}`);
}
