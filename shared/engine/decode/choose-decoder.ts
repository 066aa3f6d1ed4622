import type { BytesDecoder, Decoder, DecodeTools, LineDecoder } from '#shared/pipeline/decoder.ts';
import { firstLineOf } from './line-bytes.ts';

/** The decoder that reads bytes that begin so, if it is not one of lines. */
export function bytesDecoderOf(
  decoders: readonly Decoder[],
  start: Uint8Array,
  tools: DecodeTools,
): BytesDecoder | undefined {
  const first = decoders.find((decoder) => 'decodeBytes' in decoder);
  if (first === undefined || decoders.length === 1) return first;
  const line = firstLineOf(start, tools);
  const found = decoders.find((decoder) =>
    'decodeBytes' in decoder ? decoder.recognisesBytes(start) : line !== undefined && decoder.recognises(line),
  );
  return found !== undefined && 'decodeBytes' in found ? found : undefined;
}

/** The first decoder that recognises the line; the only one reads it whatever it is, and says what is wrong. */
export function lineDecoderOf<Found extends LineDecoder>(
  decoders: readonly Decoder[],
  lineDecoders: readonly Found[],
  line: string,
): Found {
  for (let at = 0; at < lineDecoders.length; at += 1) {
    const decoder = lineDecoders[at] as Found;
    if (decoders.length === 1 || decoder.recognises(line)) return decoder;
  }
  throw new Error(`the line is of none of the formats ${decoders.map(({ format }) => format).join(', ')}`);
}
