import { Buffer } from 'node:buffer';
import { slotHashKey } from '#shared/engine/key.ts';
import type { ExchangeEntry } from '#shared/ports/exchange.ts';
import type { RowBatch } from '#shared/schemas/row-file.ts';

/** A record takes 1 MiB; smaller ones are answered sooner. A row has at most some 400 KB. */
const recordCharsMax = 256 * 1024;

/**
 * The records of a batch: rows as lines of JSON, each with where it stands. All records of a slot have one place in the hash space, so they
 * stay in order whatever is split or merged, and each position's rows are counted on from one record to the next.
 */
export function* encodeRowBatch({ slot, position, lines }: RowBatch, slots: number): Iterable<ExchangeEntry> {
  const explicitHashKey = slotHashKey(slot, slots).toString();
  let texts: string[] = [];
  let chars = 0;
  const close = (): ExchangeEntry => {
    const bytes = Buffer.from(`${texts.join('\n')}\n`);
    texts = [];
    chars = 0;
    return { slot, explicitHashKey, bytes };
  };
  for (const [index, line] of lines.entries()) {
    // `position` is a name that no column may have.
    const text = `${line.slice(0, -1)},"position":${JSON.stringify({ slot, log: position, index })}}`;
    if (texts.length > 0 && chars + text.length > recordCharsMax) yield close();
    texts.push(text);
    chars += text.length;
  }
  if (texts.length > 0) yield close();
}
