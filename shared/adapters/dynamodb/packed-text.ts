import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Item } from './item.ts';

/** Shorter texts stay as they are, and readable: DynamoDB bills whole KBs, so nothing would be saved. Longer ones always shrink. */
export const packFromBytes = 768;

/** A text as one attribute: `name` (S), or `<name>Zstd` (B) when it is long. */
export function packText(name: string, text: string): { readonly attributes: Item; readonly bytes: number } {
  const bytes = Buffer.byteLength(text);
  if (bytes < packFromBytes) return { attributes: { [name]: { S: text } }, bytes };
  const packed = zstdCompressSync(text, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  return { attributes: { [`${name}Zstd`]: { B: packed } }, bytes: packed.byteLength };
}

/** The text that `packText` stored, or undefined when the item has none. */
export function unpackText(name: string, item: Item): string | undefined {
  const packed = item[`${name}Zstd`]?.B;
  return packed === undefined ? item[name]?.S : zstdDecompressSync(packed).toString();
}
