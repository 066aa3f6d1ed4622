import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Item } from './item.ts';

/**
 * Shorter texts are stored as they are, and stay readable: DynamoDB bills whole KBs, so nothing is saved below one.
 */
export const packFromBytes = 768;

/** A text as one attribute: `name` (S), or `<name>Zstd` (B) when it is long and compression makes it shorter. */
export function packText(name: string, text: string): { readonly attributes: Item; readonly bytes: number } {
  const plainBytes = Buffer.byteLength(text);
  if (plainBytes >= packFromBytes) {
    const packed = zstdCompressSync(text, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
    if (packed.byteLength < plainBytes)
      return { attributes: { [`${name}Zstd`]: { B: packed } }, bytes: packed.byteLength };
  }
  return { attributes: { [name]: { S: text } }, bytes: plainBytes };
}

/** The text that `packText` stored, or undefined when the item has none. */
export function unpackText(name: string, item: Item): string | undefined {
  const packed = item[`${name}Zstd`]?.B;
  return packed === undefined ? item[name]?.S : zstdDecompressSync(packed).toString();
}
