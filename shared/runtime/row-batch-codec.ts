import { Buffer } from 'node:buffer';
import { slotHashKey } from '#shared/engine/keys/key.ts';
import type { ExchangeEntry } from '#shared/ports/exchange.ts';
import type { RowBatch } from '#shared/schemas/row-file.ts';

/** A record takes 1 MiB, and a character up to three bytes; smaller ones are answered sooner. A row has at most some 400 KB. */
const recordCharsMax = 256 * 1024;

/**
 * The records of a view's batches of one slot, in the order of its log: rows as lines of JSON, each with where it stands. A record holds as
 * many as there is room for, whichever batches they are of, since each is a put that is waited for. All records of a slot have one place
 * in the hash space, so they stay in order whatever is split or merged. Another attempt may cut them otherwise: readers look at each row's
 * own place.
 */
export function* encodeRowBatches(
  batches: readonly RowBatch[],
  { slot, slots }: { readonly slot: number; readonly slots: number },
): Iterable<ExchangeEntry> {
  const explicitHashKey = slotHashKey(slot, slots).toString();
  let text = '';
  for (const line of linesOf(batches, slot)) {
    if (text !== '' && text.length + line.length > recordCharsMax) {
      yield { slot, explicitHashKey, bytes: Buffer.from(text) };
      text = '';
    }
    text += line;
  }
  if (text !== '') yield { slot, explicitHashKey, bytes: Buffer.from(text) };
}

function* linesOf(batches: readonly RowBatch[], slot: number): Iterable<string> {
  for (const { position, lines } of batches) {
    // `position` is a name that no column may have.
    for (const [index, line] of lines.entries())
      yield `${line.slice(0, -1)},"position":${JSON.stringify({ slot, log: position, index })}}\n`;
  }
}
