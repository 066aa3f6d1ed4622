import type { BytesContext, BytesDecoder, DecodedPart } from '#shared/pipeline/decoder.ts';
import { messageOf } from './decode.ts';

/**
 * The parts that a decoder finds in bytes. What it throws is a part too; what is thrown between two parts, by whoever takes them, is not
 * caught here.
 */
export function* decodedParts(decoder: BytesDecoder, bytes: Uint8Array, context: BytesContext): Generator<DecodedPart> {
  let parts: Iterator<DecodedPart> | undefined;
  for (;;) {
    let next: IteratorResult<DecodedPart>;
    try {
      parts ??= decoder.decodeBytes(bytes, context)[Symbol.iterator]();
      next = parts.next();
    } catch (error) {
      yield { wrong: messageOf(error), payload: bytes };
      return;
    }
    if (next.done === true) return;
    yield next.value;
  }
}
