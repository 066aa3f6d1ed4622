import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { NotedLookups } from '#shared/schemas/lookup.ts';
import { expirySeconds, type Item, numberOf, textOf, unreadable } from './item.ts';

// A note of lookups in the state table: its body is compressed, in its head where it fits there, and else in parts beside it.

/** DynamoDB takes 400 KB an item; the rest is left for its other attributes. */
const partBytesMax = 350_000;

export function keyOfNote(pipeline: string, source: string, shard: string): Item {
  return { pk: { S: `${pipeline}#lookups#${source}#${shard}` }, sk: { S: 'note' } };
}

/** The items of a note: the head, which is written last and on condition, and the parts that it names. */
export function packNote(
  key: Item,
  { id, from, to, body }: NotedLookups,
  expiresMs: number,
): { readonly head: Item; readonly parts: readonly Item[] } {
  const packed = zstdCompressSync(body, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  const ttl = { N: String(expirySeconds(expiresMs)) };
  const head: Item = { ...key, id: { S: id }, from: { S: from }, to: { S: to }, ttl };
  if (packed.length <= partBytesMax) return { head: { ...head, bodyZstd: { B: packed } }, parts: [] };
  const count = Math.ceil(packed.length / partBytesMax);
  const parts = Array.from({ length: count }, (_, part) => ({
    ...keyOfPart(key, id, part),
    ttl,
    bodyZstd: { B: packed.subarray(part * partBytesMax, (part + 1) * partBytesMax) },
  }));
  return { head: { ...head, parts: { N: String(count) } }, parts };
}

/** The keys of the parts that a head names. */
export function keysOfParts(head: Item): readonly Item[] {
  if (head['parts'] === undefined) return [];
  const id = textOf(head, 'id');
  return Array.from({ length: numberOf(head, 'parts') }, (_, part) => keyOfPart(head, id, part));
}

/** The note of a head and its parts, in whatever order they are. */
export function noteOf(head: Item, parts: readonly Item[]): NotedLookups {
  const packed = keysOfParts(head).map(({ sk }) => parts.find((part) => part['sk']?.S === sk?.S)?.['bodyZstd']?.B);
  const bytes = head['parts'] === undefined ? [head['bodyZstd']?.B] : packed;
  if (bytes.some((part) => part === undefined)) throw unreadable(head, 'bodyZstd');
  return {
    id: textOf(head, 'id'),
    from: textOf(head, 'from'),
    to: textOf(head, 'to'),
    body: zstdDecompressSync(Buffer.concat(bytes as readonly Uint8Array[])).toString(),
  };
}

function keyOfPart({ pk }: Item, id: string, part: number): Item {
  return { pk: pk as NonNullable<typeof pk>, sk: { S: `${id}#${part}` } };
}
